"""What recording adds: chatreel in `record` beside a bare mitmproxy master that only forwards, and beside no proxy.

Run as `python benchmarks/bench_recording.py`; it takes two minutes. All three lead to the same upstream, a server of
this benchmark. They take turns, round by round, so that a busy machine slows all alike: read the ratios, which are
medians of the ratios within a round. Each answer is checked byte by byte, and whether it was stored. `--json FILE` and
`--svg FILE` write what is printed. `--quick` shows that it all works; its figures say nothing.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hits.chart import chart
from hits.corpus import Form
from hits.servers import BENCHMARKS, Server, free_port, machine, settle, started
from recording.load import Measured, Spec

NAMES = ("direct", "bare", "chatreel")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table."""

    name: str
    form: Form
    clients: int
    measure: str
    """`first`, `gap` or `rps`."""
    goal: float
    pace: int = 0
    together: bool = False


SCENARIOS = (
    Scenario("time to first chunk, 1 client", Form.STREAM, 1, "first", 1.15, pace=5),
    Scenario("time to first chunk, 16 start together", Form.STREAM, 16, "first", 1.15, pace=20, together=True),
    Scenario("gaps between chunks, 4 clients, p99", Form.STREAM, 4, "gap", 2.0, pace=10),
    Scenario("JSON, 16 clients", Form.JSON, 16, "rps", 0.9),
    Scenario("streams of 120 chunks, 16 clients", Form.STREAM, 16, "rps", 0.9),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One server in one scenario in one round."""

    measured: Measured
    server: float
    """Seconds the server worked."""

    def of(self, measure: str) -> float:
        """By name: `rps` is requests a second, others seconds."""
        return self.measured.requests / self.measured.seconds if measure == "rps" else getattr(self.measured, measure)


def _added(direct: float, bare: float, ours: float) -> float:
    return (ours - direct) / (bare - direct)


JUDGED: dict[str, tuple[str, Callable[[float, float, float], float]]] = {
    "first": ("<=", _added),
    "gap": ("<=", lambda direct, _bare, ours: (ours - direct) * 1e3),
    "rps": (">=", lambda _direct, bare, ours: ours / bare),
}
"""How a measure is judged: what chatreel adds to what the bare one does; milliseconds added; by the bare one's."""


@dataclass(slots=True)
class Row:
    """A scenario's figures, by server, one in each round."""

    scenario: Scenario
    figures: dict[str, list[Figure]] = field(default_factory=lambda: {name: [] for name in NAMES})

    @property
    def result(self) -> float:
        """The median of what the rounds come to."""
        measure = self.scenario.measure
        rounds = zip(*(self.figures[name] for name in NAMES), strict=True)
        return statistics.median(JUDGED[measure][1](*(figure.of(measure) for figure in turn)) for turn in rounds)

    @property
    def reached(self) -> bool:
        """Whether the goal is."""
        at_least = JUDGED[self.scenario.measure][0] == ">="
        return self.result >= self.scenario.goal if at_least else self.result <= self.scenario.goal


def generate(spec: Spec) -> Measured:
    """Have a process of its own ask. Raises `SystemExit` if an answer was wrong."""
    command = [sys.executable, "-m", "recording.load", json.dumps(dataclasses.asdict(spec))]
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if ended.returncode:
        raise SystemExit(f"{spec}: {ended.stderr}")
    return Measured(**json.loads(ended.stdout))


class Bench:
    """The servers, and what was asked of them."""

    def __init__(self, servers: dict[str, Server], store: Path) -> None:
        self._servers = servers
        self._store = store
        self._next = 0
        self._recorded = 0

    def measure(self, scenario: Scenario, name: str, seconds: float) -> Figure:
        """One scenario on one server."""
        server = self._servers[name]
        spec = Spec(
            port=server.port,
            form=scenario.form,
            first=self._next,
            clients=scenario.clients,
            seconds=seconds,
            pace=scenario.pace,
            together=scenario.together,
            says=server.says,
        )
        before = server.processor()
        measured = generate(spec)
        figure = Figure(measured, server.processor() - before)
        self._next += measured.requests
        if server.says:
            settle(server)
            self._recorded += measured.requests
        return figure

    def check(self) -> None:
        """Raises `SystemExit` if something was not recorded that was asked of chatreel."""
        with contextlib.closing(sqlite3.connect(self._store)) as store:
            [found] = store.execute("SELECT count(*) FROM recordings").fetchone()
        if found != self._recorded:
            raise SystemExit(f"{self._recorded:,} answers went through chatreel, {found:,} were recorded")


def run(rounds: int, seconds: float) -> list[Row]:
    """All rounds."""
    upstream, bare, ours = (free_port() for _ in NAMES)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        here = Path(folder)
        python = [sys.executable, "-m"]
        store = here / "store.db"
        serve = ["chatreel", "serve", "--mode", "record", "--port", str(ours), "--store", str(store)]
        serve += ["--upstream", f"http://127.0.0.1:{upstream}"]
        commands: dict[str, tuple[list[str], int, str]] = {
            "direct": (["recording.upstream", str(upstream)], upstream, ""),
            "bare": (["recording.bare_master", str(bare), str(upstream), str(here)], bare, ""),
            "chatreel": (serve, ours, "cache-status: chatreel; "),
        }
        servers = {
            name: stack.enter_context(started(name, python + command, here, port, says=says))
            for name, (command, port, says) in commands.items()
        }
        bench = Bench(servers, store)
        rows = [Row(scenario) for scenario in SCENARIOS]
        for name in NAMES:
            bench.measure(SCENARIOS[-1], name, 0.2)  # what is warm is warm
        for turn in range(rounds):
            for row in rows:
                for name in NAMES[turn % 3 :] + NAMES[: turn % 3]:
                    row.figures[name].append(bench.measure(row.scenario, name, seconds))
        bench.check()
        return rows


def shown(figures: Sequence[Figure], measure: str) -> str:
    found = statistics.median(figure.of(measure) for figure in figures)
    return f"{found:,.0f} /s" if measure == "rps" else f"{found * 1e3:.2f} ms"


def table(rows: Sequence[Row]) -> str:
    """In Markdown."""
    lines = ["| | direct | bare master | chatreel | | goal | CPU us a call: bare master, chatreel |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        scenario, measure = row.scenario, row.scenario.measure
        cells = " | ".join(shown(row.figures[name], measure) for name in NAMES)
        unit = " ms added" if measure == "gap" else ""
        missed = "" if row.reached else " (missed)"
        costs = ", ".join(
            f"{statistics.median(one.server / one.measured.requests for one in row.figures[name]) * 1e6:,.0f}"
            for name in NAMES[1:]
        )
        sign = JUDGED[measure][0]
        lines.append(
            f"| {scenario.name} | {cells} | {row.result:.2f}{unit} | {sign} {scenario.goal}{missed} | {costs} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="for each server in each scenario of a round")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds, seconds = (1, 0.3) if given.quick else (given.rounds, given.seconds)
    rows = run(rounds, seconds)
    sys.stdout.write(f"{machine()}; medians of {rounds} rounds\n\n{table(rows)}\n")
    if given.json:
        found = {row.scenario.name: {"result": row.result, **dataclasses.asdict(row)} for row in rows}
        given.json.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1) + "\n")
    if given.svg:
        given.svg.write_text(chart([(row.scenario.name, row.result, row.scenario.goal) for row in rows], machine()))


if __name__ == "__main__":
    main()
