"""Units, axes, colours and tooltips of charts: what all of them have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from math import ceil, floor, log10
from typing import Any, Final

import altair as alt

from chatreel.dashboards import wording

HEIGHT: Final = 260
_DAY: Final = timedelta(days=1)

_DAYS: Final = "utcFormat(datum.value, '%-d %b')"
_HOURS: Final = f"utchours(datum.value) ? utcFormat(datum.value, '%H:%M') : {_DAYS}"

type Drawn = alt.Chart | alt.LayerChart | alt.FacetChart
type Rows = list[dict[str, Any]]


class Unit(Enum):
    """What is counted: how an axis writes it, in an expression of Vega, and how a tooltip does."""

    USD = ("format(datum.value, '$,.6~f')", wording.usd)
    CALLS = ("format(datum.value, datum.value >= 10000 ? '~s' : ',.2~f')", "{:,.0f}".format)
    MS = (
        "datum.value >= 1000 ? format(datum.value / 1000, '~f') + ' s' : format(datum.value, '~f') + ' ms'",
        wording.ms,
    )
    PART = ("format(datum.value, '.0%')", wording.percent)
    SPEED = ("format(datum.value, '~s') + '/s'", "{:,.1f} tokens/s".format)
    BYTES = ("format(datum.value, '~s') + 'B'", wording.size)

    def __init__(self, axis: str, text: Callable[[float], str]) -> None:
        self.axis = axis
        self.text = text


@dataclass(frozen=True, slots=True)
class Series:
    """Values at the moments of a chart, or for its labels, in their order; `None` where there are none."""

    name: str
    colour: str
    values: Sequence[float | None]


def rows_of(moments: Sequence[datetime], series: Series, unit: Unit, span: timedelta) -> Rows:
    """A row for each moment: `at`, `end` (with a gap to the next one), `when`, `name`, `value`, `shown`."""
    gap = span * 0.12
    return [
        {
            "at": utc(at),
            "end": utc(at + span - gap),
            "when": f"{at:%a %-d %b}" if span >= _DAY else f"{at:%a %-d %b, %H:%M} UTC",
            "name": series.name,
            "value": value,
            "shown": wording.NOTHING if value is None else unit.text(value),
        }
        for at, value in zip(moments, series.values, strict=True)
    ]


def chart(rows: Rows) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=rows))


def high(drawn: Drawn, height: int = HEIGHT) -> Drawn:
    """A chart of that height, in pixels."""
    return drawn.properties(height=height)


def time_axis(domain: Sequence[str] = (), span: timedelta = _DAY) -> alt.X:
    """Of a chart whose points are so far apart: days, or hours of days."""
    scale = alt.Scale(type="utc", domain=[*domain]) if domain else alt.Scale(type="utc")
    labels = _DAYS if span >= _DAY else _HOURS
    axis = alt.Axis(grid=False, labelOverlap=True, tickCount=8, labelExpr=labels)
    return alt.X("at:T", title=None, scale=scale, axis=axis)


def amount_axis(unit: Unit, member: str = "value") -> alt.Y:
    least = 1 if unit is Unit.CALLS else alt.Undefined
    return alt.Y(f"{member}:Q", title=None, axis=alt.Axis(labelExpr=unit.axis, tickCount=5, tickMinStep=least))


def logarithmic(unit: Unit, values: Sequence[float]) -> alt.Y:
    """An axis on which powers of ten are equally far apart, with marks that read well."""
    marks = marks_of(values, (1, 2, 5))
    scale = alt.Scale(type="log", domain=[marks[0], marks[-1]], nice=False) if marks else alt.Scale(type="log")
    return alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(labelExpr=unit.axis, values=marks))


def marks_of(values: Sequence[float], steps: Sequence[int]) -> list[float]:
    """Powers of ten, times these steps, from the last one below all values to the first one above them."""
    if not values:
        return []
    low, top = floor(log10(min(values))), ceil(log10(max(values)))
    marks = [step * 10.0**power for power in range(low, top + 1) for step in steps]
    below = [mark for mark in marks if mark <= min(values)]
    above = [mark for mark in marks if mark >= max(values)]
    return [mark for mark in marks if below[-1] <= mark <= above[0]]


def label_axis(labels: Sequence[str]) -> alt.Y:
    """Names from top to bottom, in the order given."""
    axis = alt.Axis(labelLimit=190, ticks=False, domain=False)
    return alt.Y("label:N", sort=[*labels], title=None, axis=axis)


def colours(series: Sequence[Series]) -> alt.Color:
    """Each series in its colour, with a legend if there are several."""
    names = [one.name for one in series]
    legend = alt.Legend(orient="top", title=None, labelLimit=160, columns=4) if len(names) > 1 else None
    return alt.Color("name:N", scale=alt.Scale(domain=names, range=[one.colour for one in series]), legend=legend)


def tooltip(**titles: str) -> list[alt.Tooltip]:
    """Members of rows that are shown, under these titles."""
    return [alt.Tooltip(f"{member}:N", title=title) for member, title in titles.items()]


def utc(at: datetime) -> str:
    """As Vega reads moments."""
    return f"{at.isoformat()}Z"


IN_TIME: Final = tooltip(when="When", name="What", shown="Value")
"""Of the marks that `rows_of` makes."""
