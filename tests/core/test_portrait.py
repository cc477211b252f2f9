"""Requests and completions as a person reads them."""

import base64
import json
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Json, JsonObject
from chatreel.portrait import completion_lines, last_user_text, message_lines, request_lines, usage_line

PIXELS = b"\x89PNG\r\n" + bytes(range(256))
ENCODED = base64.b64encode(PIXELS).decode()
DIGEST = sha256(PIXELS).hexdigest()[:12]

MEMBERS = ["role", "content", "tool_calls", "function", "name", "arguments", "messages", "choices", "message", "type"]
MORE = ["text", "image_url", "url", "audio", "data", "tools", "parameters", "properties", "usage", "file"]
NAMES = st.sampled_from([*MEMBERS, *MORE])
LIKE_IT: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text() | NAMES,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=30,
)


def message(**members: Json) -> list[str]:
    return list(message_lines(members))


def test_a_conversation_is_told_by_role() -> None:
    body: JsonObject = {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One\nTwo"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {}, "b": {}}}}}],
    }
    assert list(request_lines(body)) == ["model: m", "tool f(a, b)", "system", "  Be brief.", "user", "  One", "  Two"]


def test_tool_calls_have_readable_arguments() -> None:
    arguments = json.dumps({"city": "Paris", "days": 3, "code": "a = 1\nb = 2"})
    call: Json = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    assert message(role="assistant", content=None, tool_calls=[call]) == [
        "assistant",
        "  calls weather (call_1)",
        "    city: Paris",
        "    days: 3",
        "    code:",
        "      a = 1",
        "      b = 2",
    ]
    assert message(role="tool", tool_call_id="call_1", content="sunny") == ["tool call_1", "  sunny"]


def test_arguments_that_are_no_json_are_shown_as_they_are() -> None:
    lines = message(role="assistant", tool_calls=[{"function": {"name": "f", "arguments": '{"a": \x1b'}}])
    assert lines == ["assistant", "  calls f", '    {"a": \\x1b']


def test_media_are_told_by_type_size_and_digest() -> None:
    parts: Json = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{ENCODED}"}},
        {"type": "image_url", "image_url": {"url": "https://h/cat.png"}},
        {"type": "input_audio", "input_audio": {"data": ENCODED, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{ENCODED}"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}},
    ]
    assert message(role="user", content=parts) == [
        "user",
        "  Look:",
        f"  image image/png, 262 bytes, sha256 {DIGEST}",
        "  image https://h/cat.png",
        f"  audio wav 262 bytes, sha256 {DIGEST}",
        f"  file a.pdf application/pdf, 262 bytes, sha256 {DIGEST}",
        "  image data:image/png;base64,%%%",
    ]


def test_a_completion_is_told_by_choice() -> None:
    one: Json = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Hi", "refusal": None},
    }
    other: Json = {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "refusal": "No."}}
    assert list(completion_lines({"choices": [one]})) == ["finish reason: stop", "assistant", "  Hi"]
    assert list(completion_lines({"choices": [one, other]}))[3:] == [
        "choice 1, finish reason: length",
        "assistant",
        "  refuses: No.",
    ]


def test_usage_is_one_line_without_what_is_zero() -> None:
    usage: Json = {
        "prompt_tokens": 12,
        "completion_tokens": 34,
        "total_tokens": 46,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    }
    assert usage_line(usage) == "prompt 12, completion 34, total 46, cached 8"
    assert usage_line(None) == ""


def test_the_last_user_text_is_one_line() -> None:
    body: JsonObject = {
        "messages": [
            {"role": "user", "content": "first"},
            {"role": "user", "content": [{"type": "text", "text": "What\nis"}, {"type": "text", "text": "this?"}]},
            {"role": "assistant", "content": "last"},
        ]
    }
    assert last_user_text(body) == "What is this?"
    assert last_user_text({"messages": []}) == ""


@given(st.dictionaries(NAMES, LIKE_IT))
def test_whatever_shape_a_body_has_it_is_shown_without_control_characters(body: JsonObject) -> None:
    lines = [*request_lines(body), *completion_lines(body), *message_lines(body), usage_line(body)]
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for line in lines for character in line)
    assert isinstance(last_user_text(body), str)
