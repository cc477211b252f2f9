"""Errors of the upstream: never a hit by default, and faithful to both wire forms where they are to be recorded."""

from collections.abc import Iterator

import pytest

from support.calls import ask, error_of, question
from support.program import Program, running_chatreel
from support.replies import event
from support.upstream import Reply, Upstream, error

OVERLOADED = {"error": {"message": "Overloaded.", "type": "server_error", "param": None, "code": "overloaded"}}
CHUNK = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
HALF = CHUNK | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "I"}, "finish_reason": None}]}
MID_STREAM = Reply(headers={"content-type": "text/event-stream"}, pieces=[event(HALF), event(OVERLOADED)])
INSIDE_200 = Reply(headers={"content-type": "application/json"}, body=b'{"error":{"message":"Filtered.","code":"f"}}')


@pytest.fixture
def proxy(upstream: Upstream, store: str) -> Iterator[Program]:
    flags = ("--mode", "cache", "--record-errors", "--store", store)
    with running_chatreel("--upstream", upstream.url, *flags) as running:
        yield running


def test_an_error_in_a_stream_is_the_same_bytes_to_a_stream_and_an_http_error_to_others(
    proxy: Program, upstream: Upstream
) -> None:
    upstream.reply_with(MID_STREAM)
    live = ask(proxy.base_url, question(stream=True))
    upstream.stop()
    assert ask(proxy.base_url, question(stream=True)).content == live.content
    told = ask(proxy.base_url, question())
    assert told.status_code == 502
    assert error_of(told) == OVERLOADED["error"]
    assert told.headers["cache-status"].startswith("chatreel; hit")


def test_an_error_status_is_the_same_in_both_wire_forms(proxy: Program, upstream: Upstream) -> None:
    upstream.reply_with(error(429, "Slow down.", code="rate_limit_exceeded"))
    live = ask(proxy.base_url, question())
    upstream.stop()
    for streaming in (False, True):
        again = ask(proxy.base_url, question(stream=streaming))
        assert (again.status_code, again.content) == (429, live.content)


def test_an_error_inside_a_200_is_kept_as_it_was(proxy: Program, upstream: Upstream) -> None:
    upstream.reply_with(INSIDE_200)
    live = ask(proxy.base_url, question())
    upstream.stop()
    again = ask(proxy.base_url, question())
    assert (again.status_code, again.content) == (200, live.content)


@pytest.mark.parametrize("reply", [MID_STREAM, INSIDE_200, error(500)], ids=["mid-stream", "inside a 200", "a 500"])
def test_by_default_none_of_them_is_a_hit(upstream: Upstream, store: str, reply: Reply) -> None:
    upstream.reply_with(reply)
    asked = question(stream=reply is MID_STREAM)
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as running:
        first = ask(running.base_url, asked)
        ask(running.base_url, asked)
    assert first.content == (reply.body or b"".join(reply.pieces or ()))
    assert len(upstream.calls) == 2
