"""What it costs a hit that no kill takes its row of the log.

Run as `python benchmarks/bench_log.py [HITS]`. First a row alone, kept in a file and forgotten; then hits of a proxy
that keeps rows in a file and of one that does not, which take turns: processor time and how long a client waits.
"""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from chatreel.store import Call
from chatreel.store.spool import Spool

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

ROUNDS = 12
ROWS = 5_000
TICKS = os.sysconf("SC_CLK_TCK")
WITHOUT = """
from chatreel.store import spool
spool.Spool.add = lambda *_: lambda: None
from chatreel.cli import main
main()
"""


@dataclass(frozen=True, slots=True)
class Burst:
    """Of some hits, one after the other on one connection; seconds."""

    processor: float
    """Of the proxy, per hit, all of its threads."""
    p50: float
    p95: float


def row_alone(plain: Call) -> float:
    """Seconds that a row takes by itself."""
    calls = [replace(plain, call_id=f"3f2504e0-4f89-41d3-9a0c-{number:012d}") for number in range(ROWS)]
    best = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(f"{folder}/store.db")
        for _ in range(ROUNDS):
            started = time.thread_time()
            for call in calls:
                spool.add(call, 1.5)(1)
            best = min(best, (time.thread_time() - started) / ROWS)
            spool.tidy()
        spool.close()
    return best


def burst(base_url: str, pid: int, body: bytes, hits: int) -> Burst:
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    waited = []
    before = processor_time(pid)
    for _ in range(hits):
        started = time.perf_counter()
        connection.request("POST", f"{address.path}/chat/completions", body, {"content-type": "application/json"})
        connection.getresponse().read()
        waited.append(time.perf_counter() - started)
    connection.close()
    quantiles = statistics.quantiles(waited, n=20)
    return Burst((processor_time(pid) - before) / hits, quantiles[9], quantiles[18])


def processor_time(pid: int) -> float:
    """Seconds of a process, as Linux counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def both_proxies(hits: int) -> tuple[list[Burst], list[Burst]]:
    """With a file and without."""
    from support.calls import question
    from support.program import CHATREEL, running_chatreel
    from support.upstream import Upstream

    body = orjson.dumps(question("What is the capital of France? " * 30))
    without = (sys.executable, "-c", WITHOUT, "serve")
    found: tuple[list[Burst], list[Burst]] = ([], [])
    with Upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        flags = ("--upstream", upstream.url, "--mode", "cache", "--store")
        with (
            running_chatreel(*flags, f"{folder}/1.db", command=CHATREEL) as one,
            running_chatreel(*flags, f"{folder}/2.db", command=without) as other,
        ):
            for number in range(2 * ROUNDS + 2):
                proxy = (one, other)[number % 2]
                measured = burst(proxy.base_url, proxy.pid, body, hits)
                if number >= 2:  # the first of each records, and warms up
                    found[number % 2].append(measured)
    return found


def main() -> None:
    from support.stores import call

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hits", type=int, nargs="?", default=400)
    plain = call(key=f"v1:{'a' * 64}", model="gpt-4o-mini", upstream="https://api.openai.com", tags='{"team":"search"}')
    sys.stdout.write(f"a row alone {row_alone(plain) * 1e6:.1f} us\n")
    with_file, without = both_proxies(parser.parse_args().hits)
    sys.stdout.write(f"{'a hit, us':20}{'with':>8}{'without':>9}{'ratio':>7}\n")
    for name in ("processor", "p50", "p95"):
        one, other = ([getattr(each, name) * 1e6 for each in bursts] for bursts in (with_file, without))
        ratio = statistics.median(a / b for a, b in zip(one, other, strict=True))
        sys.stdout.write(f"{name:20}{statistics.median(one):8.0f}{statistics.median(other):9.0f}{ratio:7.3f}\n")


if __name__ == "__main__":
    main()
