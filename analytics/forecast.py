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


def forecast(days: Mapping[date, float], today: date) -> Forecast:
    """`days`: USD spent by day; a day that is not in it cost nothing, from the first day in it on."""
    spent = sum(usd for day, usd in days.items() if (day.year, day.month) == (today.year, today.month) and day <= today)
    past = [today - timedelta(n) for n in range(_PROFILE, 0, -1) if days and today - timedelta(n) >= min(days)]
    if len(past) < _LEVEL:
        return Forecast(spent, None, None, None)
    level = fmean(days.get(day, 0.0) for day in past[-_LEVEL:])
    typical = fmean(days.get(day, 0.0) for day in past)
    weekday = {
        number: fmean(days.get(day, 0.0) for day in past if day.weekday() == number) / typical if typical else 0.0
        for number in range(7)
    }
    end = date(today.year, today.month, monthrange(today.year, today.month)[1])
    coming = [today + timedelta(n) for n in range((end - today).days + 1)]
    rest = [level * weekday[day.weekday()] for day in coming]
    so_far = days.get(today, 0.0)
    expected = spent - so_far + max(so_far, rest[0]) + sum(rest[1:])
    spread = _BAND * sqrt(len(coming)) * pstdev(days.get(day, 0.0) - level * weekday[day.weekday()] for day in past)
    return Forecast(spent, expected, max(spent, expected - spread), expected + spread)
