"""Explorer: every single call, found by what is known of it or by what was said in it, and opened."""

import time
from dataclasses import dataclass, replace
from typing import Final

import streamlit as st

from chatreel.analytics.filters import Filter
from chatreel.analytics.queries import calls
from chatreel.analytics.queries.calls import Order
from chatreel.config import Settings
from chatreel.dashboards import parts, wording
from chatreel.dashboards.call import detail
from chatreel.dashboards.listing import CALL, selected
from chatreel.dashboards.page import Page
from chatreel.dashboards.views.sessions import SESSION
from chatreel.errors import ChatreelError
from chatreel.keeping.listing import Searched, matches
from chatreel.selection import Selection
from chatreel.store.archive import Archive

_ROWS: Final = 50
_PATIENCE: Final = 3.0
"""Seconds for which recordings are searched."""
_MATCHES: Final = 500
"""Recordings with a text that are looked for, at most."""
_ORDERS: Final = {"newest": Order.NEWEST, "dearest": Order.DEAREST, "slowest": Order.SLOWEST}


@dataclass(frozen=True, slots=True)
class Found:
    """Recordings that have a text in them."""

    ids: tuple[int, ...] = ()
    said: str = ""
    """How far was looked."""


def draw(page: Page) -> None:
    parts.headline("Explorer")
    text, order = _asked()
    session = st.query_params.get(SESSION, "")
    found = _search(page, text)
    about = replace(page.about, text=text, recordings=found.ids, sessions=(session,) if session else ())
    if session:
        _session(page, session)
    total = page.snapshot.ask(calls.count, about)
    opened = st.query_params.get(CALL, "")
    left, right = st.columns([5, 4] if opened else [1, 0.001])
    with left:
        chosen = _list(page, about, order, total, found, opened)
    if chosen and chosen != opened:
        st.query_params[CALL] = chosen
        if not opened:
            st.rerun()  # the list makes room for it
    if opened:
        with right, st.container(border=True, key="call"):
            detail.draw(page, chosen or opened)


def _asked() -> tuple[str, Order]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            type="search",
            placeholder="Text of prompts and answers, id, key, session",
            icon=":material/search:",
            width=420,
        )
        order = st.segmented_control(
            "Order", list(_ORDERS), default="newest", required=True, key="order", bind="query-params"
        )
    return (text or "").strip(), _ORDERS[order]


def _session(page: Page, session: str) -> None:
    def leave() -> None:
        st.query_params.pop(SESSION, None)

    runs = page.snapshot.ask(calls.runs, Filter(sessions=(session,)))
    name = runs[0].name if runs and runs[0].name else session
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Calls of the session **{wording.plain(name)}**")
        st.button("All sessions", on_click=leave, icon=":material/close:", type="tertiary")


def _list(page: Page, about: Filter, order: Order, total: int, found: Found, opened: str) -> str:
    """The calls that are looked at, page by page; the id of the one that is chosen."""
    if found.said:
        st.caption(found.said)
    if not total:
        st.info(
            "**No call is like that.** A longer period, fewer filters or another text may find some.",
            icon=":material/search_off:",
        )
        return ""
    sheet = st.empty()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(wording.plural(total, "call"))
        if not opened:
            st.caption("Choose one to see what was said.")
        number = st.pagination(-(-total // _ROWS), key="page", bind="query-params") if total > _ROWS else 1
    lines = page.snapshot.ask(calls.lines, about, order=order, limit=_ROWS, offset=(number - 1) * _ROWS)
    with sheet.container():
        return selected(lines, "calls", height=580, opened=opened)


def _search(page: Page, text: str) -> Found:
    settings = page.source.settings
    if not text or settings is None:
        return Found(said="Prompts are not searched: the store was not named." if text else "")
    return page.snapshot.remembered((_search, text), lambda: _searched(settings, text))


def _searched(settings: Settings, text: str) -> Found:
    """Read recordings, the newest first, until enough are found or it takes too long."""
    ids: list[int] = []
    cost, begun, total = Searched(), time.monotonic(), 0
    try:
        with Archive(settings.store) as archive:
            total = archive.count(Selection())
            for page in matches(archive, Selection(), text, cost):
                ids += [entry.listed.id for entry in page]
                if len(ids) >= _MATCHES or time.monotonic() - begun > _PATIENCE:
                    break
    except ChatreelError as error:
        return Found(said=f"Prompts are not searched: {wording.plain(str(error))}")
    far = (
        f"the newest {cost.recordings:,} of {total:,} recordings"
        if cost.recordings < total
        else wording.plural(total, "recording")
    )
    return Found(
        tuple(ids),
        f"Searched what was said in {far}; of calls that were refused or are in cassettes, only ids and names.",
    )
