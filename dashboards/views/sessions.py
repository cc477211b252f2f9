"""Sessions: tests and runs, what became of their calls, and their verdicts."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from chatreel.analytics.queries import calls
from chatreel.analytics.queries.calls import Run
from chatreel.dashboards import parts, wording
from chatreel.dashboards.page import Page
from chatreel.dashboards.palette import GREEN, VERMILION
from chatreel.dashboards.parts import Figure
from chatreel.dashboards.views import comparison

SESSION: Final = "session"
"""In the address of the explorer."""
_MOST: Final = 500
_PASSED, _FAILED = "passed", "failed"


def draw(page: Page) -> None:
    parts.headline("Sessions")
    if not page.has_calls():
        return
    found = page.ask(calls.runs, limit=_MOST)
    if not found:
        st.info(
            "**No session has made a call in this period.** Every test under the pytest plugin is one, and every "
            "`chatreel run`.",
            icon=":material/checklist:",
        )
        return
    parts.figures(_headline(found))
    if len(found) > 1:
        with parts.card("Side by side", "two sessions: calls, money, times, misses and models"):
            comparison.draw(page, found)
    with parts.card("Tests and runs", "the newest first; choose one to see its calls"):
        only = st.segmented_control(
            "Verdict", ["all", _FAILED, _PASSED], default="all", required=True, key="verdict", bind="query-params"
        )
        _table(page, [run for run in found if only == "all" or run.passed is (only == _PASSED)])
        if len(found) == _MOST:
            st.caption(f"The newest {_MOST}; a shorter period shows older ones.")


def _headline(found: Sequence[Run]) -> list[Figure]:
    failed = sum(not run.passed for run in found)
    saved = wording.together(run.spending.saved for run in found)
    spent = wording.together(run.spending.spent for run in found)
    made = sum(run.calls for run in found)
    hits = sum(run.hits for run in found)
    return [
        Figure("Sessions", f"{len(found):,}", note=f"{made:,} calls"),
        Figure("Passed", f"{len(found) - failed:,}", "Every call was answered."),
        Figure("Failed", f"{failed:,}", "A call was refused, or failed."),
        Figure("Answered by recordings", wording.percent(hits / made)),
        Figure("Spent", wording.money(spent), note=f"{wording.money(saved)} saved"),
    ]


def _table(page: Page, found: Sequence[Run]) -> None:
    if not found:
        parts.nothing("None of them.")
        return
    columns: parts.Columns = {
        "verdict": [[_PASSED if run.passed else _FAILED] for run in found],
        "name": [comparison.title(run) for run in found],
        "first": [run.first for run in found],
        "took": [(run.last - run.first).total_seconds() for run in found],
        "calls": [run.calls for run in found],
        "hits": [run.hits for run in found],
        "recorded": [run.recorded for run in found],
        "refused": [run.refused for run in found],
        "failed": [run.failed for run in found],
        "spent": [run.spending.spent for run in found],
        "saved": [run.spending.saved for run in found],
    }
    looks: parts.Looks = {
        "verdict": st.column_config.MultiselectColumn(
            "Verdict", options=[_PASSED, _FAILED], color=[GREEN, VERMILION], pinned=True
        ),
        "name": st.column_config.TextColumn("Test or run", width="medium"),
        "first": st.column_config.DatetimeColumn("Began, UTC", format="D MMM, HH:mm:ss"),
        "took": st.column_config.NumberColumn("Lasted", format="duration", help="From its first call to its last"),
        "calls": st.column_config.NumberColumn("Calls", format="localized"),
        "hits": "Hits",
        "recorded": "Recorded",
        "refused": "Refused",
        "failed": "Failed",
        "spent": parts.usd_column("Spent"),
        "saved": parts.usd_column("Saved"),
    }
    says = "Tests and runs with their verdicts; choose one to see its calls"
    if chosen := parts.picked(columns, looks, says, key="sessions", ids=[run.session for run in found], height=700):
        st.switch_page(page.pages["explorer"], query_params={SESSION: chosen})
