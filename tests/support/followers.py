"""A proxy that says how many calls wait for another's answer, so that a test can let it come when all of them do."""

import sys

from support.program import Program
from support.waiting import eventually

_PLANTED = """
import sys
from chatreel.flights import Flight

wait = Flight.wait

async def told(flight, seconds):
    print("one more waits", file=sys.stderr, flush=True)
    return await wait(flight, seconds)

Flight.wait = told
from chatreel.cli import main
main()
"""

COMMAND = (sys.executable, "-c", _PLANTED, "serve")


def waits(*proxies: Program) -> int:
    """How often a call of theirs has begun to wait."""
    return sum(proxy.log.count("one more waits") for proxy in proxies)


def wait_for(count: int, *proxies: Program) -> None:
    """Return once calls have begun to wait that often."""
    assert eventually(lambda: waits(*proxies) >= count), f"{waits(*proxies)} instead of {count}"
    assert waits(*proxies) == count
