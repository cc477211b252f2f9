"""What a streamed response passes through: everything goes on at once, but for the end, and everything is kept."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.engine.tee import Tee
from support.streams import answer, chunk, sse

STREAM = answer({"content": "on the "}, {"content": "house ☕"})
DONE_LINE = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\]")

fragments = st.sampled_from(
    [b"data: [DONE]", b"data:[DONE]", b"data: ", b"[DO", b"NE]", b"\n", b"\r", b"x", b"{}", b"da", b"ta:"]
)
streams = st.one_of(st.lists(fragments).map(b"".join), st.binary(), st.just(STREAM), st.just(STREAM + STREAM))


def passed(tee: Tee, pieces: list[bytes]) -> list[bytes]:
    """What the client gets for each piece before the end."""
    out: list[bytes] = []
    for piece in pieces:
        now = tee(piece)
        assert isinstance(now, list)
        out.append(b"".join(now))
    return out


def released(tee: Tee) -> bytes:
    """What the client gets at the end."""
    end = tee(b"")
    assert isinstance(end, bytes)
    return end


@given(streams, st.integers(1, 40), st.one_of(st.none(), st.integers(0, 300)))
def test_what_goes_in_comes_out_and_is_kept(body: bytes, size: int, length: int | None) -> None:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    tee = Tee(0.0, length=length)
    assert b"".join(passed(tee, pieces)) + released(tee) == body
    assert tee.body == body
    assert [piece.size for piece in tee.pieces] == [len(piece) for piece in pieces]


@given(streams, st.integers(1, 40))
def test_the_sentinel_waits_for_the_end(body: bytes, size: int) -> None:
    tee = Tee(0.0)
    out = b"".join(passed(tee, [body[start : start + size] for start in range(0, len(body), size)]))
    assert not DONE_LINE.search(out)


@given(streams, st.integers(1, 40))
def test_no_empty_piece_ends_the_clients_stream_early(body: bytes, size: int) -> None:
    tee = Tee(0.0)
    assert b"" not in [piece for start in range(0, len(body), size) for piece in tee(body[start : start + size])]


@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_everything_before_the_sentinel_goes_on_at_once(size: int) -> None:
    before = STREAM.removesuffix(b"data: [DONE]\n\n")
    tee = Tee(0.0)
    out = passed(tee, [before[start : start + size] for start in range(0, len(before), size)])
    assert b"".join(out) == before


def test_a_sentinel_inside_a_text_is_text() -> None:
    said = sse(chunk({"content": "data: [DONE]"}), done=False)
    assert passed(Tee(0.0), [said]) == [said]


def test_whatever_follows_the_sentinel_waits_with_it() -> None:
    tee = Tee(0.0)
    out = passed(tee, [STREAM, b": tail 1\n\n", b": tail 2\n\n"])
    assert out[1:] == [b"", b""]
    assert released(tee) == b"data: [DONE]\n\n: tail 1\n\n: tail 2\n\n"


def test_the_last_bytes_of_an_announced_length_wait_for_the_end() -> None:
    body = b'{"choices":[]}'
    tee = Tee(0.0, length=len(body))
    assert passed(tee, [body[:4], body[4:]]) == [body[:4], b""]
    assert released(tee) == body[4:]
