"""Calls as a table, from which one is opened."""

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from chatreel.analytics.queries.calls import Line
from chatreel.analytics.queries.money import Money
from chatreel.dashboards import palette, parts
from chatreel.dashboards.page import Page

_NUMBER: Final = 84
"""Pixels of a column of times or amounts."""

CALL: Final = "call"
"""In the address: the call that is open."""


def call_table(page: Page, lines: Sequence[Line], key: str, *, height: int) -> None:
    """Calls in their order; choosing one goes to it."""
    chosen = selected(lines, key, height=height)
    if chosen:
        st.switch_page(page.pages["explorer"], query_params={CALL: chosen})


def selected(lines: Sequence[Line], key: str, *, height: int, opened: str = "") -> str:
    """The same, without going anywhere; the id of the one that is chosen, empty if none is. `opened`: chosen before."""
    ids = [line.call_id for line in lines]
    columns = _columns(lines)
    looks = _LOOKS | {  # hits and others have widths of their own, and which come first is chance
        "latency": parts.ms_column("Latency", columns["latency"], width=_NUMBER),
        "spent": parts.usd_column("Spent", width=_NUMBER),
        "saved": parts.usd_column("Saved", width=_NUMBER),
    }
    return parts.picked(columns, looks, "Calls; choose one to open it", key=key, ids=ids, height=height, opened=opened)


def _columns(lines: Sequence[Line]) -> dict[str, list[Any]]:
    return {
        "started_at": [line.started_at for line in lines],
        "outcome": [[line.outcome] for line in lines],
        "model": [line.model for line in lines],
        "latency": [line.latency_ms for line in lines],
        "spent": [Money(line.cost_usd, 0) for line in lines],
        "saved": [Money(line.saved_usd, 0) for line in lines],
        "prompt": [line.prompt_tokens for line in lines],
        "completion": [line.completion_tokens for line in lines],
        "session": [line.session_name for line in lines],
    }


_LOOKS: Final[dict[str, Any]] = {
    "started_at": st.column_config.DatetimeColumn("Time, UTC", format="D MMM, HH:mm:ss", pinned=True),
    "outcome": st.column_config.MultiselectColumn(
        "Outcome", options=[one.value for one in palette.OUTCOMES], color=[*palette.OUTCOMES.values()]
    ),
    "model": "Model",
    "prompt": st.column_config.NumberColumn("Prompt", format="compact", help="Tokens"),
    "completion": st.column_config.NumberColumn("Answer", format="compact", help="Tokens"),
    "session": "Session",
}
