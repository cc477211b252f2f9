"""Units, axes, colours and tooltips of charts: what all of them have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import altair as alt

from chatreel.dashboards import wording

HEIGHT: Final = 260
_DAY: Final = timedelta(days=1)

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


def time_axis(domain: Sequence[str] = ()) -> alt.X:
    scale = alt.Scale(type="utc", domain=[*domain]) if domain else alt.Scale(type="utc")
    return alt.X("at:T", title=None, scale=scale, axis=alt.Axis(grid=False, labelOverlap=True, tickCount=8))


def amount_axis(unit: Unit) -> alt.Y:
    least = 1 if unit is Unit.CALLS else alt.Undefined
    return alt.Y("value:Q", title=None, axis=alt.Axis(labelExpr=unit.axis, tickCount=5, tickMinStep=least))


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
    return f"{at.isoformat()}Z"
