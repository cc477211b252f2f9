"""Why a call was no hit: the reason, and what differs from the nearest recording."""

import json
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any, Final

import streamlit as st

from chatreel.dashboards import parts, wording
from chatreel.dashboards.call.reading import Nearest, Opened
from chatreel.explain import Difference, Missing, short_pointer
from chatreel.keeping import units
from chatreel.model import Json
from chatreel.plaintext import printable

_SHOWN: Final = 20_000
"""Characters of differences."""


def why(row: Mapping[str, Any], opened: Opened) -> None:
    """Draw what is known of a miss. `row`: of the log."""
    reason = row["miss_reason"]
    st.markdown(f"No recording answered it: **{wording.WHY.get(reason, wording.plain(reason))}**.")
    if opened.nearest:
        _nearest(opened.nearest)
    elif row["reason"]:
        st.code(row["reason"], language=None, wrap_lines=True)
    elif opened.request:
        parts.nothing("No earlier recording is like it.")


def _nearest(nearest: Nearest) -> None:
    one = nearest.recording
    model, at = wording.plain(one.model or "no model"), units.moment(one.recorded_at)
    st.markdown(f"Nearest earlier recording: **{one.id}**, {model}, {at}.")
    if not nearest.differences:
        st.markdown("It is of the very same request.")
        return
    places = wording.plural(len(nearest.differences), "place")
    st.markdown(f"They differ in {places}: `-` was recorded, `+` was asked.")
    st.code("\n".join(diff(nearest.differences))[:_SHOWN], language="diff", wrap_lines=True)
    st.caption("`chatreel suggest` proposes rules where only volatile text differs.")


def diff(found: tuple[Difference, ...]) -> Iterator[str]:
    """Lines, each place under its pointer: `-` was recorded, `+` was asked."""
    for one in found:
        yield f"@@ {printable(short_pointer(one.pointer))} @@"
        changed = unified_diff(_lines(one.recorded), _lines(one.asked), lineterm="", n=1)
        yield from (printable(line) for line in [*changed][2:] if not line.startswith("@@"))


def _lines(side: Json | Missing) -> list[str]:
    if isinstance(side, Missing):
        return []
    return (side if isinstance(side, str) else json.dumps(side, indent=1, ensure_ascii=False)).split("\n")
