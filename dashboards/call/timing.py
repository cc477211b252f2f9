"""How an answer came: its times, and a stream played back."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import streamlit as st

from chatreel.dashboards import charts, palette, parts, wording
from chatreel.dashboards.call.playback import Playback, playback
from chatreel.dashboards.call.reading import Opened
from chatreel.dashboards.parts import Figure

_FRAMES: Final = 12
"""Times a second that a replayed text is drawn."""
_LONGEST: Final = 30.0
"""Seconds a replay takes at most; what came slower is played faster."""


def timing(row: Mapping[str, Any], opened: Opened) -> None:
    """Draw what is known of the times of a call. `row`: of the log."""
    speed = row["tokens_per_second"]
    parts.small_figures(
        [
            Figure("In all", wording.ms(row["latency_ms"])),
            Figure("Upstream", wording.ms(row["upstream_ms"]), "From the request going upstream to the last byte."),
            Figure("First byte", wording.ms(row["first_byte_ms"])),
            Figure("Last token", wording.ms(row["last_token_ms"])),
            Figure("The proxy itself", wording.ms(row["overhead_ms"])),
            Figure("Tokens a second", f"{speed:,.0f}" if speed else wording.NOTHING),
        ],
    )
    if not opened.recording:
        return
    stream = playback(opened.recording)
    if not stream.duration:
        parts.nothing("The answer was recorded in one piece.")
        return
    said = f"{wording.plural(len(stream.parts), 'part')} in {wording.seconds(stream.duration)}"
    st.caption(f"How the answer came when it was recorded: {said}")
    parts.draw(charts.arrival(stream.lengths(), palette.BLUE, "characters"), "Characters that had come, over time")
    _replay(stream, row["call_id"])


@st.fragment
def _replay(stream: Playback, call_id: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        plays = st.button("Play", icon=":material/play_arrow:", help="As it came, or faster where it took long.")
        at = st.slider(
            "What had been said after", 0.0, stream.duration, stream.duration, format="%.2f s", key=f"after-{call_id}"
        )
    place = st.empty()
    if plays:
        for text in _frames(stream):
            parts.verbatim(text, place)
    parts.verbatim(stream.until(stream.duration if plays else at) or "(nothing yet)", place)


def _frames(stream: Playback) -> Iterator[str]:
    """What had been said, now and then, at the pace it came at."""
    pace = max(1.0, stream.duration / _LONGEST)
    begun = time.monotonic()
    while (at := (time.monotonic() - begun) * pace) < stream.duration:
        yield stream.until(at)
        time.sleep(1 / _FRAMES)
