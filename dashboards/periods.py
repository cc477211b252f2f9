"""Spans of time: the period that is looked at, and the points on it at which nothing happened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from chatreel.analytics.queries.overview import span_for

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(2000, 1, 3)
_MOST: Final = 400
"""Points of a chart."""


class Range(StrEnum):
    """How far back is looked, as it is chosen and as the address has it."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    ALL = "all"
    DATES = "dates"


_DAYS: Final = {Range.DAY: 1, Range.WEEK: 7, Range.MONTH: 30, Range.QUARTER: 90}


@dataclass(frozen=True, slots=True)
class Period:
    """From one moment to another, UTC; no bounds: all there is."""

    since: datetime | None
    until: datetime | None
    name: str
    """As in `the last 7 days`."""
    short: str = ""
    """As in `7d`."""


def period(chosen: Range, dates: tuple[date, ...], now: datetime) -> Period:
    """What is looked at. Begins with a whole hour or day, today included, and ends with the minute that is running.

    `dates`: first and last day, if `Range.DATES` is chosen; one alone is both.
    """
    if chosen is Range.DATES and dates:
        first, last = min(dates), max(dates)
        name = f"{first:%-d %b %Y}" if first == last else f"{first:%-d %b} to {last:%-d %b %Y}"
        return Period(datetime.combine(first, time()), datetime.combine(last, time()) + _DAY, name, "as long")
    if chosen not in _DAYS:
        return Period(None, None, "all time")
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)  # the same for a minute: answers are remembered
    if chosen is Range.DAY:
        return Period(now.replace(minute=0, second=0, microsecond=0) - 23 * _HOUR, end, "the last 24 hours", "24h")
    today = datetime.combine(now.date(), time())
    return Period(today - (_DAYS[chosen] - 1) * _DAY, end, f"the last {_DAYS[chosen]} days", chosen.value)


def step(since: datetime, until: datetime) -> timedelta:
    """Length of the spans of a chart: an hour, six, a day; more, where there would be too many of them."""
    span = span_for(since, until)
    days = (until - since) // _DAY
    return span if days <= _MOST else timedelta(days=7) if days <= 7 * _MOST else timedelta(days=28)


def spans(since: datetime, until: datetime, span: timedelta) -> Iterator[datetime]:
    """Beginnings of the spans that a period touches, as `time_bucket` has them."""
    at = since - (since - _EPOCH) % span
    while at < until:
        yield at
        at += span


def filled[T](known: Mapping[datetime, T], since: datetime, until: datetime, span: timedelta) -> list[T | None]:
    """What is known of each span of a period, in order; `None` where there was nothing."""
    return [known.get(at) for at in spans(since, until, span)]
