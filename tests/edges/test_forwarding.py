"""Calls go upstream without the engine, and are what they are with it. `test_fast_path.py` compares the two."""

import socket
import sys
import threading
from urllib.parse import urlsplit

import pytest

from support.calls import ask, error_of, http_client, question
from support.database import rows
from support.program import running_chatreel
from support.replies import dumps
from support.upstream import Reply, Request, Upstream, completion, error, stream

PLANTED = """
import sys
from chatreel.engine.chat_stream import ChatHttpStream
from chatreel.cli import main

ordinary = ChatHttpStream.__init__

def counted(self, *given):
    print("THE ENGINE", file=sys.stderr, flush=True)
    ordinary(self, *given)

ChatHttpStream.__init__ = counted
main()
"""
COUNTED = (sys.executable, "-c", PLANTED, "serve")
REFUSING = """
from chatreel.engine.route import Route
from chatreel.cli import main

Route.may_connect = property({verdict})
main()
"""
LARGE = 40_000_000
"""Bytes of an answer that no buffers on its way can hold."""


def caching(upstream: Upstream) -> tuple[str, ...]:
    return ("--upstream", upstream.url, "--mode", "cache", "--fast-path")


@pytest.mark.parametrize("mode", ["cache", "record", "passthrough"])
@pytest.mark.parametrize("streams", [False, True], ids=["JSON", "a stream"])
def test_a_call_goes_upstream_without_the_engine(upstream: Upstream, store: str, mode: str, streams: bool) -> None:
    flags = ("--upstream", upstream.url, "--mode", mode, "--store", store, "--fast-path")
    with running_chatreel(*flags, command=COUNTED) as proxy, http_client(proxy.base_url) as client:
        for number in range(3):
            asked = question(f"number {number}", stream=streams)
            assert "fwd=" in client.post("chat/completions", json=asked).headers["cache-status"]
        assert "THE ENGINE" not in proxy.log
    assert len({call.connection for call in upstream.calls}) == 1


def test_replay_and_what_goes_at_a_pace_is_the_engines(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--fast-path")
    for more in (("--mode", "replay"), ("--mode", "cache", "--pace", "recorded")):
        with running_chatreel(*flags, *more, command=COUNTED) as proxy:
            ask(proxy.base_url, question(more[1]))
            assert "THE ENGINE" in proxy.log


@pytest.mark.parametrize("verdict", ["lambda self: False", "lambda self: 1 / 0"], ids=["says no", "raises"])
def test_a_call_has_no_connection_without_the_firewalls_word(upstream: Upstream, store: str, verdict: str) -> None:
    command = (sys.executable, "-c", REFUSING.format(verdict=verdict), "serve")
    with running_chatreel(*caching(upstream), "--store", store, command=command) as proxy:
        assert error_of(ask(proxy.base_url, question()))["code"] == "chatreel_internal_error"
    assert upstream.connections == 0
    assert rows(store, "SELECT outcome FROM calls") == [("failed",)]


def test_an_upstream_gets_the_head_that_the_engine_sends(upstream: Upstream, store: str) -> None:
    headers = {"authorization": "Bearer sk-mine", "x-chatreel-tag": "a=1", "accept-encoding": "gzip", "x-more": "1"}
    for way in ("--fast-path", "--no-fast-path"):
        flags = ("--upstream", upstream.url, "--mode", "record", "--store", store, way)
        with running_chatreel(*flags) as proxy, http_client(proxy.base_url) as client:
            for streams in (False, True):
                client.post("chat/completions", json=question(stream=streams), headers=headers)
    fast, slow = upstream.calls[:2], upstream.calls[2:]
    assert [(call.headers, call.body, call.path) for call in fast] == [
        (call.headers, call.body, call.path) for call in slow
    ]
    assert fast[0].headers["accept-encoding"] == "identity"


def test_a_client_that_does_not_read_holds_up_its_upstream(upstream: Upstream, store: str) -> None:
    piece = b": " + b"x" * 99_996 + b"\n\n"
    pieces = [*[piece] * (LARGE // len(piece)), b"data: [DONE]\n\n"]
    upstream.reply_with(Reply(200, {"content-type": "text/event-stream"}, pieces=pieces))
    body = dumps(question(stream=True))
    with running_chatreel(*caching(upstream), "--store", store) as proxy:
        host = urlsplit(proxy.base_url)
        with socket.create_connection((host.hostname, host.port), timeout=30) as connection:
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)
            with pytest.raises(TimeoutError):
                upstream.wait_for_finished(1, timeout=2)
            got = 0
            while got < LARGE:
                got += len(connection.recv(1 << 20))
            upstream.wait_for_finished(1)


def test_what_is_sent_behind_a_call_under_way_is_answered_behind_it(upstream: Upstream, store: str) -> None:
    gate = threading.Event()

    def decide(request: Request) -> Reply:
        held = b"the first" in request.body
        return completion("slowly", hold=gate) if held else completion("at once")

    upstream.reply_by(decide)
    asked = [dumps(question(text)) for text in ("the first", "the second", "the third")]
    requests = [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        for body in asked
    ]
    with running_chatreel(*caching(upstream), "--store", store) as proxy:
        host = urlsplit(proxy.base_url)
        with socket.create_connection((host.hostname, host.port), timeout=30) as connection:
            connection.sendall(requests[0])
            upstream.wait_for_calls(1)
            connection.sendall(requests[1] + requests[2][:40])
            connection.sendall(requests[2][40:])
            gate.set()
            got = b""
            while got.count(b"at once") < 2:
                got += connection.recv(65536)
    assert got.index(b"slowly") < got.index(b"at once")
    assert [call.body for call in upstream.calls] == asked


def test_a_connection_that_the_upstream_has_closed_is_not_used_again(upstream: Upstream, store: str) -> None:
    with running_chatreel(*caching(upstream), "--store", store) as proxy, http_client(proxy.base_url) as client:
        assert client.post("chat/completions", json=question("one")).is_success
        upstream.stop()
        assert (
            error_of(client.post("chat/completions", json=question("two")))["code"] == "chatreel_upstream_unreachable"
        )
        upstream.restart()
        assert client.post("chat/completions", json=question("three")).is_success


def test_an_upstream_that_refuses_to_be_asked_for_usage_is_asked_without(upstream: Upstream, store: str) -> None:
    upstream.reply_with(error(400, "stream_options is not known"), stream(("one", "two")))
    flags = ("--upstream", upstream.url, "--mode", "record", "--store", store, "--fast-path")
    with running_chatreel(*flags, command=COUNTED) as proxy, http_client(proxy.base_url) as client:
        for _ in range(2):
            assert "two" in client.post("chat/completions", json=question(stream=True)).text
        assert "THE ENGINE" not in proxy.log
    assert [b"include_usage" in call.body for call in upstream.calls] == [True, False, False]


def test_what_is_under_way_when_a_proxy_stops_is_in_the_log(upstream: Upstream, store: str) -> None:
    gate = threading.Event()
    upstream.reply_with(completion("too late", hold=gate))
    with running_chatreel(*caching(upstream), "--store", store) as proxy:
        host = urlsplit(proxy.base_url)
        body = dumps(question())
        with socket.create_connection((host.hostname, host.port), timeout=30) as connection:
            connection.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
            )
            upstream.wait_for_calls(1)
            proxy.stop()
            gate.set()
    assert rows(store, "SELECT outcome, status FROM calls") == [("failed", None)]
