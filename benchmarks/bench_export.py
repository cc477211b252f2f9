"""What an export costs, against the fastest way there is from SQLite into DuckDB without a second copy of SQLite.

Run as `python benchmarks/bench_export.py [--calls 1000000]`. Both read the same store in turns: the export as it is,
with its transactions, its view, its copy to the published file; and a bare loop of the standard library's sqlite3, one
keyset batch after the other, through Arrow into one table, in a single transaction. Figures are seconds of processor
time and of wall time, the least of the rounds, and the most memory that a process of either kind took. It fails if the
export takes more than 1.5 times as much processor time as the loop.
"""

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import duckdb
from synthetic_log import make_store

from chatreel.analytics.columns import READ
from chatreel.analytics.export import BATCH, export
from chatreel.analytics.rows import as_batch

WORST_RATIO = 1.5
ROUNDS = 2


def bare_loop(store: Path, out: Path) -> None:
    """The route that is compared with."""
    names = ", ".join(f'"{column.source}"' for column in READ)
    after = 0
    with closing(sqlite3.connect(store)) as source, duckdb.connect(out) as target:
        target.begin()
        while rows := source.execute(
            f"SELECT {names} FROM calls WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - names of our own
            (after, BATCH),
        ).fetchall():
            target.register("batch", as_batch(rows))
            target.execute("INSERT INTO calls FROM batch" if after else "CREATE TABLE calls AS FROM batch")
            after = rows[-1][0]
        target.commit()


def whole_export(store: Path, out: Path) -> None:
    export(str(store), out)


WAYS = {"export": whole_export, "bare loop": bare_loop}


def measured(way: str, store: Path, out: Path) -> dict[str, float]:
    """What a way takes in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--store", str(store), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this file
    figures: dict[str, float] = json.loads(ended.stdout)
    return figures


def take(way: str, store: Path, out: Path) -> None:
    begun, used = time.perf_counter(), time.process_time()
    WAYS[way](store, out)
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "wall": wall, "memory": memory}))  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--way", choices=WAYS, help="what a process of its own measures")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.way:
        take(given.way, given.store, given.out)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        store = given.store or Path(folder) / "store.db"
        if not given.store:
            make_store(store, given.calls)
        return compare(store, Path(folder))


def compare(store: Path, folder: Path) -> int:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for number in range(ROUNDS):
        for way, some in found.items():
            some.append(measured(way, store, folder / f"{way} {number}.duckdb"))
    least = {
        way: {name: min(figures[name] for figures in some) for name in ("cpu", "wall", "memory")}
        for way, some in found.items()
    }
    for way, figures in least.items():
        print(f"{way:10} {figures['cpu']:7.1f} s of processor {figures['wall']:7.1f} s {figures['memory']:6.0f} MB")  # noqa: T201
    ratio = least["export"]["cpu"] / least["bare loop"]["cpu"]
    print(f"the export takes {ratio:.2f} times as much")  # noqa: T201
    return 1 if ratio > WORST_RATIO else 0


if __name__ == "__main__":
    sys.exit(main())
