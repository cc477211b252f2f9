"""Upstreams that compress although they were asked not to (Q1): what the client gets fits its headers."""

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator

import brotli
import httpx
import pytest
import zstandard

from support.calls import ask, question
from support.program import Program, running_chatreel
from support.upstream import Reply, Upstream, completion, stream

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "deflate": zlib.compress,
}


@pytest.fixture
def proxy(upstream: Upstream, store: str) -> Iterator[Program]:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as running:
        yield running


def coded(reply: Reply, coding: str, cut: int) -> Reply:
    """The body of a reply, compressed as a whole and sent in pieces of `cut` bytes, as if each were flushed alone."""
    body = CODINGS[coding](reply.body or b"".join(reply.pieces or ()))
    pieces = [body[start : start + cut] for start in range(0, len(body), cut)]
    return Reply(headers={**reply.headers, "content-encoding": coding}, pieces=pieces)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("cut", [7, 10_000])
def test_a_compressed_stream(proxy: Program, upstream: Upstream, coding: str, cut: int) -> None:
    plain = stream(("one ", "two ", "three"))
    upstream.reply_with(coded(plain, coding, cut))
    live = ask(proxy.base_url, question(stream=True))
    replayed = ask(proxy.base_url, question(stream=True))
    assert live.content == replayed.content == b"".join(plain.pieces or ())
    assert replayed.headers["cache-status"].startswith("chatreel; hit")
    assert "content-encoding" not in live.headers
    assert upstream.calls[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", CODINGS)
def test_a_compressed_body(proxy: Program, upstream: Upstream, coding: str) -> None:
    """Live it passes as it is, header and all; the recording is plain."""
    plain = completion("zipped")
    upstream.reply_with(coded(plain, coding, 10_000))
    live = ask(proxy.base_url, question())
    replayed = ask(proxy.base_url, question())
    assert live.headers["content-encoding"] == coding
    assert live.content == replayed.content == plain.body
    assert "content-encoding" not in replayed.headers


def test_what_is_flushed_passes_at_once(proxy: Program, upstream: Upstream) -> None:
    """The upstream flushes its compressor after the first half; the client has it before the second is sent."""
    gate = threading.Event()
    body = b"".join(stream(("one", "two")).pieces or ())
    middle = body.index(b"two") // 2 + 1
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = compressor.compress(body[:middle]) + compressor.flush(zlib.Z_SYNC_FLUSH)
    second = compressor.compress(body[middle:]) + compressor.flush()
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    upstream.reply_with(Reply(headers=headers, pieces=[first, second], gates=[None, gate]))
    received = b""
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(stream=True)) as response,
    ):
        for piece in response.iter_raw():
            received += piece
            gate.set()
    assert received == body


@pytest.mark.parametrize("coding", CODINGS)
def test_a_stream_that_is_not_what_its_coding_says_breaks_off_and_is_not_stored(
    proxy: Program, upstream: Upstream, coding: str
) -> None:
    whole = coded(stream(("one", "two")), coding, 10)
    upstream.reply_with(Reply(headers=whole.headers, pieces=(whole.pieces or ())[:-2]))
    with httpx.Client(trust_env=False, timeout=30) as client, pytest.raises(httpx.RemoteProtocolError):
        client.post(f"{proxy.base_url}/chat/completions", json=question(stream=True))
    upstream.reply_with(stream(("one", "two")))
    assert ask(proxy.base_url, question(stream=True)).headers["cache-status"].startswith("chatreel; fwd=miss")
