"""How long each question of the dashboard takes on a million calls, or as many as are asked for.

Run as `python benchmarks/bench_queries.py [--calls 1000000] [--file calls.duckdb]`. Every question is asked several
times about the last 30 days and about all time. The figures are milliseconds of processor time by the number of cores,
the least of the rounds: what one waits where nothing else runs. The wall time is shown beside it. It fails if a
question takes more than 100 ms for each million calls, and says which. A file that is named is kept.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from synthetic_log import DAYS, START, make_store

from chatreel.analytics.export import export
from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries import budgets, caching, calls, latency, money, overview
from chatreel.budget import parse_budget

ROUNDS = 5
LIMIT_MS = 100
CORES = os.cpu_count() or 1
END = datetime.fromtimestamp(START + DAYS * 86_400, UTC).replace(tzinfo=None)
DAY = timedelta(days=1)

QUESTIONS: dict[str, Callable[[LogFile, Filter], object]] = {
    "overview": overview.overview,
    "trend by day": lambda log, about: overview.trend(log, about, DAY),
    "outcomes by day": lambda log, about: overview.outcomes(log, about, DAY),
    "by model": overview.by_model,
    "cost by day": lambda log, about: money.cost_by(log, about, money.By.DAY),
    "cost by model": lambda log, about: money.cost_by(log, about, money.By.MODEL),
    "cost by upstream": lambda log, about: money.cost_by(log, about, money.By.UPSTREAM),
    "cost by session": lambda log, about: money.cost_by(log, about, money.By.SESSION),
    "cost by tag": lambda log, about: money.cost_by_tag(log, about, "team"),
    "cost by model and day": lambda log, about: money.cost_by_model_over_time(log, about, DAY),
    "tokens by day": lambda log, about: money.tokens_over_time(log, about, DAY),
    "gaps": money.gaps,
    "coverage": money.coverage,
    "reported": money.reported,
    "budget": lambda log, _about: budgets.outlook(log, parse_budget("team=search:5/month"), END),
    "forecast": lambda log, about: money.forecast_month(log, about, END.date()),
    "percentiles": lambda log, about: latency.percentiles(log, about, latency.Measure.UPSTREAM),
    "percentiles by day": lambda log, about: latency.percentiles_over_time(log, about, latency.Measure.HITS, DAY),
    "ttft by model": lambda log, about: latency.percentiles_by_model(log, about, latency.Measure.TTFT),
    "overhead by model": lambda log, about: latency.percentiles_by_model(log, about, latency.Measure.OVERHEAD),
    "histogram": latency.histogram,
    "tokens per second": latency.speeds,
    "hit rate": caching.hit_rate,
    "hit rate by day": lambda log, about: caching.hit_rate_over_time(log, about, DAY),
    "miss reasons": caching.miss_reasons,
    "most repeated": caching.most_repeated,
    "paid again": caching.paid_again,
    "page of calls": calls.lines,
    "dearest calls": lambda log, about: calls.lines(log, about, order=calls.Order.DEAREST),
    "count of calls": calls.count,
    "one call": lambda log, _about: calls.one(log, f"{123:032x}"),
    "sessions": calls.runs,
    "choices": lambda log, _about: calls.choices(log),
    "in a session": lambda log, about: calls.lines(log, replace(about, sessions=(f"{7:016x}",))),
    "with a text": lambda log, about: calls.lines(log, replace(about, text="test_7", recordings=(1, 2))),
    "with a tag": lambda log, about: overview.overview(
        log, Filter(about.since, about.until, tags=(("team", "agents"),))
    ),
}


def least_ms(question: Callable[[LogFile, Filter], object], log: LogFile, about: Filter) -> tuple[float, float]:
    """Processor time and wall time: the least of several times, after one that warms up."""
    question(log, about)
    taken = []
    for _ in range(ROUNDS):
        begun, used = time.perf_counter(), time.process_time()
        question(log, about)
        taken.append(((time.process_time() - used) * 1e3 / CORES, (time.perf_counter() - begun) * 1e3))
    return min(cpu for cpu, _ in taken), min(wall for _, wall in taken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file: Path = given.file or Path(folder) / "calls.duckdb"
        if not given.file:
            make_store(Path(folder) / "store.db", given.calls)
            export(str(Path(folder) / "store.db"), file)
        with LogFile(file) as log:
            return report(log)


def report(log: LogFile) -> int:
    total = calls.count(log, Filter())
    limit = LIMIT_MS * max(1.0, total / 1e6)
    month = Filter(END - timedelta(days=30), END)
    print(f"{'ms':24} {'30 days':>8} {'(wall)':>8} {'all time':>9} {'(wall)':>8}   {total:,} calls")  # noqa: T201
    slow = []
    for name, question in QUESTIONS.items():
        (cpu, wall), (cpu_all, wall_all) = (least_ms(question, log, about) for about in (month, Filter()))
        print(f"{name:24} {cpu:8.1f} {wall:8.1f} {cpu_all:9.1f} {wall_all:8.1f}")  # noqa: T201
        if max(cpu, cpu_all) > limit:
            slow.append(name)
    if slow:
        print(f"longer than {limit:.0f} ms: {', '.join(slow)}")  # noqa: T201
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
