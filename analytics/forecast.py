"""What a month will have cost: what was spent so far, and for each day to come what its weekday costs as a rule."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import fmean, pstdev
from typing import Final

_PROFILE: Final = 28
"""Days that say what a weekday is like."""
_LEVEL: Final = 14
"""Days that say how much is spent at all."""
_BAND: Final = 1.64
"""Standard deviations to either side: nine months out of ten."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of a month, in USD."""

    spent: float
    """From its first day to the end of yesterday, and today so far."""
    expected: float | None
    """To its end; `None` if there are not two weeks to judge by."""
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class _Rule:
    """What days cost as a rule."""

    weekdays: tuple[float, ...]
    """USD, from Monday on."""
    spread: float
    """Standard deviation of a day from it."""


def forecast(days: Mapping[date, float], today: date) -> Forecast:
    """`days`: USD spent by day; a day that is not in it cost nothing, from the first day in it on."""
    spent = sum(usd for day, usd in days.items() if (day.year, day.month) == (today.year, today.month) and day <= today)
    rule = _rule(days, today)
    if rule is None:
        return Forecast(spent, None, None, None)
    end = date(today.year, today.month, monthrange(today.year, today.month)[1])
    rest = _to_come(rule, days, today, end)
    expected = spent + sum(rest.values())
    spread = _BAND * sqrt(len(rest)) * rule.spread
    return Forecast(spent, expected, max(spent, expected - spread), expected + spread)


def to_come(days: Mapping[date, float], today: date, end: date) -> Mapping[date, float] | None:
    """USD still to be spent on each day from `today` to `end`, in order; `None` if there are not two weeks to judge by.

    `days`: as for `forecast`. Of today it is what is left of it: nothing, if it has cost more than it does as a rule.
    """
    rule = _rule(days, today)
    return None if rule is None else _to_come(rule, days, today, end)


def _to_come(rule: _Rule, days: Mapping[date, float], today: date, end: date) -> dict[date, float]:
    coming = [today + timedelta(n) for n in range((end - today).days + 1)]
    so_far = {today: days.get(today, 0.0)}
    return {day: max(0.0, rule.weekdays[day.weekday()] - so_far.get(day, 0.0)) for day in coming}


def _rule(days: Mapping[date, float], today: date) -> _Rule | None:
    past = [today - timedelta(n) for n in range(_PROFILE, 0, -1) if days and today - timedelta(n) >= min(days)]
    if len(past) < _LEVEL:
        return None
    level = fmean(days.get(day, 0.0) for day in past[-_LEVEL:])
    typical = fmean(days.get(day, 0.0) for day in past)
    weekdays = tuple(
        level * fmean(days.get(day, 0.0) for day in past if day.weekday() == number) / typical if typical else 0.0
        for number in range(7)
    )
    return _Rule(weekdays, pstdev(days.get(day, 0.0) - weekdays[day.weekday()] for day in past))
