"""The headline: what a period came to, against the one before, and how it went from day to day."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries.money import MONEY, Spending, spending

LOOKED_UP: Final = "outcome IN ('hit', 'coalesced', 'recorded', 'refused')"
"""Calls that a recording could have answered: what was passed by and what failed do not count in a hit rate."""
FROM_UPSTREAM: Final = "outcome IN ('recorded', 'passed')"

_TOTALS: Final = f"""
 count(*), {MONEY},
 count(*) FILTER (served) / nullif(count(*) FILTER ({LOOKED_UP}), 0),
 quantile_cont(latency_ms, 0.5) FILTER (outcome = 'hit'),
 quantile_cont(latency_ms, 0.5) FILTER ({FROM_UPSTREAM}),
 count(*) FILTER (error_type IS NOT NULL), coalesce(sum(saved_ms), 0) / 1000
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """What some calls came to."""

    calls: int
    spending: Spending
    hit_rate: float | None
    """Of the calls that a recording could have answered."""
    hit_ms: float | None
    """Median latency of hits."""
    upstream_ms: float | None
    """Median latency of calls that an upstream answered."""
    errors: int
    seconds_saved: float

    @property
    def error_rate(self) -> float | None:
        return self.errors / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class Overview:
    """A period, and the one before."""

    now: Totals
    before: Totals | None
    """`None` if the period has no beginning or no end."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the calls of one span of time came to."""

    at: datetime
    """Its beginning, UTC."""
    totals: Totals


def overview(log: LogFile, about: Filter) -> Overview:
    """Both periods, in one pass over the calls."""
    if about.before is None or about.since is None:
        [row] = log.rows(f"SELECT {_TOTALS} FROM calls WHERE {about.where}", about.values)
        return Overview(_totals(row), None)
    both = replace(about, since=about.before.since)
    query = f"SELECT started_at >= $now, {_TOTALS} FROM calls WHERE {both.where} GROUP BY 1"
    found = {row[0]: _totals(row[1:]) for row in log.rows(query, both.values | {"now": about.since})}
    return Overview(found.get(True, NOTHING), found.get(False, NOTHING))


def trend(log: LogFile, about: Filter, span: timedelta) -> list[Moment]:
    """The same for each span of time with calls, in order; spans of a day begin at midnight."""
    query = f"SELECT time_bucket($span, started_at), {_TOTALS} FROM calls WHERE {about.where} GROUP BY 1 ORDER BY 1"
    return [Moment(row[0], _totals(row[1:])) for row in log.rows(query, about.values | {"span": span})]


def outcomes(log: LogFile, about: Filter, span: timedelta) -> list[tuple[datetime, str, int]]:
    """Beginning of a span of time, outcome, and how many calls had it; in order of time."""
    query = f"""
    SELECT time_bucket($span, started_at), outcome, count(*) FROM calls WHERE {about.where} GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [(at, outcome, calls) for at, outcome, calls in log.rows(query, about.values | {"span": span})]


def by_model(log: LogFile, about: Filter) -> list[tuple[str | None, Totals]]:
    """What the calls of each model came to, the one with the most calls first."""
    query = f"SELECT model, {_TOTALS} FROM calls WHERE {about.where} GROUP BY 1 ORDER BY 2 DESC, 1"
    return [(row[0], _totals(row[1:])) for row in log.rows(query, about.values)]


def span_for(since: datetime, until: datetime) -> timedelta:
    """How long the spans of a chart should be: an hour for two days, six for ten, else a day."""
    length = until - since
    hours = 1 if length <= timedelta(days=2) else 6 if length <= timedelta(days=10) else 24
    return timedelta(hours=hours)


def _totals(row: tuple[Any, ...]) -> Totals:
    calls, *money = row[:5]
    hit_rate, hit_ms, upstream_ms, errors, seconds = row[5:]
    return Totals(int(calls), spending(tuple(money)), hit_rate, hit_ms, upstream_ms, int(errors), float(seconds))


NOTHING: Final = _totals((0, None, 0, None, 0, None, None, None, 0, 0))
