"""Usage at the end of streams (Q28): asked for upstream, given to clients that ask, hidden from the others."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.calls import ask, question
from support.database import rows
from support.program import Program, running_chatreel
from support.replies import USAGE, event
from support.upstream import Reply, Request, Upstream, error, stream

ASKING: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def proxy(upstream: Upstream, store: str) -> Iterator[Program]:
    upstream.reply_by(obliging)
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as running:
        yield running


def asked(request: Request) -> bool:
    return bool((request.json().get("stream_options") or {}).get("include_usage"))


def obliging(request: Request) -> Reply:
    """Sends usage to whoever asks."""
    return stream(("It is ", "cold."), usage=USAGE if asked(request) else None)


def refusing_options(request: Request) -> Reply:
    """An upstream that never heard of `stream_options`."""
    return error(400, "Unrecognized request argument: stream_options") if asked(request) else stream(("It is cold.",))


def usages(body: bytes) -> list[Any]:
    """Every `usage` member of a stream, null included."""
    chunks = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    return [chunk["usage"] for chunk in chunks if "usage" in chunk]


def test_a_client_that_did_not_ask_gets_none_and_the_recording_has_it(
    proxy: Program, upstream: Upstream, store: str
) -> None:
    live = ask(proxy.base_url, question(stream=True)).content
    replayed = ask(proxy.base_url, question(stream=True)).content
    joined = ask(proxy.base_url, question())
    assert asked(upstream.calls[0])
    assert usages(live) == []
    assert live.endswith(b"data: [DONE]\n\n")
    assert replayed == live
    assert joined.json()["usage"] == USAGE
    assert len(upstream.calls) == 1
    assert rows(store, "SELECT usage_added FROM recordings") == [(1,)]


def test_a_client_that_asks_later_gets_it_from_the_same_recording(proxy: Program, upstream: Upstream) -> None:
    ask(proxy.base_url, question(stream=True))
    replayed = ask(proxy.base_url, question(**ASKING))
    assert [usage for usage in usages(replayed.content) if usage] == [USAGE]
    assert len(upstream.calls) == 1


def test_a_client_that_asked_gets_what_the_upstream_sent(proxy: Program, upstream: Upstream) -> None:
    live = ask(proxy.base_url, question(**ASKING)).content
    assert ask(proxy.base_url, question(**ASKING)).content == live
    assert usages(ask(proxy.base_url, question(stream=True)).content) == []
    assert len(upstream.calls) == 1


def test_the_request_is_untouched_but_for_the_option(proxy: Program, upstream: Upstream) -> None:
    ask(proxy.base_url, question("spaced", stream=True, stream_options={"include_obfuscation": False}))
    ask(proxy.base_url, question("plain", stream=True))
    first, second = (call.json() for call in upstream.calls)
    assert first["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert second["stream_options"] == {"include_usage": True}
    del second["stream_options"]
    assert second == question("plain", stream=True)


def test_usage_that_rides_on_the_finish_chunk_is_hidden_too(proxy: Program, upstream: Upstream) -> None:
    """As OpenRouter, Mistral and DeepSeek send it (Q29)."""
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    text = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [
        event(chunk | {"choices": [text]}),
        event(chunk | {"choices": [end], "usage": USAGE}),
        b"data: [DONE]\n\n",
    ]
    upstream.reply_with(Reply(headers={"content-type": "text/event-stream"}, pieces=events))
    live = ask(proxy.base_url, question(stream=True)).content
    assert usages(live) == []
    assert b'"finish_reason":"stop"' in live
    assert ask(proxy.base_url, question(stream=True)).content == live
    assert [usage for usage in usages(ask(proxy.base_url, question(**ASKING)).content) if usage] == [USAGE]


def test_an_announced_length_does_not_outlive_the_bytes_it_counted(proxy: Program, upstream: Upstream) -> None:
    body = b"".join(stream(("Hi",), usage=USAGE).pieces or ())
    upstream.reply_with(Reply(headers={"content-type": "text/event-stream"}, body=body))
    live = ask(proxy.base_url, question(stream=True)).content
    assert live.endswith(b"data: [DONE]\n\n")
    assert usages(live) == []


def test_an_upstream_that_refuses_the_option_is_asked_once_more_without_and_remembered(
    proxy: Program, upstream: Upstream
) -> None:
    upstream.reply_by(refusing_options)
    first = ask(proxy.base_url, question("one", stream=True))
    second = ask(proxy.base_url, question("two", stream=True))
    assert (first.status_code, second.status_code) == (200, 200)
    assert [asked(call) for call in upstream.calls] == [True, False, False]
    assert ask(proxy.base_url, question("one", stream=True)).content == first.content


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_request_that_is_wrong_without_the_option_too_gets_its_error(
    proxy: Program, upstream: Upstream, status: int
) -> None:
    upstream.reply_by(lambda request: error(status, f"usage asked for: {asked(request)}"))
    response = ask(proxy.base_url, question(stream=True))
    assert response.status_code == status
    assert "usage asked for: False" in response.text
    upstream.reply_by(obliging)
    assert ask(proxy.base_url, question(stream=True)).status_code == 200
    assert [asked(call) for call in upstream.calls] == [True, False, True]


@pytest.mark.parametrize("status", [401, 403, 429])
def test_an_error_that_has_other_reasons_is_passed_on(proxy: Program, upstream: Upstream, status: int) -> None:
    upstream.reply_by(lambda _: error(status))
    assert ask(proxy.base_url, question(stream=True)).status_code == status
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        (("--mode", "cache", "--no-ask-usage"), question(stream=True)),
        (("--mode", "passthrough"), question(stream=True)),
        (("--mode", "cache"), question()),
    ],
    ids=["switched off", "passthrough", "no stream"],
)
def test_where_nobody_asks(upstream: Upstream, store: str, flags: tuple[str, ...], body: dict[str, Any]) -> None:
    with running_chatreel("--upstream", upstream.url, "--store", store, *flags) as running:
        assert ask(running.base_url, body).status_code == 200
    assert upstream.calls[0].json() == body


def test_pieces_still_pass_one_by_one(proxy: Program, upstream: Upstream) -> None:
    """Usage is taken out event by event: the second leaves the upstream only after the client has the first."""
    gate = threading.Event()
    upstream.reply_with(stream(("one", "two"), usage=USAGE, gates=[None, None, gate]))
    text = ""
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(stream=True)) as response,
    ):
        for piece in response.iter_text():
            text += piece
            if "one" in text:
                gate.set()
    assert "two" in text
    assert usages(text.encode()) == []
