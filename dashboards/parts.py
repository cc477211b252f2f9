"""What pages are put together from: cards, figures, tables, and what stands there when there is nothing to show."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from chatreel.analytics.queries.money import Money
from chatreel.dashboards import wording
from chatreel.dashboards.vega import Drawn
from chatreel.dashboards.wording import NOTHING, plain

NARROW: Final = 160
"""Pixels below which figures go to the next line: two of them fit a telephone."""

LONGEST: Final = 20_000
"""Characters of one text that are shown."""

type Columns = Mapping[str, Sequence[Any]]
"""By name; amounts of money as `Money`."""
type Looks = Mapping[str, Any]
"""By column: what of `st.column_config` shows it; `None` hides it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that matters, as a card."""

    label: str
    value: str
    help: str = ""
    change: str | int | None = None
    """Against the period before; `None`: nobody can say."""
    good: Literal["normal", "inverse", "off"] = "off"
    """Whether more is better (`normal`), worse (`inverse`), or neither."""
    trend: Sequence[float | None] = ()
    """Values in order; those that are not known are left out."""
    bars: bool = False
    """Whether the trend is drawn as bars: of what adds up."""
    note: str = ""
    """What stands below the value in place of a change."""


def figures(shown: Sequence[Figure], against: str = "") -> None:
    """A row of figures; on a narrow screen, several. `against`: what changes are measured by."""
    with st.grid(len(shown), min_column_width=NARROW):
        for one in shown:
            _figure(one, against)


def small_figures(shown: Sequence[Figure]) -> None:
    """The same where there is less room: label and value."""
    with st.grid(len(shown), min_column_width=NARROW // 2):
        for one in shown:
            with st.container(gap=None):
                st.caption(one.label, help=one.help or None)
                st.markdown(f"**{plain(one.value)}**")


def _figure(one: Figure, against: str) -> None:
    trend = [value for value in one.trend if value is not None]
    delta = one.change if one.change is not None else one.note or None
    described = against if one.change is not None else None
    st.metric(
        one.label,
        one.value,
        delta,
        delta_color=one.good if one.change is not None else "off",
        delta_arrow="auto" if one.change is not None else "off",
        delta_description=described or None,
        help=one.help or None,
        border=True,
        height="stretch",
        chart_data=trend if len(trend) > 1 else None,
        chart_type="bar" if one.bars else "area",
    )


@contextmanager
def card(title: str, subtitle: str = "", *, at: DeltaGenerator | None = None) -> Iterator[None]:
    """A frame with a title, and in small what is to be seen and in which unit."""
    with (at or st).container(border=True, height="stretch", gap="xsmall"):
        st.subheader(title, anchor=False)
        if subtitle:
            st.caption(subtitle)
        yield


def draw(chart: Drawn, says: str) -> None:
    """A chart; `says` is what it shows, for who cannot see it."""
    st.altair_chart(chart, width="stretch", alt=says)


def table(columns: Columns, looks: Looks, says: str, *, height: int | None = None) -> None:
    """A table; columns in order. `says` is what it lists, for who cannot see it."""
    st.dataframe(
        _worded(columns),
        hide_index=True,
        column_config=dict(looks),
        height=height or "content",
        placeholder=NOTHING,
        alt=says,
    )


def picked(
    columns: Columns, looks: Looks, says: str, *, key: str, ids: Sequence[str], height: int, opened: str = ""
) -> str:
    """A table of which a row can be chosen; the id of that row, empty if none is. `opened`: the one chosen before.

    `key` is its name among the tables there are, and `height` the most pixels that it takes.
    """
    rows = [ids.index(opened)] if opened in ids else []
    event = st.dataframe(
        _worded(columns),
        hide_index=True,
        column_config=dict(looks),
        height=min(height, 37 + 35 * len(ids)),
        key=f"{key}-{hash((*ids,))}",  # another list is another table: what was chosen has other neighbours now
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
        placeholder=NOTHING,
        alt=says,
    )
    return ids[event.selection.rows[0]] if event.selection.rows else ""


def _worded(columns: Columns) -> Any:
    """Amounts in the words that cards have for them, in the order of their values where a reader sorts them."""
    amounts = {name: values for name, values in columns.items() if any(isinstance(one, Money) for one in values)}
    values = {name: pd.Series([wording.known(one) for one in some], dtype=float) for name, some in amounts.items()}
    shown = pd.DataFrame(dict(columns) | values).style
    for name, some in amounts.items():
        for lacking in {min(one.unpriced, 1) for one in some}:
            rows = [number for number, one in enumerate(some) if min(one.unpriced, 1) == lacking]
            said = partial(_said, lacking=lacking)
            shown.format(said, subset=(rows, [name]), na_rep=NOTHING)
    return shown


def _said(usd: float, lacking: int) -> str:
    return wording.money(Money(usd, lacking))


def verbatim(text: str, place: DeltaGenerator | None = None) -> None:
    """What models and users wrote: never as Markdown."""
    (place or st).text(text[:LONGEST] or "(nothing)")


def nothing(text: str) -> None:
    """In a card: why there is nothing to see."""
    st.caption(f":material/info: {text}")


def headline(title: str) -> None:
    st.title(title, anchor=False)


def usd_column(label: str, help_: str = "–: not known", *, width: int | None = None) -> Any:
    """A column of `Money`. `width`: in pixels; if not given, that of what the first rows hold."""
    return st.column_config.NumberColumn(label, help=help_, width=width)


def part_column(label: str, help_: str | None = None) -> Any:
    """Parts of a whole, as bars."""
    return st.column_config.ProgressColumn(label, format="percent", min_value=0, max_value=1, help=help_)


def ms_column(label: str, times: Sequence[float | None], *, width: int | None = None) -> Any:
    """Milliseconds, all with so many digits that a short time is no 0. `width`: as above."""
    least = min((one for one in times if one), default=10.0)
    return st.column_config.NumberColumn(label, format="%,.1f ms" if least < 10 else "%,.0f ms", width=width)
