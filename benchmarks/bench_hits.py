"""What a hit costs beside a bare web server: requests a second and latency, each answer checked byte by byte.

Run as `python benchmarks/bench_hits.py`; it needs a package index, for uvicorn, httptools and uvloop in an environment
of their own (`--folder` keeps it), and about five minutes. The servers take turns, round by round, so that a busy
machine slows all alike: read the ratios, which are medians of the ratios within a round. `--json FILE` and `--svg FILE`
write what is printed. `--quick` shows that it all works; its figures say nothing.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hits.chart import chart
from hits.corpus import Form, call
from hits.load import Measured, Spec
from hits.servers import Server, free_port, installed, machine, settle, started

from chatreel.model import Piece, Recording, WireForm
from chatreel.request import DEFAULT_KEYS, read_request
from chatreel.store import Store

HERE = Path(__file__).parent
UPSTREAM = "https://api.openai.com"
PATH = "/v1/chat/completions"
HOT = 400
"""Calls that come again and again."""
WRITTEN = 0.5
"""Seconds in which rows of the log are written once they are complete: that is part of what calls cost."""
PACKAGES = ("uvicorn", "httptools", "uvloop")
TYPES = {Form.JSON: "application/json", Form.STREAM: "text/event-stream; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table."""

    name: str
    form: Form
    clients: int
    measure: str
    """`rps`, `p50` or `p99`: the ratio that is judged."""
    goal: float
    """The ratio is to be at least this, or at most, if it is one of seconds. 0: none is set."""
    cold: bool = False
    """Each call once, which the process has never read before."""
    tls: bool = False
    anew: bool = False
    """Each request in bytes that the process has never read before: its key has to be made anew."""


SCENARIOS = (
    Scenario("JSON, 16 clients", Form.JSON, 16, "rps", 0.8),
    Scenario("JSON, spelled anew each time", Form.JSON, 16, "rps", 0, anew=True),
    Scenario("JSON, each key once, from the store", Form.JSON, 16, "rps", 0.3, cold=True),
    Scenario("streams of 120 events, 16 clients", Form.STREAM, 16, "rps", 0.6),
    Scenario("JSON, 1 client, median", Form.JSON, 1, "p50", 2.0),
    Scenario("JSON, 64 clients, p99", Form.JSON, 64, "p99", 3.0),
    Scenario("JSON through TLS, 16 clients", Form.JSON, 16, "rps", 3.0, tls=True),
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


@dataclass(slots=True)
class Row:
    """A scenario's figures, one of each in each round."""

    scenario: Scenario
    ours: list[Figure] = field(default_factory=list)
    others: list[Figure] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the ratios within a round."""
        measure = self.scenario.measure
        pairs = zip(self.ours, self.others, strict=True)
        return statistics.median(mine.of(measure) / other.of(measure) for mine, other in pairs)

    @property
    def reached(self) -> bool:
        """Whether the goal is."""
        return self.ratio >= self.scenario.goal if self.scenario.measure == "rps" else self.ratio <= self.scenario.goal


def recording(form: Form, number: int) -> Recording:
    """The call of that number as it is recorded."""
    made = call(form, number)
    route = dataclasses.make_dataclass("Route", ["upstream", "path", "query", "tenant"])(UPSTREAM, PATH, "", None)
    count = 1 if form is Form.JSON else made.answer.count(b"\n\n")
    sizes = [len(event) + 2 for event in made.answer.split(b"\n\n")[:count]] if count > 1 else [len(made.answer)]
    return Recording(
        identity=DEFAULT_KEYS.identify(route, read_request(made.request)),
        upstream=UPSTREAM,
        path=PATH,
        model="gpt-4o",
        recorded_at=time.time(),
        request=made.request,
        status=200,
        headers=(("content-type", TYPES[form]), ("x-request-id", f"req_{number:032}")),
        form=WireForm.JSON if form is Form.JSON else WireForm.SSE,
        body=made.answer,
        pieces=tuple(Piece(0.3 + at / 50, size) for at, size in enumerate(sizes)),
        completion=call(Form.JSON, number).answer,
    )


async def fill(store: str, wanted: Sequence[tuple[Form, int]]) -> None:
    """Make a store that has these calls."""
    recordings = Store(store, memory_limit=0)
    try:
        for start in range(0, len(wanted), 200):
            await asyncio.gather(*(recordings.add(recording(*one)) for one in wanted[start : start + 200]))
    finally:
        recordings.close()


def generate(spec: Spec) -> Measured:
    """Have a process of its own ask. Raises `SystemExit` if an answer was wrong."""
    command = [sys.executable, "-m", "hits.load", json.dumps(dataclasses.asdict(spec))]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    if ended.returncode:
        raise SystemExit(f"{spec}: {ended.stderr}")
    return Measured(**json.loads(ended.stdout))


def measure(server: Server, spec: Spec) -> Figure:
    if server.says:
        settle(server)
    before = server.processor()
    measured = generate(spec)
    if server.says:
        settle(server)
        time.sleep(WRITTEN)
    return Figure(measured, server.processor() - before)


def specs(scenario: Scenario, ours: Server, other: Server, seconds: float, cold: range) -> tuple[Spec, Spec]:
    """What is asked of chatreel, and of the other server."""
    through = f"{UPSTREAM.removeprefix('https://')}:443" if scenario.tls else ""
    mine = Spec(
        port=ours.proxy_port if scenario.tls else ours.port,
        form=scenario.form,
        first=cold.start if scenario.cold else 0,
        count=len(cold) if scenario.cold else HOT,
        clients=scenario.clients,
        seconds=0 if scenario.cold else seconds,
        says=ours.says,
        anew=scenario.anew,
        through=through,
    )
    path = mine.path if scenario.tls else f"/{scenario.form.value}"
    theirs = dataclasses.replace(
        mine, port=other.port, first=0, count=HOT, seconds=seconds, path=path, canned=True, says=""
    )
    return mine, theirs


@dataclass(frozen=True, slots=True)
class Plan:
    """How long it takes."""

    rounds: int
    seconds: float
    cold: int
    """Calls that are asked once, in a round."""
    workers: int = 1
    """Of chatreel."""


def run(plan: Plan, folder: Path) -> tuple[list[Row], dict[str, float]]:
    """All rounds; the rows, and the megabytes that each server has come to take."""
    bare = installed(folder / "bare", *PACKAGES)
    ports = [free_port() for _ in range(4)]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        here = Path(name)
        store = str(here / "store.db")
        hot = [(form, number) for form in Form for number in range(HOT)]
        cold = [(Form.JSON, number) for number in range(HOT, HOT + plan.cold * plan.rounds)]
        asyncio.run(fill(store, hot + cold))
        flags = ["--store", store, "--mode", "replay", "--port", str(ports[0]), "--proxy-port", str(ports[1])]
        serve = [sys.executable, "-m", "chatreel", "serve", *flags, "--workers", str(plan.workers)]
        ours = stack.enter_context(started("chatreel", serve, here, *ports[:2], says="cache-status: chatreel; hit"))
        uvicorn = [str(bare / "bin/uvicorn"), "hits.bare:app", "--http", "httptools", "--loop", "uvloop"]
        uvicorn += ["--no-access-log", "--log-level", "critical", "--port", str(ports[2])]
        baseline = stack.enter_context(started("bare", uvicorn, here, ports[2]))
        plain = [sys.executable, "-m", "hits.plain_addon", str(ports[3]), str(here)]
        addon = stack.enter_context(started("addon", plain, here, ports[3]))
        rows = [Row(scenario) for scenario in SCENARIOS]
        for form in Form:
            generate(Spec(ours.port, form, 0, HOT, 16, 0, says=ours.says))  # what is hot is hot
        for turn in range(plan.rounds):
            for row in rows:
                other = addon if row.scenario.tls else baseline
                start = HOT + turn * plan.cold
                mine, theirs = specs(row.scenario, ours, other, plan.seconds, range(start, start + plan.cold))
                asking = [(row.ours, ours, mine), (row.others, other, theirs)]
                for found, server, spec in asking if turn % 2 else reversed(asking):
                    found.append(measure(server, spec))
        return rows, {server.name: server.memory() / 2**20 for server in (ours, baseline, addon)}


def table(rows: Sequence[Row]) -> str:
    """In Markdown."""
    lines = ["| | chatreel | the other | ratio | goal | CPU us: chatreel, the other | generator's share |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        scenario = row.scenario
        shown = [middle(figures, scenario.measure) for figures in (row.ours, row.others)]
        sign = ">=" if scenario.measure == "rps" else "<="
        cost = ", ".join(f"{cost_of(figures):.0f}" for figures in (row.ours, row.others))
        share = max(figure.measured.processor / figure.measured.seconds for figure in row.ours + row.others)
        goal = f"{sign} {scenario.goal}" if scenario.goal else "-"
        missed = "" if row.reached else " (missed)"
        lines.append(
            f"| {scenario.name} | {shown[0]} | {shown[1]} | {row.ratio:.2f} | {goal}{missed} | {cost} | {share:.0%} |"
        )
    return "\n".join(lines)


def middle(figures: Sequence[Figure], measure: str) -> str:
    found = statistics.median(figure.of(measure) for figure in figures)
    return f"{found:,.0f} /s" if measure == "rps" else f"{found * 1e3:.2f} ms"


def cost_of(figures: Sequence[Figure]) -> float:
    """Microseconds of the server's processor for a request, the log that it writes on the side included."""
    return statistics.median(figure.server / figure.measured.requests for figure in figures) * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each server in each scenario of a round")
    parser.add_argument("--keys", type=int, default=4_000, help="that are asked once, in a round")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, default=1, help="processes of chatreel")
    given = parser.parse_args()
    full = Plan(given.rounds, given.seconds, given.keys, given.workers)
    plan = Plan(1, 0.3, 100, given.workers) if given.quick else full
    with tempfile.TemporaryDirectory() as name:
        folder = (given.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        rows, memory = run(plan, folder)
    sys.stdout.write(f"{machine()}; medians of {plan.rounds} rounds\n\n{table(rows)}\n\n")
    sys.stdout.write("MB resident: " + ", ".join(f"{name} {size:.0f}" for name, size in memory.items()) + "\n")
    if given.json:
        found = {row.scenario.name: {"ratio": row.ratio, **dataclasses.asdict(row)} for row in rows}
        given.json.write_text(json.dumps({"machine": machine(), "memory": memory, "rows": found}, indent=1) + "\n")
    if given.svg:
        given.svg.write_text(chart([(row.scenario.name, row.ratio, row.scenario.goal) for row in rows], machine()))


if __name__ == "__main__":
    main()
