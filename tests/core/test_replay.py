"""A recording answers in the wire form that is asked for, with the usage that is asked for."""

import json
from typing import Any

import pytest

from chatreel.model import Identity, Piece, Recording, WireForm
from chatreel.replay import replay
from chatreel.wire.asking import asks_for_usage
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Verdict, read
from support.calls import question
from support.replies import USAGE, completion, stream

ASKED = {"stream_options": {"include_usage": True}}


def recording(body: bytes, *, content_type: str, asked: bool = False, status: int = 200) -> Recording:
    """As the recorder would make it."""
    reading = read(body, status=status)
    assert reading.verdict is Verdict.COMPLETE
    return Recording(
        identity=Identity("v1:" + "0" * 64, b"{}"),
        upstream="https://h",
        path="/v1/chat/completions",
        model="m",
        recorded_at=0.0,
        request=dumps(question("Hi", **(ASKED if asked else {}))),
        status=status,
        headers=(("content-type", content_type), ("x-request-id", "req_1"), ("openai-version", "2020-10-01")),
        form=reading.form,
        body=body,
        pieces=(Piece(0.5, len(body)),),
        completion=dumps(reading.completion),
    )


def as_json(**more: Any) -> Recording:
    return recording(completion("Hello.", **more).body, content_type="application/json; charset=utf-8")


def as_stream(*, asked: bool = False, sent: bool = False) -> Recording:
    """`asked`: the recorded request asked for usage. `sent`: the upstream sent it."""
    pieces = stream(("Hel", "lo."), usage=USAGE if sent else None).pieces
    return recording(b"".join(pieces or ()), content_type="text/event-stream", asked=asked)


def objects(body: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream that every client can read; fails if it is none."""
    events = body.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def usages(body: bytes) -> list[Any]:
    """What the chunks say of usage."""
    return [chunk["usage"] for chunk in objects(body) if chunk.get("usage") is not None]


def text(body: bytes) -> str:
    deltas = [choice["delta"] for chunk in objects(body) for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize(
    ("recorded", "form", "include_usage"),
    [
        (as_json(), WireForm.JSON, False),
        (as_json(), WireForm.JSON, True),
        (as_stream(), WireForm.SSE, False),
        (as_stream(sent=True), WireForm.SSE, False),
        (as_stream(asked=True, sent=True), WireForm.SSE, True),
        (as_stream(asked=True), WireForm.SSE, True),
    ],
    ids=["json", "json, usage", "stream", "stream, unasked usage", "stream, usage", "stream, usage never sent"],
)
def test_the_same_form_is_the_recorded_bytes_themselves(
    recorded: Recording, form: WireForm, include_usage: bool
) -> None:
    reply = replay(recorded.replayable, form, include_usage=include_usage)
    assert reply.body is recorded.body
    assert reply.headers is recorded.headers
    assert (reply.status, reply.converted) == (recorded.status, False)


@pytest.mark.parametrize(
    ("recorded_asked", "client_asks", "expected"),
    [(False, False, []), (False, True, []), (True, True, [USAGE]), (True, False, [])],
)
def test_a_stream_ends_with_usage_if_the_client_asks_and_it_is_known(
    recorded_asked: bool, client_asks: bool, expected: list[Any]
) -> None:
    recorded = as_stream(asked=recorded_asked, sent=recorded_asked)
    reply = replay(recorded.replayable, WireForm.SSE, include_usage=client_asks)
    assert usages(reply.body) == expected
    assert text(reply.body) == "Hello."
    assert not reply.converted


def test_a_client_that_asks_gets_the_usage_an_upstream_sent_in_its_own_way() -> None:
    """Usage that nobody had asked for stays, and is not sent twice (Q29)."""
    reply = replay(as_stream(sent=True).replayable, WireForm.SSE, include_usage=True)
    assert usages(reply.body) == [USAGE]


@pytest.mark.parametrize(("client_asks", "expected"), [(False, []), (True, [USAGE])])
def test_json_becomes_a_stream(client_asks: bool, expected: list[Any]) -> None:
    reply = replay(as_json().replayable, WireForm.SSE, include_usage=client_asks)
    assert text(reply.body) == "Hello."
    assert usages(reply.body) == expected
    assert {chunk["object"] for chunk in objects(reply.body)} == {"chat.completion.chunk"}
    assert reply.converted


@pytest.mark.parametrize("asked", [False, True])
def test_a_stream_becomes_json_with_all_that_is_known(asked: bool) -> None:
    recorded = as_stream(asked=asked, sent=asked)
    reply = replay(recorded.replayable, WireForm.JSON, include_usage=False)
    said = json.loads(reply.body)
    assert said["object"] == "chat.completion"
    assert said["choices"][0]["message"]["content"] == "Hello."
    assert said.get("usage") == (USAGE if asked else None)
    assert reply.converted


@pytest.mark.parametrize(
    ("recorded", "form", "content_type"),
    [
        (as_json(), WireForm.SSE, "text/event-stream; charset=utf-8"),
        (as_stream(), WireForm.JSON, "application/json"),
    ],
    ids=["to stream", "to json"],
)
def test_a_converted_answer_keeps_its_headers_but_for_the_type(
    recorded: Recording, form: WireForm, content_type: str
) -> None:
    reply = replay(recorded.replayable, form, include_usage=False)
    assert reply.converted
    assert reply.headers == (
        ("content-type", content_type),
        ("x-request-id", "req_1"),
        ("openai-version", "2020-10-01"),
    )


def test_a_stream_without_its_usage_keeps_the_headers_it_came_with() -> None:
    recorded = as_stream(asked=True, sent=True)
    reply = replay(recorded.replayable, WireForm.SSE, include_usage=False)
    assert (reply.headers, reply.converted) == (recorded.headers, False)


def test_a_conversion_is_the_same_bytes_every_time() -> None:
    bare = json.loads(completion("Hello.").body)
    bare["id"] = ""
    recorded = recording(dumps(bare), content_type="application/json")
    replies = [replay(recorded.replayable, WireForm.SSE, include_usage=True) for _ in range(2)]
    assert replies[0] == replies[1]


def test_the_status_is_the_recorded_one() -> None:
    recorded = recording(completion("Hello.").body, content_type="application/json", status=203)
    assert {replay(recorded.replayable, form, include_usage=False).status for form in WireForm} == {203}


@pytest.mark.parametrize(
    ("request_body", "asks"),
    [
        ({}, False),
        ({"stream_options": None}, False),
        ({"stream_options": {}}, False),
        ({"stream_options": {"include_usage": False}}, False),
        ({"stream_options": {"include_usage": 1}}, False),
        ({"stream_options": {"include_usage": "true"}}, False),
        ({"stream_options": ["include_usage"]}, False),
        ({"include_usage": True}, False),
        ({"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"include_usage": True, "include_obfuscation": False}}, True),
    ],
)
def test_usage_is_asked_for_in_one_way_only(request_body: Any, asks: bool) -> None:
    assert asks_for_usage(request_body) is asks
