"""What the commands that look after a store take, start of the program included, on a store of 100,000 recordings.

Run as `python benchmarks/bench_commands.py [RECORDINGS] [--store FILE]`. The store is made by `big_store` in a
temporary folder, or is the one that is named, which is made if it is not there. Beside each command stand the two
things that nothing can be faster than: an interpreter that does nothing, and one that counts the recordings.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from big_store import fill

RUNS = 5
"""Of what takes a second or two; of what takes minutes, one."""
COUNT = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM recordings').fetchall()"
PYTHON = [sys.executable]
CHATREEL = [*PYTHON, "-m", "chatreel"]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def seconds(command: list[str]) -> tuple[float, float]:
    """What one run of a command takes, by the clock and of the processor (others do not change that).

    Raises `RuntimeError` with what it said if it failed; `diff` may find differences.
    """
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    taken, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode > (1 if "diff" in command else 0):
        raise RuntimeError(f"{' '.join(command)}: {ended.stderr}")
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(name: str, command: list[str], runs: int) -> None:
    times = [seconds(command) for _ in range(runs)]
    clock, processor = (statistics.median(column) for column in zip(*times, strict=True))
    say(f"{name:42} median {clock:7.2f} s, processor {processor:7.2f} s")


def bench(store: Path, count: int, runs: int) -> None:
    """Measure every command on a store, those that change it on a copy."""
    on = ["--store", str(store)]
    middle = count // 2
    say(f"{count:,} recordings, {store.stat().st_size / 1e6:,.0f} MB; {runs} runs, one of what takes long\n")
    measure("python -c pass", [*PYTHON, "-c", "pass"], runs)
    measure("SELECT count(*) FROM recordings", [*PYTHON, "-c", COUNT, str(store)], runs)
    measure("chatreel --version", [*CHATREEL, "--version"], runs)
    measure("chatreel ls", [*CHATREEL, "ls", *on], runs)
    measure("chatreel ls --model --until", [*CHATREEL, "ls", "--model", "gpt-4o*", "--until", "2026-08-01", *on], runs)
    measure("chatreel show ID", [*CHATREEL, "show", str(middle), *on], runs)
    measure("chatreel diff A B", [*CHATREEL, "diff", str(middle), str(middle + 1), *on], runs)
    measure("chatreel stats", [*CHATREEL, "stats", *on], runs)
    measure("chatreel ls --all", [*CHATREEL, "ls", "--all", *on], 1)
    measure("chatreel ls --search (nothing has it)", [*CHATREEL, "ls", "--search", "no such text", *on], 1)
    measure("chatreel verify", [*CHATREEL, "verify", *on], 1)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        shutil.copy(store, copy)
        on = ["--store", str(copy)]
        for number in range(3):
            measure(f"chatreel rm ID ({number + 1}.)", [*CHATREEL, "rm", str(middle + number), *on], 1)
        half = f"{copy.stat().st_size // 2}B"
        measure("chatreel prune --max-size (half of it)", [*CHATREEL, "prune", "--max-size", half, *on], 1)
        measure("chatreel prune --older-than 0s", [*CHATREEL, "prune", "--older-than", "0s", *on], 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recordings", type=int, nargs="?", default=100_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = options.store or Path(folder) / "store.db"
        if not store.exists():
            fill(str(store), options.recordings)
        bench(store, options.recordings, options.runs)


if __name__ == "__main__":
    main()
