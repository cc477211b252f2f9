"""A stream on its way to the client: everything at once, but its end only when it is stored."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatreel.engine.tee import Tee

SENTINELS = (b"data: [DONE]", b"data:[DONE]")
DONE_LINE = re.compile(rb"(?:\A|(?<=[\r\n]))data: ?\[DONE\]")

LINES = st.sampled_from(
    [
        b'data: {"choices":[]}',
        b'data: {"content":"data: [DONE]"}',
        b"data: [DONE]",
        b"data:[DONE]",
        b"data: [DONE] ",
        b"data:  [DONE]",
        b" data: [DONE]",
        b"data: [DON",
        b"data: [",
        b"data:",
        b"d",
        b"[DONE]",
        b": keep-alive",
        b"event: done",
        b"",
        "data: ü☕".encode(),
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b""])
STREAMS = st.lists(st.tuples(LINES, ENDS).map(b"".join)).map(b"".join) | st.binary()


@st.composite
def cut_streams(draw: st.DrawFn) -> list[bytes]:
    """A stream in pieces of any size, none of them empty."""
    whole = draw(STREAMS)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(whole) - 1)))))
    bounds = [0, *(cut for cut in cuts if cut < len(whole)), len(whole)]
    return [whole[start:end] for start, end in pairwise(bounds) if start < end]


def feed(tee: Tee, piece: bytes) -> bytes:
    """What goes on at once; fails if it would end the client's stream."""
    passed = tee(piece)
    assert isinstance(passed, list)
    assert b"" not in passed
    return b"".join(passed)


def release(tee: Tee) -> bytes:
    """What goes on at the end of the message."""
    rest = tee(b"")
    assert isinstance(rest, bytes)
    return rest


def may_become_done(line: bytes) -> bool:
    return any(sentinel.startswith(line) for sentinel in SENTINELS)


def passable(body: bytes) -> bytes:
    """What nobody has to wait for: all before `[DONE]`, or before a last line that may become it."""
    if done := DONE_LINE.search(body):
        return body[: done.start()]
    last = re.split(rb"[\r\n]", body)[-1]
    return body[: len(body) - len(last)] if may_become_done(last) else body


@given(cut_streams(), st.none() | st.integers(0, 200))
@example([b"data: [DONE]\n\n"], None)
@example([b"data: x\n\ndata: [DO", b"NE]\n\n"], 23)
def test_the_client_gets_every_byte_in_order_and_so_does_the_recording(pieces: list[bytes], length: int | None) -> None:
    tee = Tee(0.0, length=length)
    passed = b"".join(feed(tee, piece) for piece in pieces)
    assert passed + release(tee) == b"".join(pieces)
    assert tee.body == b"".join(pieces)
    assert [piece.size for piece in tee.pieces] == [len(piece) for piece in pieces]
    assert release(tee) == b"", "the end is released once"


@given(cut_streams())
@example([b"data: [DONE]"])
@example([b"data: x\r", b"\ndata:[DONE]\r\n\r\ndata: more\n\n"])
@example([b"data: [", b"DONE]"])
@example([b"xd", b"ata: [", b"DONE]"])
def test_exactly_what_cannot_be_the_end_leaves_at_once(pieces: list[bytes]) -> None:
    """After every piece the client has all it may have, and nothing from the `[DONE]` line on."""
    tee = Tee(0.0)
    came = passed = b""
    for piece in pieces:
        came += piece
        passed += feed(tee, piece)
        assert passed == passable(came)


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"content":"data: [DONE]"}\n',
        b" data: [DONE]\n",
        b"data: [DONE",
        b"data:[DONE\n",
        b"Data: [DONE]\n",
        b"[DONE]\n",
        b": data: [DONE]\n",
    ],
)
def test_what_only_looks_like_the_end_holds_nothing_back(line: bytes) -> None:
    tee = Tee(0.0)
    assert feed(tee, b"data: 1\n" + line + b"x\n") == b"data: 1\n" + line + b"x\n"
    assert feed(tee, b"data: 2\n") == b"data: 2\n"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_stream_cut_anywhere_waits_at_its_last_line(size: int) -> None:
    whole = b'data: {"choices":[]}\r\n\r\ndata: [DONE]\r\n\r\n'
    tee = Tee(0.0)
    passed = b"".join(feed(tee, whole[at : at + size]) for at in range(0, len(whole), size))
    assert passed == b'data: {"choices":[]}\r\n\r\n'
    assert release(tee) == b"data: [DONE]\r\n\r\n"


@given(st.lists(st.binary(min_size=1).map(lambda text: text.replace(b"d", b"x")), min_size=1))
def test_the_last_piece_of_an_announced_length_waits(pieces: list[bytes]) -> None:
    """Whatever it says: a client that counts has the whole answer only when the end is released."""
    tee = Tee(0.0, length=sum(map(len, pieces)))
    passed = [feed(tee, piece) for piece in pieces]
    assert passed == [*pieces[:-1], b""]
    assert release(tee) == pieces[-1]


@given(cut_streams())
def test_an_announced_length_never_lets_go_of_more(pieces: list[bytes]) -> None:
    told, untold = Tee(0.0, length=sum(map(len, pieces))), Tee(0.0)
    for piece in pieces:
        assert feed(untold, piece).startswith(feed(told, piece))


def test_arrival_times_count_from_the_request_and_never_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.5, 10.5, 12.0])
    monkeypatch.setattr("chatreel.engine.tee.time.perf_counter", lambda: next(clock))
    tee = Tee(10.0)
    for piece in (b"a", b"bc", b"def"):
        feed(tee, piece)
    assert [(piece.at, piece.size) for piece in tee.pieces] == [(0.5, 1), (0.5, 2), (2.0, 3)]


def test_a_stream_of_nothing_ends_with_nothing() -> None:
    tee = Tee(0.0, length=0)
    assert release(tee) == b""
    assert (tee.body, tee.pieces) == (b"", ())
