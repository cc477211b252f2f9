"""What is drawn, as specifications of Vega-Lite. Each takes numbers and gives a chart; nothing here knows a page.

Times are UTC on every axis. Tooltips say amounts as `wording` does; axes have their unit at each mark.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import altair as alt

from chatreel.dashboards import wording
from chatreel.dashboards.palette import GREY
from chatreel.dashboards.vega import (
    IN_TIME,
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

_FEW: Final = 3
"""Moments with a value, of which a line is too short to be seen: points are larger then."""
_LOW: Final = 150
"""Pixels of a chart beside which others matter more."""


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
            tooltip=IN_TIME,
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
    few = len({row["at"] for row in rows if row["value"] is not None}) <= _FEW
    points = alt.OverlayMarkDef(size=60 if few else 14)
    line = base.mark_line(strokeWidth=2, point=points, invalid="break-paths-show-domains")
    touch = base.mark_point(opacity=0, size=220).encode(tooltip=IN_TIME)  # a line is hard to point at
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
    """How much of an answer had come by when. `points`: milliseconds and how much in all, in order.

    Of what came at the same moment only the last is drawn: areas lie on top of each other where they share one.
    """
    rows: Rows = [
        {"at": at, "value": total, "when": wording.ms(at), "shown": f"{total:,} {what}"}
        for at, total in dict(points).items()
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
