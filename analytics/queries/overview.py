"""The headline: what a period came to, against the one before, and how it went from day to day."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries.money import Spending, spending

_TOTALS: Final = """
SELECT label, sum(calls),
 sum(cost) FILTER (NOT served), coalesce(sum(lacking) FILTER (NOT served), 0),
 sum(saved) FILTER (served), coalesce(sum(lacking) FILTER (served), 0),
 coalesce(sum(calls) FILTER (served), 0) / nullif(sum(looked_up), 0),
 any_value(median) FILTER (answered_by = 'recording'), any_value(median) FILTER (answered_by = 'upstream'),
 sum(errors), coalesce(sum(saved_ms), 0) / 1000
FROM (
 SELECT {label} AS label, answered_by, served, count(*) AS calls, sum(cost_nusd) AS cost, sum(saved_nusd) AS saved,
  count(unpriced) AS lacking, count(*) FILTER (looked_up) AS looked_up, quantile_cont(latency_ms, 0.5) AS median,
  count(error_type) AS errors, sum(saved_ms) AS saved_ms
 FROM calls WHERE {where} GROUP BY ALL
) GROUP BY 1 ORDER BY {order}
"""
"""Calls of either kind are told apart once, and not again by each sum: it takes a third of the time."""


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
    if about.before is None:
        return Overview(dict(_totals_by(log, about, "true")).get(True, NOTHING), None)
    both = replace(about, since=about.before.since)
    found = dict(_totals_by(log, both, "started_at >= $now", now=about.since))
    return Overview(found.get(True, NOTHING), found.get(False, NOTHING))


def trend(log: LogFile, about: Filter, span: timedelta) -> list[Moment]:
    """The same for each span of time with calls, in order; spans of a day begin at midnight."""
    return [Moment(*found) for found in _totals_by(log, about, "time_bucket($span, started_at)", span=span)]


def outcomes(log: LogFile, about: Filter, span: timedelta) -> list[tuple[datetime, str, int]]:
    """Beginning of a span of time, outcome, and how many calls had it; in order of time."""
    query = f"""
    SELECT time_bucket($span, started_at), outcome, count(*) FROM calls WHERE {about.where} GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [(at, outcome, calls) for at, outcome, calls in log.rows(query, about.values | {"span": span})]


def by_model(log: LogFile, about: Filter) -> list[tuple[str | None, Totals]]:
    """What the calls of each model came to, the one with the most calls first."""
    return _totals_by(log, about, "model", order="2 DESC, 1")


def span_for(since: datetime, until: datetime) -> timedelta:
    """How long the spans of a chart should be: an hour for two days, six for ten, else a day."""
    length = until - since
    hours = 1 if length <= timedelta(days=2) else 6 if length <= timedelta(days=10) else 24
    return timedelta(hours=hours)


def _totals_by(
    log: LogFile, about: Filter, label: str, *, order: str = "1", **values: object
) -> list[tuple[Any, Totals]]:
    """For each value of an expression what its calls came to. `values`: of the parameters in it."""
    query = _TOTALS.format(label=label, where=about.where, order=order)
    return [(row[0], _totals(row[1:])) for row in log.rows(query, about.values | values)]


def _totals(row: tuple[Any, ...]) -> Totals:
    calls, *money = row[:5]
    hit_rate, hit_ms, upstream_ms, errors, seconds = row[5:]
    return Totals(int(calls), spending(tuple(money)), hit_rate, hit_ms, upstream_ms, int(errors), float(seconds))


NOTHING: Final = _totals((0, None, 0, None, 0, None, None, None, 0, 0))
