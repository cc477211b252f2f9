"""Everything chatreel says to a person; nothing else writes to stderr."""

import logging

from rich.console import Console

from chatreel.model import Outcome
from chatreel.session import Tally

_console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    _console.print(text, markup=False)


def complain(text: str) -> None:
    _console.print(f"chatreel: {text}", markup=False, style="red")


def verdict(tally: Tally) -> None:
    """What a run came to, in one line: all that happened, and the outcomes that always matter even if they are 0."""
    always = (Outcome.HIT, Outcome.RECORDED, Outcome.REFUSED)
    words = {Outcome.HIT: "hits"}
    counts = [
        f"{tally.outcomes[outcome]} {words.get(outcome, outcome.value)}"
        for outcome in Outcome
        if outcome in always or tally.outcomes[outcome]
    ]
    say(f"chatreel: {tally.calls} calls: {', '.join(counts)}; {tally.seconds_saved:.1f} seconds saved")


def start_logging(*, quiet: bool = False) -> None:
    """Ours and the engine's, to stderr. `quiet`: only what is wrong."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("chatreel").setLevel(logging.WARNING if quiet else logging.INFO)
    # The engine reports a taken port by logging it and going on; chatreel says it once, and ends.
    logging.getLogger("mitmproxy.addons.proxyserver").setLevel(logging.CRITICAL)
