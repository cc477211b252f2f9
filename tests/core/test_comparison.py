"""Two recordings side by side: what counts as different, and what does not."""

from typing import Any

import orjson
import pytest

from chatreel.comparison import compare
from chatreel.model import Piece, Recording
from support.stores import take


def recorded(request: Any = None, completion: Any = None, **more: Any) -> Recording:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi there"}]} | (request or {})
    message = {"role": "assistant", "content": "Hello"}
    answer = {"id": "1", "created": 1, "choices": [{"index": 0, "message": message}], "usage": {"total_tokens": 3}}
    answer |= completion or {}
    return take(request=orjson.dumps(asked), completion=orjson.dumps(answer), **more)


def message(**members: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **members}}]}


def pointers(first: Recording, second: Recording) -> dict[str, list[str]]:
    found = compare(first, second)
    sections = ("request", "answer", "usage", "timing")
    return {name: [one.pointer for one in getattr(found, name)] for name in sections if getattr(found, name)}


def test_a_recording_equals_itself() -> None:
    assert compare(recorded(), recorded()).equal


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (recorded({"seed": 7}), {"request": ["/body/seed"]}),
        (recorded(query="v=1"), {"request": ["/query"]}),
        (recorded({"stream": True}), {"request": ["/body/stream"]}),
        (recorded(completion=message(content="Hi")), {"answer": ["/choices/0/message/content"]}),
        (recorded(status=201), {"answer": ["/status"]}),
    ],
)
def test_what_was_asked_and_answered_counts(other: Recording, found: dict[str, list[str]]) -> None:
    assert pointers(recorded(), other) == found
    assert not compare(recorded(), other).equal


@pytest.mark.parametrize(
    "other",
    [
        recorded(completion={"id": "2", "created": 9}),
        recorded(completion={"usage": {"total_tokens": 4}}),
        recorded(pieces=(Piece(9.0, 14),)),
        recorded(completion={"system_fingerprint": None}),
    ],
)
def test_ids_times_usage_and_nulls_do_not(other: Recording) -> None:
    assert compare(recorded(), other).equal


def test_usage_and_timing_are_told_all_the_same() -> None:
    other = recorded(completion={"usage": {"total_tokens": 4}}, pieces=(Piece(9.0, 14),))
    assert pointers(recorded(), other) == {"usage": ["/total_tokens"], "timing": ["/first", "/duration"]}


def test_ids_of_tool_calls_are_names() -> None:
    def calls(*ids: str) -> Recording:
        return recorded(completion=message(tool_calls=[{"id": one, "function": {"name": "f"}} for one in ids]))

    assert compare(calls("call_a", "call_b"), calls("call_x", "call_y")).equal
    assert not compare(calls("call_a", "call_b"), calls("call_x", "call_x")).equal


def test_the_order_of_members_counts_in_the_properties_of_a_schema_only() -> None:
    def tool(*names: str) -> Recording:
        schema = {"type": "object", "properties": {name: {} for name in names}}
        return recorded({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]})

    assert compare(recorded({"a": 1, "b": 2}), recorded({"b": 2, "a": 1})).equal
    assert pointers(tool("x", "y"), tool("y", "x")) == {"request": ["/body/tools/0/function/parameters/properties"]}


def test_errors_are_compared_by_what_came() -> None:
    refused = recorded()
    first = take(body=b'{"error":{"message":"slow down"}}', completion=b"", status=429, request=refused.request)
    second = take(body=b"Bad Gateway", completion=b"", status=502, request=refused.request)
    assert {one.pointer for one in compare(first, second).answer} == {"/status", "/body", "/error"}
