"""What is drawn, as specifications of Vega-Lite. Each takes numbers and gives a chart; nothing here knows a page.

Times are UTC on every axis. Tooltips say amounts as `wording` does; axes have their unit at each mark.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import altair as alt

from chatreel.dashboards import wording
from chatreel.dashboards.palette import GREY
from chatreel.dashboards.vega import (
    Drawn,
    Rows,
    Series,
    Unit,
    amount_axis,
    chart,
    colours,
    high,
    label_axis,
    logarithmic,
    marks_of,
    rows_of,
    time_axis,
    tooltip,
    utc,
)

_IN_TIME: Final = tooltip(when="When", name="What", shown="Value")
_LOW: Final = 150
"""Pixels of a chart beside which others matter more."""
_FAR: Final = 4
"""Times as high as all else: a limit up to there is drawn."""


def stacked(moments: Sequence[datetime], span: timedelta, series: Sequence[Series], unit: Unit) -> Drawn:
    """Bars, one for each span of time, with the series on top of each other in their order."""
    rows = [row for one in series for row in rows_of(moments, one, unit, span) if row["value"]]
    domain = [utc(moments[0]), utc(moments[-1] + span)] if moments else []
    drawn = chart(_piled(rows, "at")).transform_calculate(end="toDate(datum.end)").mark_rect(cornerRadius=1.5)
    return high(
        drawn.encode(
            x=time_axis(domain, span),
            x2="end",
            y=amount_axis(unit, "bottom"),
            y2="top",
            color=colours(series),
            tooltip=_IN_TIME,
        )
    )


def _piled(rows: Rows, place: str) -> Rows:
    """Rows that lie on top of each other where `place` is the same, in their order: from `bottom` to `top`."""
    heights: defaultdict[object, float] = defaultdict(float)
    piled = []
    for row in rows:
        bottom = heights[row[place]]
        heights[row[place]] = bottom + row["value"]
        piled.append(row | {"bottom": bottom, "top": heights[row[place]]})
    return piled


def lines(
    moments: Sequence[datetime], span: timedelta, series: Sequence[Series], unit: Unit, *, log: bool = False
) -> Drawn:
    """A line for each series, broken where nothing is known. `log`: powers of ten are equally far apart."""
    rows = [row for one in series for row in rows_of(moments, one, unit, span)]
    y = logarithmic(unit, [row["value"] for row in rows if row["value"]]) if log else amount_axis(unit)
    base = chart(rows).encode(
        x=time_axis([utc(moments[0]), utc(moments[-1])] if len(moments) > 1 else [], span),
        y=y.scale(domain=[0, 1]) if unit is Unit.PART else y,
        color=colours(series),
    )
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=14), invalid="break-paths-show-domains")
    touch = base.mark_point(opacity=0, size=220).encode(tooltip=_IN_TIME)  # a line is hard to point at
    return high(alt.layer(line, touch))


def histogram(bins: Mapping[tuple[str, float, float], int], series: Sequence[Series]) -> Drawn:
    """Calls by latency. `bins`: calls by name of a series, from and to, in milliseconds."""
    rows: Rows = [
        {
            "name": name,
            "low": low,
            "high": top,
            "value": calls,
            "shown": f"{calls:,}",
            "when": f"{wording.ms(low)} to {wording.ms(top)}",
        }
        for (name, low, top), calls in bins.items()
    ]
    marks = marks_of([row["low"] for row in rows] + [row["high"] for row in rows], (1,))
    axis = alt.Axis(labelExpr=Unit.MS.axis, labelOverlap=True, grid=False, values=marks)
    return high(
        chart(_piled(rows, "low"))
        .mark_rect(cornerRadius=1.5)
        .encode(
            x=alt.X("low:Q", title=None, scale=alt.Scale(type="log", nice=False), axis=axis),
            x2="high",
            y=amount_axis(Unit.CALLS, "bottom"),
            y2="top",
            color=colours(series),
            tooltip=tooltip(when="Latency", name="Answered by", shown="Calls"),
        )
    )


def bars(labels: Sequence[str], series: Sequence[Series], unit: Unit) -> Drawn:
    """Horizontal bars, one for each label, in the order given; series one after the other in one bar."""
    rows: Rows = [
        {"label": label, "name": one.name, "value": value, "shown": unit.text(value), "order": order}
        for order, one in enumerate(series)
        for label, value in zip(labels, one.values, strict=True)
        if value is not None
    ]
    drawn = chart(rows).mark_bar(cornerRadius=1.5, height={"band": 0.72})
    encoded = drawn.encode(
        y=label_axis(labels),
        x=alt.X("value:Q", title=None, stack="zero", axis=alt.Axis(labelExpr=unit.axis, tickCount=5)),
        color=colours(series),
        order="order:Q",
        tooltip=tooltip(label="Of", name="What", shown="Value"),
    )
    return high(encoded, _rows_high(len(labels)))


def spreads(rows: Sequence[tuple[str, float, float, float]], colour: str, unit: Unit) -> Drawn:
    """For each label the middle value as a bar, and from where to where most are as a line over it."""
    found: Rows = [
        {
            "label": label,
            "low": low,
            "value": middle,
            "high": top,
            "shown": unit.text(middle),
            "most": f"{unit.text(low)} to {unit.text(top)}",
        }
        for label, low, middle, top in rows
    ]
    said = tooltip(label="Model", shown="Median", most="80 % of streams")
    base = chart(found).encode(y=label_axis([row[0] for row in rows]), tooltip=said)
    x = alt.X("value:Q", title=None, axis=alt.Axis(labelExpr=unit.axis, tickCount=5))
    bar = base.mark_bar(color=colour, cornerRadius=1.5, height={"band": 0.6}).encode(x=x)
    rule = base.mark_rule(color=GREY, strokeWidth=2).encode(x="low:Q", x2="high:Q")
    return high(alt.layer(bar, rule), _rows_high(len(rows)))


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
    so_far = line.encode(x=x, y=y, tooltip=_IN_TIME)
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
    return high(alt.layer(area, *lines, dashes.encode(x=time_axis(), y=y, tooltip=_IN_TIME), so_far))


def _limits(course: Course, colour: str) -> list[alt.Chart | alt.LayerChart]:
    top = max([usd for _, usd in course.days] + [course.high or 0.0])
    near = [limit for limit in course.limits if limit.days[-1][1] <= _FAR * top]
    return [layer for limit in near for layer in _limit(limit, colour)]


def _limit(limit: Limit, colour: str) -> list[alt.Chart | alt.LayerChart]:
    """A line and its name, which stands at the start of a level one, clear of the end of one that rises."""
    x, y = time_axis(), amount_axis(Unit.USD)
    base = chart([_day(at, usd, limit.name) for at, usd in limit.days])
    line = base.mark_line(color=colour, strokeWidth=1.5).encode(x=x, y=y)
    touch = base.mark_point(opacity=0, size=220).encode(x=x, y=y, tooltip=_IN_TIME)
    first, last = limit.days[0], limit.days[-1]
    if first[1] == last[1]:
        name = chart([_day(*first, limit.name)]).mark_text(align="left", baseline="bottom", dx=4, dy=-4, color=colour)
    else:
        name = chart([_day(*last, limit.name)]).mark_text(align="right", baseline="bottom", dx=-8, dy=-4, color=colour)
    return [line, touch, name.encode(x=x, y=y, text="name:N")]


def accumulated(points: Sequence[tuple[datetime, int, str]], colour: str) -> Drawn:
    """Bytes that have come together, and at each point what to say of it; level until the next one."""
    rows: Rows = [
        {"at": utc(at), "when": f"{at:%-d %b %Y}", "value": total, "shown": said} for at, total, said in points
    ]
    area = _filled(rows, colour).encode(
        x=time_axis(), y=amount_axis(Unit.BYTES), tooltip=tooltip(when="Day", shown="In all")
    )
    return high(area, _LOW)


def arrival(points: Sequence[tuple[float, int]], colour: str, what: str) -> Drawn:
    """How much of an answer had come by when. `points`: milliseconds and how much in all, in order."""
    rows: Rows = [
        {"at": at, "value": total, "when": wording.ms(at), "shown": f"{total:,} {what}"} for at, total in points
    ]
    axis = alt.Axis(labelExpr=Unit.MS.axis, grid=False, tickCount=6, labelOverlap=True)
    area = _filled(rows, colour).encode(
        x=alt.X("at:Q", title=None, axis=axis),
        y=alt.Y("value:Q", title=what, axis=alt.Axis(tickCount=4, format="~s")),
        tooltip=tooltip(when="After", shown="So far"),
    )
    return high(area, _LOW)


def _filled(rows: Rows, colour: str) -> alt.Chart:
    filled: alt.Chart = chart(rows).mark_area(
        color=colour, opacity=0.16, line={"color": colour}, interpolate="step-after"
    )
    return filled


def _rows_high(number: int) -> int:
    return 70 + 32 * number


def _day(at: datetime, usd: float, name: str) -> dict[str, Any]:
    return {"at": utc(at), "when": f"{at:%-d %b}", "name": name, "value": usd, "shown": wording.usd(usd)}
