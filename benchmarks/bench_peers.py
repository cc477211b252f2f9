"""chatreel beside VCR.py with pytest-recording, cassetter and aimock: one suite, recorded once with each and replayed.

Run as `python benchmarks/bench_peers.py`; it needs node, npm and a package index, and takes half an hour on a
busy machine. Each tool gets an environment of its own. The upstream is a server on loopback, which is off
while the suite is replayed.
Times are medians of rounds in which the tools take turns, so that a busy machine slows all alike: read the ratios.
`--folder` keeps environments and recordings, and takes up what is there.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hits.servers import installed

ROOT = Path(__file__).parents[1]
SUITE = Path(__file__).parent / "peers"
KEY = "sk-the-key-of-the-benchmark"
TIMED = ("no tool", "VCR.py, tuned", "cassetter, tuned", "aimock, tuned", "chatreel")
PACKAGES = {
    "none": (),
    "vcr": ("vcrpy", "pytest-recording"),
    "cassetter": ("cassetter[httpx2]",),
    "aimock": (),
    "chatreel": ("./checkout[proxy]",),
}
COPIED = ("proxy", "analytics", "dashboards", "pyproject.toml", "README.md", "LICENSE")
AIMOCK = "node_modules/@copilotkit/aimock"

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))

from support.replies import Reply, Request, answer_to, completion, echo, error, stream  # noqa: E402
from support.upstream import Upstream  # noqa: E402


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool under one set of settings."""

    name: str
    packages: str
    """Which environment."""
    mark: str = "[]"
    """What `pytestmark` is."""
    record: tuple[str, ...] = ()
    """Flags of pytest, or of aimock."""
    replay: tuple[str, ...] = ()
    settings: str = ""
    """The line of the settings of pytest."""
    conftest: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def vcr_config(**settings: object) -> str:
    """A conftest in the manner of pytest-recording, which cassetter has taken over."""
    return f"import pytest\n\n@pytest.fixture(scope='module')\ndef vcr_config():\n    return {settings!r}\n"


STRICT_VCR = vcr_config(
    match_on=["method", "scheme", "host", "port", "path", "query", "body"], filter_headers=["authorization"]
)
STRICT_CASSETTER = vcr_config(match_on=["method", "uri", "json_body"])
VCR = {"mark": "pytest.mark.vcr", "record": ("--record-mode=once",), "replay": ("--record-mode=none",)}
TOOLS = (
    Tool("no tool", "none"),
    Tool("VCR.py", "vcr", **VCR),  # type: ignore[arg-type]
    Tool("VCR.py, tuned", "vcr", **VCR, conftest=STRICT_VCR),  # type: ignore[arg-type]
    Tool("cassetter", "cassetter", **VCR),  # type: ignore[arg-type]
    Tool("cassetter, tuned", "cassetter", **VCR, conftest=STRICT_CASSETTER, settings="vcr_on_unplayed = fail"),  # type: ignore[arg-type]
    Tool("aimock", "aimock", record=("--record",)),
    Tool(
        "aimock, tuned",
        "aimock",
        record=("--record",),
        replay=("--strict", "--replay-speed", "1000"),
        environment={"AIMOCK_STRICT_TURN_INDEX": "1"},
    ),
    Tool("chatreel", "chatreel", mark="pytest.mark.chatreel", record=("--chatreel=cache",)),
)


class Model:
    """What the upstream says: `echo`, and what single tests need."""

    def __init__(self) -> None:
        """Nobody was told to come back yet."""
        self.refused: set[bytes] = set()

    def __call__(self, request: Request) -> Reply:
        """Answer; a busy model refuses a question the first time."""
        body = request.json()
        text = body["messages"][-1]["content"]
        if "busy" in text and request.body not in self.refused:
            self.refused.add(request.body)
            return error(429, headers={"retry-after-ms": "10"})
        if "tools" in body:
            return completion(None, tool_calls=[("weather", json.dumps({"of": text}))])
        if "snow" in text:
            return completion(f"{body['messages'][0]['content']} {answer_to(body)}")
        if text.startswith("Slowly"):
            return stream(["piece "] * 10, gap=0.1)
        if text == "Exactly, as json.":
            return Reply(headers={"content-type": "application/json"}, body=spaced(completion("Grüße, 1.0").body))
        return echo(request)


def spaced(body: bytes) -> bytes:
    """The same JSON in another spelling: spaces, escapes, a number with a zero at its end."""
    return json.dumps(json.loads(body) | {"cost": 0.5}, indent=1).replace("0.5", "0.50").encode()


class Bench:
    """One folder with environments, projects and recordings, and one upstream."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        """Use `folder`; what it has already is not made again."""
        self.folder = folder
        self.upstream = upstream

    def install(self) -> None:
        """Make an environment for each tool."""
        for name, packages in PACKAGES.items():
            if name == "chatreel":
                self.copy_checkout()
            installed(self.folder / name, "openai", "pytest", "pytest-xdist", *packages, beside=self.folder)
        if not (self.folder / AIMOCK).exists():
            check(["npm", "install", "--silent", "--prefix", ".", "@copilotkit/aimock"], self.folder)

    def copy_checkout(self) -> None:
        """Copy what is installed: a build in place would leave files in the checkout."""
        for name in COPIED:
            source, target = ROOT / name, self.folder / "checkout" / name
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                shutil.copy(source, target)

    def versions(self) -> dict[str, str]:
        """What was installed, by name."""
        wanted = ("vcrpy", "pytest-recording", "cassetter", "chatreel", "openai", "pytest")
        code = f"""
import importlib.metadata as m
for name in {wanted!r}:
    try: print(name, m.version(name))
    except m.PackageNotFoundError: pass
"""
        found: dict[str, str] = {}
        for name in PACKAGES:
            said = check([str(self.folder / name / "bin/python"), "-c", code], self.folder)
            found |= dict(line.split() for line in said.splitlines())
        package = json.loads((self.folder / AIMOCK / "package.json").read_bytes())
        return found | {"aimock": package["version"], "node": check(["node", "--version"], self.folder).strip()}

    def folder_of(self, tool: Tool, test: str, case: str = "") -> Path:
        """Where the project of `tool` with `test` is."""
        return self.folder / "projects" / f"{tool.name}-{test}{case}".replace(", ", "-").replace(" ", "-")

    def project(self, tool: Tool, test: str, case: str = "") -> Path:
        """A new folder with `test`, marked and set up for `tool`."""
        folder = self.folder_of(tool, test, case)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "told").mkdir(parents=True)
        text = (SUITE / f"{test}.py").read_text()
        (folder / f"{test}.py").write_text(text.replace("pytestmark: Any = []", f"pytestmark = {tool.mark}"))
        (folder / "test_nothing.py").write_text("import openai\n\ndef test_nothing(): pass\n")
        (folder / "pytest.ini").write_text(f"[pytest]\n{tool.settings}\n")
        conftest = (SUITE / "aimock_conftest.py").read_text() if tool.packages == "aimock" else tool.conftest
        (folder / "conftest.py").write_text(conftest)
        return folder

    def run(
        self, tool: Tool, folder: Path, *selected: str, record: bool = False, changed: bool = False
    ) -> tuple[float, dict[str, bool]]:
        """Run pytest; seconds of wall time, and which tests have passed."""
        mine = tool.record if record else tool.replay
        environment = {name: value for name, value in os.environ.items() if name != "CI"} | dict(tool.environment)
        environment |= {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{self.upstream.url}/v1",
            "TOLD": str(folder / "told"),
        }
        environment |= {"CHANGED": "1"} if changed else {}
        if tool.packages == "aimock":
            fixtures = folder / "fixtures"
            fixtures.mkdir(exist_ok=True)
            upstream = ("--provider-openai", self.upstream.url) if record else ()
            environment |= {
                "AIMOCK_CLI": str(self.folder / AIMOCK / "dist/cli.js"),
                "AIMOCK_FLAGS": " ".join(["--fixtures", str(fixtures), *upstream, *mine]),
            }
            mine = ()
        command = [str(self.folder / tool.packages / "bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["--junit-xml=junit.xml", *mine, *selected]
        start = time.perf_counter()
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        seconds = time.perf_counter() - start
        (folder / "output.txt").write_text(ended.stdout + ended.stderr)
        return seconds, outcomes(folder / "junit.xml")

    def record(self, tool: Tool, test: str, *flags: str, case: str = "") -> Path:
        """Record `test` with the upstream on; the folder of its project."""
        self.upstream.reply_by(Model())
        folder = self.project(tool, test, case)
        _, passed = self.run(tool, folder, f"{test}.py", *flags, record=True)
        if not all(passed.values()):
            failed = [name for name, well in passed.items() if not well]
            sys.stdout.write(f"# {tool.name}, {test}{case}: fails while recording: {', '.join(failed)}\n")
        return folder


def check(command: list[str], folder: Path) -> str:
    """Run a command that has to succeed; what it said. Raises `SystemExit` with its output if it fails."""
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise SystemExit(f"{command}: {ended.stdout}{ended.stderr}")
    return ended.stdout


def outcomes(report: Path) -> dict[str, bool]:
    """Which tests have passed, by name; a test that fails in its teardown has failed."""
    passed: dict[str, bool] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        bad = any(child.tag in {"failure", "error"} for child in case)
        passed[case.attrib["name"]] = passed.get(case.attrib["name"], True) and not bad
    return passed


def recordings(folder: Path) -> list[Path]:
    """The files that would be committed."""
    return [path for name in ("cassettes", "fixtures") for path in (folder / name).rglob("*") if path.is_file()]


def told(folder: Path, name: str) -> Any:
    """What a probe has written down; None if it did not get that far."""
    path = folder / "told" / name
    return json.loads(path.read_bytes()) if path.exists() else None


def probe(bench: Bench, tool: Tool) -> dict[str, str]:
    """Find out about `tool` by doing it; the answers, by question."""
    folder = bench.record(tool, "test_probes")
    first, last = told(folder, "pace") or (0, 0)
    digests = {form: told(folder, form) for form in ("json", "stream")}
    secret = any(KEY.encode() in path.read_bytes() for path in recordings(folder))
    shutil.rmtree(folder / "told")
    (folder / "told").mkdir()
    before = bench.upstream.connections
    _, same = bench.run(tool, folder, "test_probes.py")
    alike = {form: digests[form] is not None and told(folder, form) == digests[form] for form in digests}
    _, now = bench.run(tool, folder, "test_probes.py", changed=True)
    connections = bench.upstream.connections - before
    return {
        "probes pass when nothing has changed": yes(all(same.values())),
        "a changed user prompt fails the test": yes(not now["test_user_prompt"]),
        "a changed system prompt fails the test": yes(not now["test_system_prompt"]),
        "a changed temperature fails the test": yes(not now["test_temperature"]),
        "... also where the code swallows the error": yes(not now["test_swallowed"]),
        "recorded as a stream, asked for as JSON: answered": yes(now["test_form"]),
        "first chunk of a 1.2 s stream while recording": f"{first:.2f} s of {last:.2f} s",
        "JSON answer replayed byte for byte": yes(alike["json"]),
        "stream replayed byte for byte": yes(alike["stream"]),
        "the key is in the recordings": yes(secret),
        "connections upstream in two replays, upstream on": str(connections),
    }


def yes(answer: bool) -> str:
    """In words."""
    return "yes" if answer else "no"


def suite(bench: Bench, tool: Tool) -> dict[str, str]:
    """Record the suite, also with two workers, and replay it with the upstream off."""
    found: dict[str, str] = {}
    for name, flags, case in (("one process", (), ""), ("two workers", ("-n", "2"), "-parallel")):
        folder = bench.record(tool, "test_suite", *flags, case=case)
        bench.upstream.stop()
        _, passed = bench.run(tool, folder, "test_suite.py")
        bench.upstream.restart()
        found[f"tests that pass on replay, recorded by {name}"] = f"{sum(passed.values())} of {len(passed)}"
        if failed := [test for test, well in passed.items() if not well]:
            sys.stdout.write(f"# {tool.name}, recorded by {name}, replay fails: {', '.join(failed)}\n")
        if not case:
            files = recordings(folder)
            found["files"] = str(len(files))
            found["bytes of the recordings"] = f"{sum(path.stat().st_size for path in files):,}"
    return found


def timings(bench: Bench, rounds: int) -> dict[str, dict[str, str]]:
    """Replay in turns; the medians, by tool. Without a tool the suite asks the upstream itself."""
    seconds: dict[tuple[str, str], list[float]] = {}
    selections = {"nothing": ("test_nothing.py",), "one": ("test_suite.py", "-k", "Norway"), "all": ("test_suite.py",)}
    timed = [tool for tool in TOOLS if tool.name in TIMED]
    for tool in timed:
        if tool.packages == "none":
            bench.project(tool, "test_suite")
    count = 0
    for turn in range(rounds):
        for tool in timed[turn % len(timed) :] + timed[: turn % len(timed)]:
            for name, selected in selections.items():
                (bench.upstream.restart if tool.packages == "none" else bench.upstream.stop)()
                bench.upstream.reply_by(Model())
                spent, passed = bench.run(tool, bench.folder_of(tool, "test_suite"), *selected)
                count = max(count, len(passed))
                seconds.setdefault((tool.name, name), []).append(spent)
    bench.upstream.restart()
    table = {}
    for tool in timed:
        nothing, one, everything = (statistics.median(seconds[tool.name, name]) for name in selections)
        table[tool.name] = {
            "session of one empty test": f"{nothing:.2f} s",
            "the first test adds": f"{one - nothing:.2f} s",
            "each further test": f"{(everything - one) / (count - 1) * 1e3:.0f} ms",
            "the whole session": f"{everything:.2f} s",
        }
    return table


def show(title: str, table: Mapping[str, Mapping[str, str]]) -> None:
    """Print a table in Markdown: tools across, questions down."""
    sys.stdout.write(f"\n{title}\n\n| | {' | '.join(table)} |\n|{'---|' * (len(table) + 1)}\n")
    for row in next(iter(table.values())):
        sys.stdout.write(f"| {row} | {' | '.join(columns[row] for columns in table.values())} |\n")
    sys.stdout.flush()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=("probes", "suite", "timings"), help="timings: of a suite in --folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Upstream() as upstream:
        bench = Bench((given.folder or Path(name)).resolve(), upstream)
        bench.folder.mkdir(parents=True, exist_ok=True)
        bench.install()
        sys.stdout.write(", ".join(f"{name} {version}" for name, version in bench.versions().items()) + "\n")
        tools = [tool for tool in TOOLS if tool.packages != "none"]
        if given.only in {None, "probes"}:
            show("Found out by doing it", {tool.name: probe(bench, tool) for tool in tools})
        if given.only in {None, "suite"}:
            show("The suite", {tool.name: suite(bench, tool) for tool in tools})
        if given.only in {None, "timings"}:
            show(f"Replay, medians of {given.rounds} rounds", timings(bench, given.rounds))


if __name__ == "__main__":
    main()
