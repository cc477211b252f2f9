"""The month as a chart: what has been spent up to each day of it, where that leads, and what budgets allow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import altair as alt

from chatreel.dashboards import wording
from chatreel.dashboards.vega import IN_TIME, Drawn, Rows, Unit, amount_axis, chart, high, time_axis, utc

_FAR: Final = 4
"""Times as high as all else: a limit up to there is drawn."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may have been spent by the end of each day of a month."""

    name: str
    days: Sequence[tuple[datetime, float]]
    """Not none."""


@dataclass(frozen=True, slots=True)
class Course:
    """What has been spent up to the end of each day of a month, and what is to come."""

    days: Sequence[tuple[datetime, float]]
    end: datetime
    expected: float | None
    low: float | None
    high: float | None
    limits: Sequence[Limit] = ()


def forecast(course: Course, colour: str, limit: str) -> Drawn:
    """Spending so far as a line, and from today to the end of the month where it leads, with a band around it.

    Limits are lines in the colour `limit`; those that are so far above that the rest could not be read are left out.
    """
    spent: Rows = [_day(at, usd, "Spent so far") for at, usd in course.days]
    domain = [utc(course.days[0][0]), utc(course.end)] if course.days else []
    lines = _limits(course, limit)
    x, y = time_axis(domain), amount_axis(Unit.USD)
    line = chart(spent).mark_line(color=colour, strokeWidth=2.5, point=alt.OverlayMarkDef(size=20, color=colour))
    so_far = line.encode(x=x, y=y, tooltip=IN_TIME)
    if course.expected is None or course.low is None or course.high is None or not spent:
        return high(alt.layer(*lines, so_far))
    last, usd = course.days[-1]
    ahead = [_day(last, usd, "Spent so far"), _day(course.end, course.expected, "Expected")]
    band: Rows = [
        {"at": utc(last), "low": usd, "high": usd},
        {"at": utc(course.end), "low": course.low, "high": course.high},
    ]
    area = chart(band).mark_area(color=colour, opacity=0.16).encode(x=time_axis(), y="low:Q", y2="high:Q")
    dashes = chart(ahead).mark_line(color=colour, strokeDash=[5, 4], point=alt.OverlayMarkDef(size=30, color=colour))
    return high(alt.layer(area, *lines, dashes.encode(x=time_axis(), y=y, tooltip=IN_TIME), so_far))


def _limits(course: Course, colour: str) -> list[alt.Chart | alt.LayerChart]:
    top = max([usd for _, usd in course.days] + [course.high or 0.0])
    near = [limit for limit in course.limits if limit.days[-1][1] <= _FAR * top]
    return [layer for limit in near for layer in _limit(limit, colour)]


def _limit(limit: Limit, colour: str) -> list[alt.Chart | alt.LayerChart]:
    """A line and its name, which stands at the start of a level one, clear of the end of one that rises."""
    x, y = time_axis(), amount_axis(Unit.USD)
    base = chart([_day(at, usd, limit.name) for at, usd in limit.days])
    line = base.mark_line(color=colour, strokeWidth=1.5).encode(x=x, y=y)
    touch = base.mark_point(opacity=0, size=220).encode(x=x, y=y, tooltip=IN_TIME)
    first, last = limit.days[0], limit.days[-1]
    if first[1] == last[1]:
        name = chart([_day(*first, limit.name)]).mark_text(align="left", baseline="bottom", dx=4, dy=-4, color=colour)
    else:
        name = chart([_day(*last, limit.name)]).mark_text(align="right", baseline="bottom", dx=-8, dy=-4, color=colour)
    return [line, touch, name.encode(x=x, y=y, text="name:N")]


def _day(at: datetime, usd: float, name: str) -> dict[str, Any]:
    return {"at": utc(at), "when": f"{at:%-d %b}", "name": name, "value": usd, "shown": wording.usd(usd)}
