"""A question to a hundred million calls in Parquet partitions, which is how a log goes on beyond one machine.

Run as `python benchmarks/bench_partitions.py [--calls 100000000] [--folder DIR]`. It makes partitions with the layout
that `chatreel export --parquet` writes, of the columns that the questions need, in DIR (or a temporary folder: some
3 GB for a hundred million calls), and asks what the dashboard's first questions ask, about one day, a month and all of
it. Figures are seconds, the least of the rounds. It fails if an answer is not what the way the calls were made says.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from chatreel.analytics.columns import COLUMNS

DAYS = 100
ROUNDS = 3

_MADE = """
COPY (
 SELECT {day}::BIGINT * {rows} + n AS id,
  '{date}'::TIMESTAMP + to_microseconds((n * 86400000000 // {rows})::BIGINT) AS started_at,
  ['hit', 'hit', 'recorded', 'recorded', 'passed'][1 + (hash(n) % 5)::INTEGER] AS outcome,
  ['gpt-5.2', 'gpt-5.2-mini', 'claude-sonnet-4-5', 'llama-4-70b'][1 + (n % 4)] AS model,
  'https://api.openai.com' AS upstream,
  (1 + hash(n, 1) % 60000)::DOUBLE / 10 AS latency_ms, (200 + hash(n, 2) % 4000)::INTEGER AS prompt_tokens,
  (1 + hash(n, 3) % 900)::INTEGER AS completion_tokens,
  CASE WHEN outcome IN ('hit') THEN 0 ELSE 1000 END::BIGINT AS cost_nusd,
  CASE WHEN outcome IN ('hit') THEN 1000 ELSE 0 END::BIGINT AS saved_nusd, outcome = 'hit' AS served
 FROM range({rows}) AS numbers(n)
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""

_PARTS = "read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
_QUESTIONS = {
    "calls, spent, saved, hit rate": "SELECT count(*), sum(cost_nusd), sum(saved_nusd),"
    " count(*) FILTER (served) / count(*) FROM {parts} WHERE {when}",
    "by day and model": "SELECT day, model, count(*), sum(cost_nusd) FROM {parts} WHERE {when} GROUP BY 1, 2",
    "latency p50, p95, p99 by model": "SELECT model, quantile_cont(latency_ms, [0.5, 0.95, 0.99]) FROM {parts}"
    " WHERE {when} AND NOT served GROUP BY 1",
    "tokens by outcome": "SELECT outcome, sum(prompt_tokens), sum(completion_tokens) FROM {parts}"
    " WHERE {when} GROUP BY 1",
}
_PERIODS = {"a day": "day = '2026-03-01'", "30 days": "day BETWEEN '2026-03-01' AND '2026-03-30'", "all": "true"}


def make(connection: duckdb.DuckDBPyConnection, folder: Path, calls: int) -> None:
    """So many calls, the same number each day."""
    for day in range(DAYS):
        [(date,)] = connection.execute(f"SELECT strftime(DATE '2026-01-01' + {day}, '%Y-%m-%d')").fetchall()
        part = folder / f"day={date}"
        part.mkdir(exist_ok=True)
        path = part / "calls-0000.parquet"
        if not path.exists():
            connection.execute(_MADE.format(day=day, rows=calls // DAYS, date=date, path=path))


def ask(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[float, list[tuple[object, ...]]]:
    """Seconds, and the answer."""
    taken, answer = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = connection.execute(query).fetchall()
        taken.append(time.perf_counter() - begun)
    return min(taken), answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, duckdb.connect(config={"memory_limit": "4GB"}) as connection:
        folder: Path = given.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        make(connection, folder, given.calls)
        return report(connection, folder, given.calls)


def report(connection: duckdb.DuckDBPyConnection, folder: Path, calls: int) -> int:
    parts = _PARTS.format(folder=folder)
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e9
    print(f"{calls:,} calls in {DAYS} partitions, {size:.2f} GB; seconds")  # noqa: T201
    print(f"{'':32}" + "".join(f"{period:>10}" for period in _PERIODS))  # noqa: T201
    right = _names_are_those_of_the_view(connection, parts)
    for name, query in _QUESTIONS.items():
        figures = []
        for period, when in _PERIODS.items():
            seconds, answer = ask(connection, query.format(parts=parts, when=when))
            figures.append(f"{seconds:10.2f}")
            if name.startswith("calls") and period == "all":
                right = right and answer[0][0] == calls // DAYS * DAYS
        print(f"{name:32}" + "".join(figures))  # noqa: T201
    return 0 if right else 1


def _names_are_those_of_the_view(connection: duckdb.DuckDBPyConnection, parts: str) -> bool:
    described = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {parts})").fetchall()  # noqa: S608
    ours = {(column.name, column.type) for column in COLUMNS} | {("day", "DATE")}
    return set(described) <= ours


if __name__ == "__main__":
    sys.exit(main())
