"""Why a call was no hit: the reason, and what differs from the nearest recording."""

import json
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from html import escape
from itertools import islice
from typing import Any, Final

import streamlit as st

from chatreel.dashboards import parts, wording
from chatreel.dashboards.call.reading import Nearest, Opened
from chatreel.explain import Difference, Missing, short_pointer
from chatreel.keeping import units
from chatreel.model import Json
from chatreel.plaintext import printable

_SHOWN: Final = 500
"""Lines of differences."""

_PAGE: Final = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0"
_TAGS: Final = {"-": ("del", "#d55e0029"), "+": ("ins", "#12a07a2e")}
"""By the first character of a line: what it is, and its background. Text keeps its colour: it has to stand out."""


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
    st.html(f'<pre style="{_PAGE}">{"".join(map(_marked, _cut(diff(nearest.differences))))}</pre>')
    st.caption("`chatreel suggest` proposes rules where only volatile text differs.")


def diff(found: tuple[Difference, ...]) -> Iterator[str]:
    """Lines, each place under its pointer: `-` was recorded, `+` was asked."""
    for one in found:
        yield f"@@ {printable(short_pointer(one.pointer))} @@"
        changed = unified_diff(_lines(one.recorded), _lines(one.asked), lineterm="", n=1)
        yield from (printable(line) for line in [*changed][2:] if not line.startswith("@@"))


def _cut(lines: Iterator[str]) -> Iterator[str]:
    yield from islice(lines, _SHOWN)
    if left := sum(1 for _ in lines):
        yield f"... and {left:,} more lines"


def _marked(line: str) -> str:
    tag, colour = _TAGS.get(line[:1], ("span", "transparent"))
    style = f"display: block; text-decoration: none; background: {colour}"
    return f'<{tag} style="{style}">{escape(line)}</{tag}>'


def _lines(side: Json | Missing) -> list[str]:
    if isinstance(side, Missing):
        return []
    return (side if isinstance(side, str) else json.dumps(side, indent=1, ensure_ascii=False)).split("\n")
