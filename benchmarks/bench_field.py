"""chatreel beside its peers, all replaying the same calls in the same run: requests a second, latency, cassettes.

Run as `python benchmarks/bench_field.py`; it needs a package index, node and npm, and about six minutes. Each peer is
installed into an environment of its own (`--folder` keeps them). The servers take turns, round by round; figures are
medians of the rounds, and each answer is checked: byte by byte, or by its text where a peer makes answers anew. What
cannot be installed is named in the table. `--json FILE` and `--svg FILE` write what is printed. `--quick` shows that it
all works; its figures say nothing.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_hits import PACKAGES, fill, generate, recording
from field.peers import PEERS, STREAMS, Missing, Peer, Place, text_of
from hits.chart import chart
from hits.corpus import Form, call
from hits.load import Measured, Spec
from hits.servers import Server, free_port, installed, machine, settle, started

from chatreel.canonical import KeyOptions, keyed_by
from chatreel.formats import cassette, vcr_writing

OURS = "chatreel"
BARE = "a bare uvicorn"
COUNT = 40
"""Calls of each form: the slowest peer has to be asked all of them once."""
INTERACTIONS = 1_000
ASKED = 100
"""Of the interactions of a cassette, evenly spread, in the order of the file."""
IN_PROCESS = {"VCR.py": ("vcr", ("openai", "vcrpy")), "cassetter": ("cassetter", ("openai", "cassetter[httpx2]"))}
SCENARIOS = ((Form.JSON, 16), (Form.JSON, 1), (Form.STREAM, 16), (Form.STREAM, 1))

type Figures = dict[str, dict[tuple[Form, int], list[Measured]]]


@dataclass(frozen=True, slots=True)
class Running:
    """A server, and how it is asked."""

    server: Server
    text: bool = False
    canned: bool = False

    def spec(self, form: Form, clients: int, seconds: float, count: int) -> Spec:
        return Spec(
            port=self.server.port,
            form=form,
            first=0 if form is Form.JSON else STREAMS,
            count=count,
            clients=clients,
            seconds=seconds,
            path=f"/{form.value}" if self.server.name == BARE else "/v1/chat/completions",
            canned=self.canned,
            says=self.server.says,
            text=self.text,
        )


@contextlib.contextmanager
def peer_running(make: Peer, place: Place) -> Iterator[Running]:
    """A peer that has all calls; whoever has to be taught them, and then has nobody to ask."""
    command = [sys.executable, "-m", "recording.upstream", str(place.upstream)]
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(contextlib.ExitStack())
        if make.learns:
            upstream.enter_context(started("upstream", command, place.work, place.upstream))
        server = stack.enter_context(started(make.name, make.command, place.work, place.port))
        running = Running(server, text=make.text, canned=make.learns)
        if make.learns:
            for form in Form:
                generate(dataclasses.replace(running.spec(form, 1, 0, place.count), canned=True))
            upstream.close()
        yield running


def measure_servers(folder: Path, rounds: int, seconds: float) -> tuple[Figures, dict[str, str]]:
    """All rounds; the figures by server, and why a peer is not there."""
    bare = installed(folder / "bare", *PACKAGES)
    figures: Figures = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = Path(name)
        store = str(work / "store.db")
        asyncio.run(fill(store, _place(folder, work).numbers))
        ours, plain = free_port(), free_port()
        serve = [sys.executable, "-m", "chatreel", "serve", "--store", store, "--mode", "replay", "--port", str(ours)]
        uvicorn = [str(bare / "bin/uvicorn"), "hits.bare:app", "--http", "httptools", "--loop", "uvloop"]
        uvicorn += ["--no-access-log", "--log-level", "critical", "--port", str(plain)]
        running = [
            Running(stack.enter_context(started(OURS, serve, work, ours, says="cache-status: chatreel; hit"))),
            Running(stack.enter_context(started(BARE, uvicorn, work, plain)), canned=True),
        ]
        for peer, make in PEERS.items():
            try:
                place = _place(folder, work)
                running.append(stack.enter_context(peer_running(make(place), place)))
            except Missing as error:
                missing[peer] = str(error)
        figures = {one.server.name: {scenario: [] for scenario in SCENARIOS} for one in running}
        for turn in range(rounds):
            for form, clients in SCENARIOS:
                for one in running[turn % len(running) :] + running[: turn % len(running)]:
                    if one.server.name == OURS:
                        settle(one.server)
                    figures[one.server.name][form, clients].append(generate(one.spec(form, clients, seconds, COUNT)))
    return figures, missing


def _place(folder: Path, work: Path) -> Place:
    return Place(folder, work, free_port(), free_port(), COUNT)


def measure_cassettes(folder: Path, rounds: int, interactions: int) -> dict[str, list[dict[str, float]]]:
    """In turns; seconds to the first answer and of a call, by tool."""
    recordings = [recording(Form.JSON, number) for number in range(interactions)]
    asked = [
        {"request": json.loads(call(Form.JSON, number).request), "text": text_of(Form.JSON, number)}
        for number in range(interactions // ASKED // 2, interactions, max(1, interactions // ASKED))
    ]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = Path(name)
        (work / "calls.json").write_text(json.dumps(asked))
        (work / "vcr.yaml").write_bytes(vcr_writing.write(recordings))
        (work / "ours.json").write_bytes(cassette.dump(recordings, keyed_by(KeyOptions())))
        port = free_port()
        serve = [sys.executable, "-m", "chatreel", "serve", "--store", str(work / "s.db"), "--port", str(port)]
        stack.enter_context(started(OURS, [*serve, "--mode", "replay"], work, port))
        wheres = {tool: installed(folder / which, *packages) for tool, (which, packages) in IN_PROCESS.items()}
        runs = {
            tool: [str(where / "bin/python"), IN_PROCESS[tool][0], str(work / "vcr.yaml"), "https://api.openai.com/v1"]
            for tool, where in wheres.items()
        }
        runs[OURS] = [str(wheres["VCR.py"] / "bin/python"), OURS, str(work / "ours.json"), f"http://127.0.0.1:{port}"]
        found: dict[str, list[dict[str, float]]] = {tool: [] for tool in runs}
        names = list(runs)
        for turn in range(rounds):
            for tool in names[turn % 3 :] + names[: turn % 3]:
                python, *arguments = runs[tool]
                script = str(Path(__file__).parent / "field/in_process.py")
                command = [python, script, *arguments, str(work / "calls.json")]
                ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
                if ended.returncode:
                    raise SystemExit(f"{tool}: {ended.stderr}")
                found[tool].append(json.loads(ended.stdout))
    return found


def rates(figures: Figures, missing: dict[str, str]) -> str:
    """In Markdown."""
    lines = ["| | JSON, 16 clients | p50, 1 client | streams, 16 clients | p50, 1 client |", "|---|---|---|---|---|"]
    for name, found in figures.items():
        cells = [f"{rate(found[form, 16]):,.0f} /s | {p50(found[form, 1]) * 1e3:.2f} ms" for form in Form]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"| {name} | not there: {why} | | | |" for name, why in missing.items())])


def rate(several: list[Measured]) -> float:
    return statistics.median(one.requests / one.seconds for one in several)


def p50(several: list[Measured]) -> float:
    return statistics.median(one.p50 for one in several)


def calls_of(found: dict[str, list[dict[str, float]]]) -> str:
    """In Markdown."""
    lines = ["| | cassette opened, first answer | each further call |", "|---|---|---|"]
    for tool, several in found.items():
        first, each = (statistics.median(one[name] for one in several) * 1e3 for name in ("first", "call"))
        lines.append(f"| {tool} | {first:.1f} ms | {each:.2f} ms |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="for each server in each scenario of a round")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds, seconds = (1, 0.3) if given.quick else (given.rounds, given.seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = (given.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        figures, missing = measure_servers(folder, rounds, seconds)
        cassettes = measure_cassettes(folder, rounds, 50 if given.quick else INTERACTIONS)
    sys.stdout.write(f"{machine()}; medians of {rounds} rounds\n\n{rates(figures, missing)}\n\n{calls_of(cassettes)}\n")
    if given.json:
        servers = {
            name: {
                f"{form.value}, {clients}": [dataclasses.asdict(one) for one in several]
                for (form, clients), several in by_scenario.items()
            }
            for name, by_scenario in figures.items()
        }
        found = {"machine": machine(), "servers": servers, "missing": missing, "cassettes": cassettes}
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    if given.svg:
        reference = {form: rate(figures[BARE][form, 16]) for form in Form}
        bars = [
            (f"{name}, {form.value}", rate(found[form, 16]) / reference[form], 1.0)
            for form in Form
            for name, found in figures.items()
            if name != BARE
        ]
        given.svg.write_text(chart(bars, f"Requests a second by those of a bare server; {machine()}"))


if __name__ == "__main__":
    main()
