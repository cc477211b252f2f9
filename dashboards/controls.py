"""Period and filters. They are part of the address, so that a page can be sent to somebody else as it is."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import streamlit as st

from chatreel.analytics.filters import Filter
from chatreel.analytics.queries.calls import Choices
from chatreel.dashboards import wording
from chatreel.dashboards.periods import Period, Range, period
from chatreel.dashboards.source import Source
from chatreel.model import Outcome

RANGE: Final = "range"
FILTERS: Final = ("model", "upstream", "tag", "outcome")
"""Names in the address."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a visitor looks at."""

    period: Period
    about: Filter

    @property
    def before(self) -> str:
        """What it is compared with, as figures say it."""
        return f"vs {self.period.short} before" if self.about.before else ""


def choose(source: Source, choices: Choices, *, fully: bool = True) -> Chosen:
    """Draw the controls in the sidebar; what they say. Not `fully`: filters only if the address has any."""
    for name in (RANGE, *FILTERS):  # set anew, or the address of another page loses what was chosen on this one
        if name in st.session_state:
            st.session_state[name] = st.session_state[name]
    with st.sidebar:
        chosen = _period(source)
        about = Filter(chosen.since, chosen.until)
        if fully or any(name in st.query_params for name in FILTERS):
            about = _filters(choices, about)
    return Chosen(chosen, about)


def _filters(choices: Choices, about: Filter) -> Filter:
    """Calls of a period, and of these only what is chosen."""
    models = st.multiselect("Model", choices.models, key="model", bind="query-params", placeholder="All models")
    upstreams = st.multiselect(
        "Upstream", choices.upstreams, key="upstream", bind="query-params", placeholder="All upstreams"
    )
    named = {f"{name}: {value}": (name, value) for name, value in choices.tags}
    tags = st.multiselect("Tag", list(named), key="tag", bind="query-params", placeholder="All tags")
    outcomes = st.multiselect(
        "Outcome", [one.value for one in Outcome], key="outcome", bind="query-params", placeholder="All outcomes"
    )
    return replace(
        about,
        models=tuple(models),
        upstreams=tuple(upstreams),
        outcomes=tuple(outcomes),
        tags=tuple(named[tag] for tag in tags),
    )


def clear() -> None:
    """All time, all calls: for a page that has nothing to show."""
    for name in FILTERS:
        st.session_state[name] = []
    st.session_state[RANGE] = Range.ALL.value


def status(source: Source, choices: Choices) -> None:
    """At the foot of the sidebar: how fresh the figures are, and whether they stay so."""
    with st.sidebar:
        if source.trouble:
            st.warning(f"No longer kept fresh: {wording.plain(source.trouble)}", icon=":material/sync_problem:")
        elif source.follows:
            st.caption(":material/sync: Kept fresh while proxies write")
        if choices.last:
            st.caption(f"Newest call {choices.last:%-d %b %Y, %H:%M} UTC")


def _period(source: Source) -> Period:
    options = [one.value for one in Range]
    text = st.radio(
        "Period",
        options,
        index=options.index(Range.MONTH),
        horizontal=True,
        key=RANGE,
        bind="query-params",
        help="Days and hours are those of UTC.",
    )
    now = source.now()
    dates: tuple[date, ...] = ()
    if text == Range.DATES:
        days = st.date_input(
            "First and last day", (now.date(), now.date()), max_value=now.date(), key="days", bind="query-params"
        )
        dates = tuple(days)
    return period(Range(text), dates, now)
