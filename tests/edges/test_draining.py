"""A client that leaves in the middle: its answer is recorded all the same, within bounds."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from support.calls import ask, question, under_way
from support.database import rows
from support.program import Program, running_chatreel
from support.upstream import Reply, Upstream, completion, stream


@contextmanager
def serving(upstream: Upstream, store: str, drain: str) -> Iterator[Program]:
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache")
    with running_chatreel(*flags, env={"CHATREEL_DRAIN": drain}) as proxy:
        yield proxy


def leave(proxy: Program, body: dict[str, Any]) -> None:
    """Read the beginning of a stream, and close the connection. The proxy knows when this returns."""
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", json=body) as response,
    ):
        next(response.iter_raw())
    hear_of_it(proxy)


def hear_of_it(proxy: Program) -> None:
    """Return once the proxy knows of a connection that was closed: it has answered on one that was opened later."""
    assert httpx.get(f"{proxy.base_url.removesuffix('/v1')}/_chatreel/health", trust_env=False).is_success


def logged(proxy: Program, store: str) -> list[tuple[Any, ...]]:
    """The rows of the log, once they are written."""
    proxy.stop()
    return rows(store, "SELECT outcome, status, reason FROM calls ORDER BY id")


@pytest.mark.parametrize("sentinel", [True, False], ids=["with [DONE]", "without"])
def test_a_stream_whose_client_leaves_is_recorded_to_its_end(upstream: Upstream, store: str, sentinel: bool) -> None:
    gate = threading.Event()
    whole = stream(("one", "two"), gates=[None, None, gate])
    pieces = list(whole.pieces or ())
    upstream.reply_with(Reply(200, whole.headers, pieces=pieces if sentinel else pieces[:-1], gates=whole.gates))
    with serving(upstream, store, "30s") as proxy:
        leave(proxy, question(stream=True))
        gate.set()
        proxy.wait_for_log("the client left before the end")
        again = ask(proxy.base_url, question(stream=True))
        assert again.headers["cache-status"].startswith("chatreel; hit")
        assert "two" in again.text
        recorded, hit = logged(proxy, store)
    assert recorded == ("recorded", None, "the client left before the end")
    assert hit[0] == "hit"
    assert len(upstream.calls) == 1


@pytest.mark.long
def test_an_upstream_that_stays_connected_after_done_is_not_waited_for(upstream: Upstream, store: str) -> None:
    gate, never = threading.Event(), threading.Event()
    whole = stream(("one", "two"))
    count = len(whole.pieces or ())
    gates = [None, None, gate, *[None] * (count - 3), never]
    upstream.reply_with(Reply(200, whole.headers, pieces=whole.pieces, gates=gates))
    with serving(upstream, store, "30s") as proxy:
        leave(proxy, question(stream=True))
        gate.set()
        proxy.wait_for_log("the client left before the end")
        never.set()
        assert "hit" in ask(proxy.base_url, question(stream=True)).headers["cache-status"]


def test_a_body_whose_client_leaves_is_recorded_too(upstream: Upstream, store: str) -> None:
    gate = threading.Event()
    upstream.reply_with(completion("in the end", hold=gate))
    with serving(upstream, store, "30s") as proxy:
        with under_way(proxy.base_url, question()):
            upstream.wait_for_calls(1)
        hear_of_it(proxy)
        gate.set()
        proxy.wait_for_log("the client left before the end")
        assert "hit" in ask(proxy.base_url, question()).headers["cache-status"]


@pytest.mark.long
def test_an_answer_that_takes_too_long_is_given_up_and_not_stored(upstream: Upstream, store: str) -> None:
    never = threading.Event()
    upstream.reply_with(stream(("one", "two"), gates=[None, None, never]), stream(("one", "two")))
    with serving(upstream, store, "0.2s") as proxy:
        leave(proxy, question(stream=True))
        proxy.wait_for_log("the client left, and no answer came in time")
        never.set()
        again = ask(proxy.base_url, question(stream=True))
        assert again.headers["cache-status"].startswith("chatreel; fwd=miss")
        given_up, recorded = logged(proxy, store)
    assert given_up[:2] == ("failed", None)
    assert recorded[0] == "recorded"


def test_an_answer_that_grows_too_large_is_given_up(upstream: Upstream, store: str) -> None:
    """The limit is lowered: 16 MB through a socket would only take time."""
    lowered = (
        "import chatreel.engine.chat_stream as one, chatreel.engine.forwarded_call as other;"
        "one.MAX_BYTES = other.MAX_BYTES = 100; from chatreel.cli import main; main()"
    )
    gate = threading.Event()
    upstream.reply_with(stream(("one", "two" * 100), gates=[None, None, gate]))
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache")
    with running_chatreel(*flags, command=(sys.executable, "-c", lowered, "serve")) as proxy:
        leave(proxy, question(stream=True))
        gate.set()
        proxy.wait_for_log("the client left, and no answer came")
        assert logged(proxy, store)[0][:2] == ("failed", None)
    assert rows(store, "SELECT count(*) FROM recordings") == [(0,)]


def test_where_nothing_is_drained_a_client_that_leaves_leaves_no_recording(upstream: Upstream, store: str) -> None:
    gate = threading.Event()
    upstream.reply_with(stream(("one", "two"), gates=[None, None, gate]), stream(("one", "two")))
    with serving(upstream, store, "0") as proxy:
        leave(proxy, question(stream=True))
        proxy.wait_for_log("Client disconnected")
        gate.set()
        again = ask(proxy.base_url, question(stream=True))
    assert "two" in again.text
    assert again.headers["cache-status"].startswith("chatreel; fwd=miss")


def test_what_is_not_recorded_is_not_drained(upstream: Upstream, store: str) -> None:
    gate = threading.Event()
    upstream.reply_with(stream(("one", "two"), gates=[None, None, gate]))
    with (
        serving(upstream, store, "30s") as proxy,
        httpx.Client(trust_env=False, timeout=30, headers={"cache-control": "no-store"}) as client,
    ):
        url = f"{proxy.base_url}/chat/completions"
        with client.stream("POST", url, json=question(stream=True)) as response:
            next(response.iter_raw())
        proxy.wait_for_log("Client disconnected")
        gate.set()


@pytest.mark.long
def test_a_drained_stream_that_breaks_off_is_not_stored(upstream: Upstream, store: str) -> None:
    gate = threading.Event()
    broken = stream(("one", "two"), cut=True)
    upstream.reply_with(Reply(200, broken.headers, pieces=broken.pieces, gates=[None, None, gate], cut=True))
    with serving(upstream, store, "30s") as proxy:
        leave(proxy, question(stream=True))
        gate.set()
        proxy.wait_for_log("the client left, and no answer came")
        assert logged(proxy, store)[0][:2] == ("failed", None)
    assert rows(store, "SELECT count(*) FROM recordings") == [(0,)]


def test_a_proxy_that_is_stopped_does_not_wait_for_what_it_drains(upstream: Upstream, store: str) -> None:
    never = threading.Event()
    upstream.reply_with(stream(("one", "two"), gates=[None, None, never]))
    with serving(upstream, store, "10m") as proxy:
        leave(proxy, question(stream=True))
        assert proxy.stop(limit=10) == 0
    never.set()
