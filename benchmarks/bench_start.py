"""How long a start takes: `chatreel serve` and `mitmdump` until they listen, and what a marked test adds to a session.

Run as `python benchmarks/bench_start.py`; it takes a minute. All take turns, round by round, so that a busy machine
slows all alike: read the ratio, the median of those within a round. `--json FILE` writes what is printed. `--quick`
shows that it all works; its figures say nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hits.servers import free_port, machine, started

GOALS = {"serve": 0.8, "pytest": 1.5}
"""`serve` by `mitmdump`, at most; seconds that a marked test adds, at most."""
SUITE = """
import pytest

def test_plain():
    pass

@pytest.mark.chatreel
def test_marked():
    pass
"""


def serve(folder: Path) -> float:
    """Seconds until chatreel listens, on a store that is there."""
    port = free_port()
    command = [sys.executable, "-m", "chatreel", "serve", "--port", str(port), "--store", str(folder / "store.db")]
    return _until_listening("serve", command, folder, port)


def mitmdump(folder: Path) -> float:
    """Seconds until mitmproxy's own program does."""
    port = free_port()
    program = str(Path(sys.executable).parent / "mitmdump")
    command = [program, "-q", "--mode", "reverse:http://127.0.0.1:9", "--listen-port", str(port)]
    return _until_listening("mitmdump", [*command, "--set", f"confdir={folder}"], folder, port)


def _until_listening(name: str, command: list[str], folder: Path, port: int) -> float:
    began = time.perf_counter()
    with started(name, command, folder, port):
        return time.perf_counter() - began


def python(folder: Path) -> float:
    """Seconds of an interpreter that has nothing to do."""
    return _run([sys.executable, "-c", "pass"], folder)


def pytest(test: str) -> Callable[[Path], float]:
    """Seconds of a session of one test."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_suite.py::{test}"]
    return lambda folder: _run(command, folder)


def _run(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise SystemExit(ended.stdout + ended.stderr)
    return time.perf_counter() - began


MEASURED: dict[str, Callable[[Path], float]] = {
    "python -c pass": python,
    "mitmdump": mitmdump,
    "chatreel serve": serve,
    "pytest, a plain test": pytest("test_plain"),
    "pytest, a marked test": pytest("test_marked"),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    found: dict[str, list[float]] = {name: [] for name in MEASURED}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_suite.py").write_text(SUITE)
        for measure in MEASURED.values():  # what is made once is made, and what is read is in memory
            measure(folder)
        names = list(MEASURED)
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                found[name].append(MEASURED[name](folder))
    ratio = statistics.median(
        ours / theirs for ours, theirs in zip(found["chatreel serve"], found["mitmdump"], strict=True)
    )
    added = statistics.median(
        marked - plain
        for marked, plain in zip(found["pytest, a marked test"], found["pytest, a plain test"], strict=True)
    )
    sys.stdout.write(f"{machine()}; medians of {rounds} rounds\n\n| | seconds |\n|---|---|\n")
    for name, several in found.items():
        sys.stdout.write(f"| {name} | {statistics.median(several):.2f} |\n")
    sys.stdout.write(f"\nserve by mitmdump: {ratio:.2f} (goal: < {GOALS['serve']}); ")
    sys.stdout.write(f"a marked test adds {added:.2f} s (goal: < {GOALS['pytest']})\n")
    if given.json:
        document = {"machine": machine(), "seconds": found, "serve_by_mitmdump": ratio, "marked_test_adds": added}
        given.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
