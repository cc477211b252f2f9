"""What a second worker is worth: hits a second of one process and of two, each answer checked byte by byte.

Run as `python benchmarks/bench_workers.py`; about a minute. Both proxies have the same store and take turns. The
machine has to have something left for whoever asks: the load generator needs nearly a core, and what it takes of two
is missing to two workers, but not to one. So the table says what each has got of the processors, and the gain is that
of an hour of processor time: requests of two workers for each second that they had, by those of one, times two.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench_hits import HOT, fill, measure
from hits.corpus import Form
from hits.load import Spec
from hits.servers import Server, free_port, machine, started

GOAL = 1.6
SAYS = "cache-status: chatreel; hit"


@dataclass(frozen=True, slots=True)
class Share:
    """One proxy in one round."""

    rate: float
    """Requests a second."""
    cores: float
    """Of the processors, by the proxy."""
    generator: float
    """The same by whoever asked."""

    @property
    def of_a_core(self) -> float:
        """Requests for each second of processor time."""
        return self.rate / self.cores


def share(server: Server, clients: int, seconds: float) -> Share:
    figure = measure(server, Spec(server.port, Form.JSON, 0, HOT, clients, seconds, says=SAYS))
    took = figure.measured.seconds
    return Share(figure.measured.requests / took, figure.server / took, figure.measured.processor / took)


def run(rounds: int, seconds: float, clients: int) -> dict[int, list[Share]]:
    """Of one worker, and of two."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        here, store = Path(name), str(Path(name) / "store.db")
        asyncio.run(fill(store, [(Form.JSON, number) for number in range(HOT)]))
        servers = {}
        for workers in (1, 2):
            port = free_port()
            flags = ["--store", store, "--mode", "replay", "--port", str(port), "--workers", str(workers)]
            serve = [sys.executable, "-m", "chatreel", "serve", *flags]
            servers[workers] = stack.enter_context(started(f"{workers}", serve, here, port, says=SAYS))
        found: dict[int, list[Share]] = {workers: [] for workers in servers}
        for server in servers.values():
            share(server, clients, seconds)  # what is hot is hot, in each of them
        for turn in range(rounds):
            for workers in servers if turn % 2 else reversed(servers):
                found[workers].append(share(servers[workers], clients, seconds))
        return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each proxy in a round")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds, seconds = (1, 0.5) if given.quick else (given.rounds, given.seconds)
    found = run(rounds, seconds, given.clients)
    gains = [2 * two.of_a_core / one.of_a_core for one, two in zip(found[1], found[2], strict=True)]
    sys.stdout.write(f"{machine()}; medians of {rounds} rounds, {given.clients} clients\n\n")
    heads = ("workers", "requests", "cores of the proxy", "of the generator", "for a second of a core")
    sys.stdout.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    for workers, shares in found.items():
        rate, cores, generator, each = (
            statistics.median(getattr(one, name) for one in shares)
            for name in ("rate", "cores", "generator", "of_a_core")
        )
        sys.stdout.write(f"| {workers} | {rate:,.0f} /s | {cores:.2f} | {generator:.2f} | {each:,.0f} |\n")
    gain = statistics.median(gains)
    sys.stdout.write(f"\nTwo workers with a processor each: {gain:.2f} times one (goal: >= {GOAL})\n")
    if given.json:
        rows = {
            str(workers): [(one.rate, one.cores, one.generator) for one in shares] for workers, shares in found.items()
        }
        given.json.write_text(json.dumps({"machine": machine(), "gain": gain, "shares": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
