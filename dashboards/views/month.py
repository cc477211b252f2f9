"""The month that is running: what it has cost so far, and where that leads.

Whatever period is chosen; filters count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from chatreel.analytics.forecast import Forecast
from chatreel.analytics.queries import money
from chatreel.analytics.queries.money import By, Money, Share
from chatreel.dashboards import palette, parts, wording
from chatreel.dashboards.forecast import Course, forecast
from chatreel.dashboards.page import Page
from chatreel.dashboards.parts import Figure
from chatreel.dashboards.views import budgets

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Month:
    """The month that is running."""

    today: datetime
    """Its beginning, UTC."""
    days: Sequence[Share]
    """Those with calls."""
    forecast: Forecast

    @property
    def name(self) -> str:
        return f"{self.today:%B}"

    @property
    def spent(self) -> Money:
        return wording.together(share.spending.spent for share in self.days)


def look_at(page: Page) -> Month:
    """The month of the day it is now."""
    today = datetime.combine(page.source.now().date(), time())
    month = replace(page.about, since=today.replace(day=1), until=today + _DAY)
    days = page.snapshot.ask(money.cost_by, month, By.DAY)
    return Month(today, days, page.ask(money.forecast_month, today.date()))


def month_figures(month: Month) -> list[Figure]:
    """What it has cost, and what it will have cost."""
    ahead, spent = month.forecast, month.spent
    expected = Money(ahead.expected, spent.unpriced)
    return [
        Figure(
            f"{month.name} so far",
            wording.money(spent),
            "Whatever period is chosen; filters count.",
            note=wording.unpriced(spent.unpriced) or "since its first day",
        ),
        Figure(
            f"{month.name} in all",
            "too early" if ahead.expected is None else wording.money(expected),
            "What was spent so far, and for each day to come what its weekday costs as a rule. Nine months of ten "
            "end within the band. It needs two weeks of calls.",
            note="needs 14 days" if ahead.low is None else f"{wording.usd(ahead.low)} to {wording.usd(ahead.high)}",
        ),
    ]


def draw_forecast(page: Page, month: Month) -> None:
    """Spending day by day, and to the end of the month; budgets as lines."""
    ahead, first = month.forecast, month.today.replace(day=1)
    spent = {share.label: share.spending.spent.usd or 0 for share in month.days}
    days, total = [], 0.0
    for number in range((month.today - first).days + 1):
        at = first + number * _DAY
        total += spent.get(f"{at:%Y-%m-%d}", 0)
        days.append((at, total))
    end = (first + 32 * _DAY).replace(day=1) - _DAY
    whole = [first + number * _DAY for number in range((end - first).days + 1)]
    course = Course(days, end, ahead.expected, ahead.low, ahead.high, budgets.limits(page, whole))
    drawn = forecast(course, palette.SPENT, palette.LIMIT)
    parts.draw(drawn, f"USD spent in {month.name}, and what is expected to its end")
    if ahead.expected is None:
        parts.nothing("There are not two weeks of calls yet to judge by.")
