"""Replay at a pace. Waiting is a lower bound that no busy machine can break; nothing here relies on being quick."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from support.calls import ask, question
from support.program import NotStarted, Program, running_chatreel
from support.upstream import Upstream, stream

GAP = 0.5
ENOUGH = GAP * 0.9
"""Timers may end a little early; nothing else makes a wait shorter."""


@pytest.fixture
def recorded(upstream: Upstream, store: str) -> bytes:
    """The bytes of a stream that was recorded with a pause of `GAP` seconds in the middle; the upstream is off."""
    upstream.reply_with(stream(("one", "two"), gates=[None, None, lambda: time.sleep(GAP)]))
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        body = ask(proxy.base_url, question(stream=True)).content
    upstream.stop()
    return body


@contextmanager
def replaying(upstream: Upstream, store: str, *flags: str) -> Iterator[Program]:
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store, *flags) as proxy:
        yield proxy
        assert "Traceback" not in proxy.log


def read(proxy: Program) -> tuple[list[bytes], float]:
    """What each read of the stream gave, and the seconds from the request to the end."""
    started = time.perf_counter()
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(stream=True)) as response,
    ):
        pieces = [*response.iter_raw()]
        return pieces, time.perf_counter() - started


def test_recorded_keeps_the_pause_and_the_bytes(upstream: Upstream, store: str, recorded: bytes) -> None:
    with replaying(upstream, store, "--pace", "recorded") as proxy:
        pieces, seconds = read(proxy)
    assert b"".join(pieces) == recorded
    assert len(pieces) > 1
    assert b"one" in b"".join(pieces[:-1])
    assert seconds >= ENOUGH


def test_a_number_is_times_faster(upstream: Upstream, store: str, recorded: bytes) -> None:
    with replaying(upstream, store, "--pace", "0.5") as proxy:
        pieces, seconds = read(proxy)
    assert b"".join(pieces) == recorded
    assert seconds >= 2 * ENOUGH


def test_instant_is_the_default_and_comes_in_one_piece(upstream: Upstream, store: str, recorded: bytes) -> None:
    with replaying(upstream, store) as proxy:
        pieces, _ = read(proxy)
    assert pieces == [recorded]


@pytest.mark.long
def test_others_are_served_meanwhile(upstream: Upstream, store: str, recorded: bytes) -> None:
    """A second call comes and goes between the first and the last piece of a slow stream."""
    with (
        replaying(upstream, store, "--pace", "0.1") as proxy,
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(stream=True)) as slow,
    ):
        pieces = slow.iter_raw()
        got = next(pieces)
        assert b"two" not in got
        assert ask(proxy.base_url, question()).status_code == 200
        assert got + b"".join(pieces) == recorded


def test_a_client_that_leaves_costs_nothing(upstream: Upstream, store: str, recorded: bytes) -> None:
    with replaying(upstream, store, "--pace", "recorded") as proxy:
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(stream=True)) as response,
        ):
            next(response.iter_raw())
        pieces, _ = read(proxy)
        assert b"".join(pieces) == recorded


def test_a_wrong_pace_is_named() -> None:
    with pytest.raises(NotStarted, match="'often' is not a pace"), running_chatreel("--pace", "often"):
        pass
