"""An opened call on a page: what was said, how it came, and why it was no hit."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import streamlit as st

from chatreel.analytics.queries import calls
from chatreel.dashboards import parts, wording
from chatreel.dashboards.call import conversation
from chatreel.dashboards.call.conversation import Turn
from chatreel.dashboards.call.reading import Opened, open_call
from chatreel.dashboards.call.timing import timing
from chatreel.dashboards.call.why import why
from chatreel.dashboards.page import Page
from chatreel.dashboards.parts import Figure
from chatreel.model import Outcome
from chatreel.plaintext import printable, printable_lines

_AVATARS: Final = {
    "system": ":material/tune:",
    "developer": ":material/tune:",
    "user": ":material/person:",
    "assistant": ":material/smart_toy:",
    "tool": ":material/build:",
    "function": ":material/build:",
}
_BADGES: Final[Mapping[str, Any]] = {
    Outcome.HIT: "green",
    Outcome.COALESCED: "blue",
    Outcome.RECORDED: "blue",
    Outcome.PASSED: "orange",
    Outcome.REFUSED: "violet",
    Outcome.FAILED: "red",
}


def draw(page: Page, call_id: str) -> None:
    """The call of that id, or that there is none."""
    row = page.snapshot.ask(calls.one, call_id)
    if row is None:
        st.warning(f"There is no call {wording.plain(call_id)} in this log.", icon=":material/search_off:")
        return
    opened = open_call(page.source.settings, call_id)
    _head(row)
    tabs: dict[str, Callable[[], None]] = {
        "Conversation": lambda: _conversation(opened),
        "Timing": lambda: timing(row, opened),
        "Why no hit": lambda: why(row, opened),
        "Request": lambda: _request(opened),
        "Raw": lambda: _raw(row, opened),
    }
    if row["miss_reason"] is None:
        del tabs["Why no hit"]
    for name, tab in zip(tabs, st.tabs([*tabs], key="tab", on_change="rerun", bind="query-params"), strict=True):
        if tab.open:
            with tab:
                tabs[name]()


def _head(row: Mapping[str, Any]) -> None:
    st.subheader(wording.plain(row["model"] or "no model named"), anchor=False)
    with st.container(horizontal=True, gap="xsmall"):
        st.badge(row["outcome"], color=_BADGES[row["outcome"]])
        st.badge(f"status {row['status']}" if row["status"] else "no response", color="gray")
        st.badge("stream" if row["stream"] else "JSON", color="gray")
        if row["finish_reason"]:
            st.badge(wording.plain(row["finish_reason"]), color="gray")
    host = row["upstream"].partition("://")[2]  # what begins with a scheme would become a link
    session = f" · {wording.plain(row['session_name'])}" if row["session_name"] else ""
    cassette = f" · cassette {wording.plain(Path(row['cassette']).name)}" if row["cassette"] else ""
    st.caption(f"{row['started_at']:%-d %b %Y, %H:%M:%S.%f} UTC · {wording.plain(host)}{session}{cassette}")
    spared = row["served"]
    money = row["saved_usd"] if spared else row["cost_usd"]
    parts.small_figures(
        [
            Figure("Latency", wording.ms(row["latency_ms"])),
            Figure("First token", wording.ms(row["ttft_ms"])),
            Figure("Saved" if spared else "Spent", wording.usd(money), _priced(row)),
            Figure(
                "Tokens",
                _tokens(row),
                "Prompt and answer",
            ),
        ],
    )


def _tokens(row: Mapping[str, Any]) -> str:
    prompt, completion = row["prompt_tokens"], row["completion_tokens"]
    if prompt is None and completion is None:
        return wording.NOTHING
    return f"{wording.count(prompt)} + {wording.count(completion)}"


def _priced(row: Mapping[str, Any]) -> str:
    """Where a price is from, or why there is none; and what the server says itself."""
    source = " ".join(str(row[name]) for name in ("price_source", "price_version", "price_model") if row[name])
    reported = row["reported_cost_usd"]
    said = [row["unpriced"] or "", source, "" if reported is None else f"The server says {wording.usd(reported)}"]
    return wording.plain(". ".join(filter(None, said)))


def _conversation(opened: Opened) -> None:
    if opened.missing:
        st.info(wording.plain(opened.missing), icon=":material/info:")
    turns = conversation.turns(opened.request) if opened.request else []
    if recording := opened.recording:
        turns += conversation.answers(recording.completion)
        if not recording.completion:
            turns.append(Turn("assistant", _decoded(recording.body), note="an error"))
    for turn in turns:
        _turn(turn)


def _turn(turn: Turn) -> None:
    role = turn.role or "nobody"
    with st.chat_message(printable(role), avatar=_AVATARS.get(role, ":material/chat_bubble:")):
        note = f" · {wording.plain(turn.note)}" if turn.note else ""
        st.caption(f"{wording.plain(role)}{note}")
        if turn.reasoning:
            with st.expander("What it thought before", type="compact"):
                _text(_decoded(turn.reasoning.encode()))
        _text(turn.text)


def _text(text: str) -> None:
    parts.verbatim(text)
    if len(text) > parts.LONGEST:
        st.caption(f"{len(text) - parts.LONGEST:,} more characters: see Raw.")


def _request(opened: Opened) -> None:
    if not opened.request:
        st.info(wording.plain(opened.missing), icon=":material/info:")
        return
    members = conversation.settings(opened.request)
    values = [json.dumps(value, ensure_ascii=False) for value in members.values()]
    parts.table(
        {"name": [*members], "value": values},
        {"name": "Member", "value": "Value"},
        "Members of the request besides its messages",
    )
    offered = conversation.tools(opened.request)
    if offered:
        st.caption(f"{wording.plural(len(offered), 'tool')} offered")
        st.json(offered, expanded=2)


def _raw(row: Mapping[str, Any], opened: Opened) -> None:
    if opened.request:
        _json("Request", opened.request, f"request-{row['call_id']}.json")
    if recording := opened.recording:
        if recording.completion:
            _json("Completion", recording.completion, f"completion-{row['call_id']}.json")
        _bytes("Response, byte for byte", recording.body, f"response-{row['call_id']}.{recording.form}")
    st.caption("The row of the log; what is not known is left out")
    known = {name: str(value) for name, value in row.items() if value is not None}
    parts.table(
        {"name": [*known], "value": [*known.values()]},
        {"name": "Column", "value": "Value"},
        "All columns of the call",
        height=320,
    )


def _json(title: str, content: bytes, name: str) -> None:
    with st.expander(f"{title}, {wording.size(len(content))}", icon=":material/data_object:"):
        st.download_button("Download", content, name, "application/json", icon=":material/download:", key=name)
        try:
            st.json(json.loads(content), expanded=2)
        except ValueError:
            _text(_decoded(content))


def _bytes(title: str, content: bytes, name: str) -> None:
    with st.expander(f"{title}, {wording.size(len(content))}", icon=":material/notes:"):
        st.download_button("Download", content, name, "application/octet-stream", icon=":material/download:", key=name)
        _text(_decoded(content))


def _decoded(content: bytes) -> str:
    """As text, control characters visible."""
    return "\n".join(printable_lines(content.decode(errors="replace")))
