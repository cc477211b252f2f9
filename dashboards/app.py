"""The script that Streamlit runs for each visitor, from top to bottom, whenever something was changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import streamlit as st

from chatreel.analytics.queries import calls
from chatreel.dashboards import arrival, controls, wording
from chatreel.dashboards.page import Page
from chatreel.dashboards.source import Source
from chatreel.dashboards.views import cache, cost, explorer, latency, overview, sessions
from chatreel.errors import ExportError

LOOK: Final = 2.0
"""Seconds between two looks at whether the file was replaced."""


@dataclass(frozen=True, slots=True)
class View:
    """One page of the dashboard."""

    title: str
    icon: str
    draw: Callable[[Page], None]
    help: str
    refreshes: bool = True
    """Whether it is drawn anew by itself: not where somebody is reading."""
    arrives: bool = False
    """Whether its figures are shown before all else to who comes to it first."""

    @property
    def path(self) -> str:
        return self.title.lower()


VIEWS: Final = (
    View(
        "Overview",
        "dashboard",
        overview.draw,
        "What was spent and saved, how often a recording answered, how fast.",
        arrives=True,
    ),
    View("Cost", "payments", cost.draw, "Where the money goes, what the month will have cost, what has no price."),
    View("Latency", "speed", latency.draw, "How long calls took: recordings and upstreams apart."),
    View("Cache", "cached", cache.draw, "How often a recording answered, why not, and what would help."),
    View("Sessions", "checklist", sessions.draw, "Tests and runs with their verdicts.", refreshes=False),
    View("Explorer", "manage_search", explorer.draw, "Every single call.", refreshes=False),
)


def main(source: Source, landing: str = "overview") -> None:
    """Draw the page that the address names. `landing`: path of the one that it means if it names none."""
    st.set_page_config(page_title="chatreel", page_icon="🎞️", layout="wide")
    given: list[Page] = []
    pages = {view.path: _page(view, given, is_default=view.path == landing) for view in VIEWS}
    opened = st.navigation([*pages.values()], position="top")
    view = next(view for view in VIEWS if pages[view.path] == opened)
    seen = source.generation
    try:
        snapshot = source.snapshot()
        choices = snapshot.ask(calls.choices)
        if choices.last is None:
            _no_calls(source)
        else:
            first = view.arrives and arrival.is_first()
            chosen = controls.choose(source, choices, fully=not first)  # not in the page: it is the same for all
            controls.status(source, choices)
            given.append(Page(source, snapshot, choices, chosen, pages, first))
            opened.run()
            if first:
                arrival.ask_for_the_rest()
            else:
                arrival.is_over()
    except ExportError as error:
        _no_file(source, error)
    if source.follows or seen is None:
        _watch(source, seen, refreshes=view.refreshes)


def _page(view: View, given: list[Page], *, is_default: bool) -> st.Page:
    def draw() -> None:
        view.draw(given[0])

    icon = f":material/{view.icon}:"
    return st.Page(draw, title=view.title, icon=icon, url_path=view.path, default=is_default, help=view.help)


def _no_file(source: Source, error: ExportError) -> None:
    """Nothing can be read: what is wrong, and what to do."""
    if source.generation is None and source.settings:
        missing = source.no_store()
        if missing:
            st.info(f"**{wording.plain(missing)}** The first proxy makes it.", icon=":material/hourglass_empty:")
            _how_to_record()
        elif not source.trouble:
            st.info("The log is being exported for the first time.", icon=":material/hourglass_top:")
    else:
        st.error(wording.plain(str(error)), icon=":material/error:")
    if source.trouble:
        st.error(wording.plain(source.trouble), icon=":material/error:")


def _no_calls(source: Source) -> None:
    st.info("**No calls yet.** Every call through a proxy is one row here.", icon=":material/hourglass_empty:")
    _how_to_record()
    if not source.follows:
        st.caption(
            f"This is {wording.plain(str(source.file))}. It is not kept fresh: `chatreel export` adds what is new."
        )


def _how_to_record() -> None:
    st.markdown("Start one, and point a client to it; or take a tour without a key:")
    st.code("chatreel serve      # then use http://127.0.0.1:8080/v1 as base URL\nchatreel demo", language="sh")


def _watch(source: Source, seen: tuple[int, int] | None, *, refreshes: bool) -> None:
    """Look now and then whether there is something new."""

    @st.fragment(run_every=LOOK)
    def look() -> None:
        if source.generation == seen:
            return
        if refreshes or seen is None or st.button("New calls have come in: show them", icon=":material/refresh:"):
            st.rerun(scope="app")

    with st.sidebar:
        look()
