"""Periods begin where a person expects them to, and charts have a place for each span, with calls or without."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatreel.dashboards.periods import Range, period, spans, step

NOW = datetime(2026, 11, 24, 13, 5, 40)
MIDNIGHT = datetime(2026, 11, 24)
DATABASE = duckdb.connect()
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1))


@pytest.mark.parametrize(
    ("chosen", "since"),
    [
        (Range.DAY, datetime(2026, 11, 23, 14)),
        (Range.WEEK, MIDNIGHT - timedelta(days=6)),
        (Range.MONTH, MIDNIGHT - timedelta(days=29)),
        (Range.QUARTER, MIDNIGHT - timedelta(days=89)),
        (Range.ALL, None),
    ],
)
def test_a_period_counts_whole_days_today_included(chosen: Range, since: datetime | None) -> None:
    found = period(chosen, (), NOW)
    assert found.since == since
    assert found.until == (datetime(2026, 11, 24, 13, 6) if since else None)


def test_a_period_is_the_same_for_a_minute_so_that_answers_are_remembered() -> None:
    assert period(Range.WEEK, (), NOW) == period(Range.WEEK, (), NOW + timedelta(seconds=15))
    assert period(Range.WEEK, (), NOW) != period(Range.WEEK, (), NOW + timedelta(seconds=25))


@pytest.mark.parametrize(
    ("dates", "since", "days"),
    [
        ((date(2026, 3, 1), date(2026, 3, 31)), 1, 31),
        ((date(2026, 3, 5),), 5, 1),
        ((date(2026, 3, 9), date(2026, 3, 2)), 2, 8),
    ],
)
def test_dates_are_whole_days_both_included_in_whatever_order(dates: tuple[date, ...], since: int, days: int) -> None:
    found = period(Range.DATES, dates, NOW)
    assert found.since == datetime(2026, 3, since)
    assert found.until == found.since + timedelta(days=days)


@settings(deadline=None)
@given(MOMENTS, st.timedeltas(timedelta(hours=1), timedelta(days=900)))
def test_spans_begin_where_the_database_has_them_begin_and_leave_none_out(since: datetime, length: timedelta) -> None:
    span = step(since, since + length)
    found = list(spans(since, since + length, span))
    assert all(later - earlier == span for earlier, later in pairwise(found))
    first = DATABASE.execute("SELECT time_bucket(?::INTERVAL, ?::TIMESTAMP)", [span, since]).fetchone()
    assert first
    assert found[0] == first[0] <= since
    assert found[-1] < since + length <= found[-1] + span
    assert len(found) <= 404


def test_a_clock_of_another_zone_is_read_as_utc() -> None:
    from pathlib import Path

    from chatreel.dashboards.source import Source

    source = Source(Path("none"), clock=lambda: datetime(2026, 11, 24, 1, tzinfo=UTC).astimezone())
    assert source.now() == datetime(2026, 11, 24, 1)
