"""How long calls took. A percentile over hits and calls that went upstream together would say nothing about either."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile

BINS_PER_DECADE: Final = 8
_HIT: Final = "answered_by = 'recording'"
_FROM_UPSTREAM: Final = "answered_by = 'upstream'"


class Measure(StrEnum):
    """What is measured, in milliseconds, and of which calls."""

    HITS = "hits"
    UPSTREAM = "upstream"
    OVERHEAD = "overhead"
    """What chatreel added to calls that went upstream."""
    TTFT = "ttft"
    """To the first token of streams from upstream."""


_MEASURES: Final[dict[Measure, tuple[str, str]]] = {
    Measure.HITS: ("latency_ms", _HIT),
    Measure.UPSTREAM: ("latency_ms", _FROM_UPSTREAM),
    Measure.OVERHEAD: ("overhead_ms", _FROM_UPSTREAM),
    Measure.TTFT: ("ttft_ms", _FROM_UPSTREAM),
}
_PERCENTILES: Final = "count({0}), quantile_cont({0}, [0.5, 0.9, 0.95, 0.99])"


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of what was measured, in milliseconds."""

    calls: int
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second of the streams of a model that had two or more chunks."""

    model: str | None
    calls: int
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Calls whose latency lies between two bounds, in milliseconds; the upper one is exclusive."""

    outcome: str
    low: float
    high: float
    calls: int


def percentiles(log: LogFile, about: Filter, measure: Measure) -> Percentiles | None:
    """Of all calls; `None` if there are none with such a measure."""
    value, which = _MEASURES[measure]
    query = f"SELECT {_PERCENTILES.format(value)} FROM calls WHERE {about.where} AND {which}"
    [row] = log.rows(query, about.values)
    return _percentiles(row)


def percentiles_over_time(
    log: LogFile, about: Filter, measure: Measure, span: timedelta
) -> list[tuple[datetime, Percentiles]]:
    """For each span of time with such calls, in order."""
    found = _grouped(log, about, measure, "time_bucket($span, started_at)", {"span": span})
    return [(at, measured) for at, measured in found if isinstance(at, datetime)]


def percentiles_by_model(log: LogFile, about: Filter, measure: Measure) -> list[tuple[str | None, Percentiles]]:
    """For each model with such calls, by name."""
    return _grouped(log, about, measure, "model", {})


def histogram(log: LogFile, about: Filter) -> list[Bin]:
    """Latencies of hits and of calls that an upstream answered, in eight bins to a power of ten."""
    query = f"""
    SELECT outcome, floor(log10(greatest(latency_ms, 0.01)) * {BINS_PER_DECADE})::INTEGER AS bin, count(*)
    FROM calls WHERE {about.where} AND answered_by <> 'call' GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [
        Bin(outcome, 10 ** (number / BINS_PER_DECADE), 10 ** ((number + 1) / BINS_PER_DECADE), calls)
        for outcome, number, calls in log.rows(query, about.values)
    ]


def speeds(log: LogFile, about: Filter) -> list[Speed]:
    """By model, the one with the most streams first."""
    query = f"""
    SELECT model, count(*), quantile_cont(tokens_per_second, [0.1, 0.5, 0.9]) FROM calls
    WHERE {about.where} AND {_FROM_UPSTREAM} AND tokens_per_second IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1
    """
    return [Speed(model, calls, *parts) for model, calls, parts in log.rows(query, about.values)]


def _grouped(
    log: LogFile, about: Filter, measure: Measure, by: str, values: dict[str, Any]
) -> list[tuple[Any, Percentiles]]:
    value, which = _MEASURES[measure]
    query = f"""
    SELECT {by}, {_PERCENTILES.format(value)} FROM calls
    WHERE {about.where} AND {which} AND {value} IS NOT NULL GROUP BY 1 ORDER BY 1
    """
    found = ((row[0], _percentiles(row[1:])) for row in log.rows(query, about.values | values))
    return [(label, measured) for label, measured in found if measured]


def _percentiles(row: tuple[Any, ...]) -> Percentiles | None:
    calls, parts = row
    return Percentiles(int(calls), *parts) if calls else None
