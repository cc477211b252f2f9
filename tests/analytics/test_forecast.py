"""A forecast says what a month will have cost if it goes on as it did, and nothing where nobody could know."""

from datetime import date, timedelta

import pytest

from chatreel.analytics.forecast import Forecast, forecast

TODAY = date(2026, 11, 11)


def spending(days: int, usd: float = 2.0) -> dict[date, float]:
    """The same each day, up to yesterday."""
    return {TODAY - timedelta(number): usd for number in range(1, days + 1)}


def test_what_is_the_same_each_day_goes_on() -> None:
    found = forecast(spending(40), TODAY)
    assert found.spent == pytest.approx(20.0)
    assert [found.low, found.expected, found.high] == pytest.approx([60.0] * 3)


def test_what_was_spent_today_is_part_of_today() -> None:
    assert forecast(spending(40) | {TODAY: 1.5}, TODAY).expected == pytest.approx(60.0)
    assert forecast(spending(40) | {TODAY: 5.0}, TODAY).expected == pytest.approx(63.0)


def test_weekdays_are_not_alike() -> None:
    """Nothing at weekends: of the 20 days to come 14 cost something."""
    days = {day: 7.0 for day in spending(40) if day.weekday() < 5}
    found = forecast(days | {TODAY - timedelta(40): 0.0}, TODAY)
    assert found.expected == pytest.approx(found.spent + 14 * 7.0)


def test_the_more_it_varies_the_wider_the_band() -> None:
    calm = forecast({day: 2.0 + 0.1 * (day.toordinal() % 2) for day in spending(28)}, TODAY)
    wild = forecast({day: 4.0 * (day.toordinal() % 2) for day in spending(28)}, TODAY)
    for found in (calm, wild):
        assert found.low is not None
        assert found.high is not None
        assert found.expected is not None
        assert found.spent <= found.low < found.expected < found.high
    assert (wild.high or 0) - (wild.low or 0) > (calm.high or 0) - (calm.low or 0)


@pytest.mark.parametrize("days", [0, 1, 13])
def test_less_than_two_weeks_say_nothing_of_a_month(days: int) -> None:
    found = forecast(spending(days), TODAY)
    assert found == Forecast(2.0 * min(days, 10), None, None, None)


def test_a_month_that_ends_today_is_what_was_spent() -> None:
    end = date(2026, 11, 30)
    days = {end - timedelta(number): 1.0 for number in range(40)}
    assert forecast(days, end).expected == pytest.approx(30.0)
