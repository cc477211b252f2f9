"""Content codings undone as the bytes arrive: any coding, any cutting, nothing held back, and no bomb goes off (Q1)."""

import re
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate, pairwise

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatreel.engine.decoding import MAX_CODINGS, BrokenCoding, Decoder, decoder

EVENTS = [b'data: {"choices":[{"index":0,"delta":{"content":"%d \xe2\x98\x95"}}]}\n\n' % number for number in range(9)]
STREAM = b"".join(EVENTS) + b"data: [DONE]\n\n"


def deflated(pieces: list[bytes], wbits: int) -> list[bytes]:
    deflater = zlib.compressobj(wbits=wbits)
    flushed = [deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*flushed, deflater.flush()]


def brotlied(pieces: list[bytes]) -> list[bytes]:
    compressor = brotli.Compressor(quality=4)
    return [*(compressor.process(piece) + compressor.flush() for piece in pieces), compressor.finish()]


def zstandarded(pieces: list[bytes]) -> list[bytes]:
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return [*(compressor.compress(piece) + compressor.flush(block) for piece in pieces), compressor.flush()]


FLUSHED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "gzip": lambda pieces: deflated(pieces, 31),
    "deflate": lambda pieces: deflated(pieces, 15),
    "raw deflate": lambda pieces: deflated(pieces, -15),
    "br": brotlied,
    "zstd": zstandarded,
}
"""What a server sends that flushes after every piece, and at last the end of the body. By coding."""

SEVERAL = ("gzip", "zstd")
"""Codings of which several units may follow each other."""


def encoded(name: str, body: bytes) -> bytes:
    return b"".join(FLUSHED[name]([body]))


def opened(name: str, limit: int = 2**20) -> Decoder:
    found = decoder(name.removeprefix("raw "), limit=limit)
    assert found
    return found


def decode(found: Decoder, pieces: list[bytes]) -> bytes:
    return b"".join(map(found.feed, pieces)) + found.close()


def cut(body: bytes, at: list[int]) -> list[bytes]:
    return [body[start:end] for start, end in pairwise([0, *sorted(min(place, len(body)) for place in at), len(body)])]


codings = st.sampled_from(sorted(FLUSHED))
bodies = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(EVENTS), max_size=40).map(b"".join))
cuts = st.lists(st.integers(0, 2_000), max_size=30)


@pytest.mark.parametrize("header", ["gzip", "GZip", "x-gzip", " gzip ", "gzip, identity", ", gzip ,"])
def test_a_coding_is_known_however_its_name_is_spelled(header: str) -> None:
    assert decode(opened(header), [encoded("gzip", STREAM)]) == STREAM


@pytest.mark.parametrize("header", ["", "identity", " Identity , ", "compress", "gzip, compress", "none", "gzip br"])
def test_there_is_no_decoder_where_nothing_can_be_undone(header: str) -> None:
    assert decoder(header) is None


def test_codings_are_undone_from_the_last_to_the_first() -> None:
    twice = encoded("br", encoded("gzip", STREAM))
    assert decode(opened("gzip, br"), [twice]) == STREAM
    with pytest.raises(BrokenCoding):
        decode(opened("br, gzip"), [twice])


def test_more_codings_than_any_response_needs_are_left_alone() -> None:
    assert decoder(", ".join(["gzip"] * MAX_CODINGS))
    assert decoder(", ".join(["gzip"] * (MAX_CODINGS + 1))) is None


@pytest.mark.parametrize("name", FLUSHED)
def test_an_event_comes_out_as_soon_as_the_server_has_flushed_it(name: str) -> None:
    found = opened(name)
    *pieces, end = FLUSHED[name](EVENTS)
    assert [found.feed(piece) for piece in pieces] == EVENTS
    assert found.feed(end) + found.close() == b""


def test_a_flush_passes_through_several_codings() -> None:
    found = opened("gzip, zstd")
    *pieces, _ = zstandarded(deflated(EVENTS, 31)[:-1])
    assert [found.feed(piece) for piece in pieces] == EVENTS


@pytest.mark.parametrize("name", FLUSHED)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_reads_of_any_size_give_the_same_bytes(name: str, size: int) -> None:
    body = encoded(name, STREAM)
    assert decode(opened(name), [body[start : start + size] for start in range(0, len(body), size)]) == STREAM


@given(codings, bodies, cuts)
def test_any_cutting_of_any_body_gives_the_same_bytes(name: str, body: bytes, at: list[int]) -> None:
    assert decode(opened(name), cut(encoded(name, body), at)) == body


@given(st.lists(codings, min_size=2, max_size=MAX_CODINGS), bodies, cuts)
def test_any_codings_on_top_of_each_other_are_undone(names: list[str], body: bytes, at: list[int]) -> None:
    whole = body
    for name in names:
        whole = encoded(name, whole)
    assert decode(opened(", ".join(name.removeprefix("raw ") for name in names)), cut(whole, at)) == body


@given(st.sampled_from(SEVERAL), st.lists(bodies, min_size=2, max_size=5), cuts)
def test_units_may_follow_each_other_and_begin_anywhere_in_a_read(name: str, parts: list[bytes], at: list[int]) -> None:
    units = [encoded(name, part) for part in parts]
    boundaries = list(accumulate(map(len, units)))
    assert decode(opened(name), cut(b"".join(units), at)) == b"".join(parts)
    assert decode(opened(name), cut(b"".join(units), [place - 1 for place in boundaries])) == b"".join(parts)


@pytest.mark.parametrize("name", SEVERAL)
def test_units_smaller_than_any_buffer_are_all_read(name: str) -> None:
    assert decode(opened(name), [encoded(name, b"x") * 5_000]) == b"x" * 5_000


def test_zstd_frames_to_skip_hold_nothing() -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    assert decode(opened("zstd"), [skipped + encoded("zstd", STREAM) + skipped]) == STREAM


@pytest.mark.parametrize("name", FLUSHED)
def test_a_body_cut_off_anywhere_does_not_pass_for_a_whole_one(name: str) -> None:
    body = encoded(name, STREAM)
    for length in range(len(body)):
        found = opened(name)
        assert STREAM.startswith(found.feed(body[:length]))
        with pytest.raises(BrokenCoding, match="cut off"):
            found.close()


@given(codings, codings, bodies, st.data())
def test_a_body_in_two_codings_cut_off_anywhere_does_not_pass_either(
    inner: str, outer: str, body: bytes, data: st.DataObject
) -> None:
    whole = encoded(outer, encoded(inner, body))
    found = opened(f"{inner.removeprefix('raw ')}, {outer.removeprefix('raw ')}")
    assert body.startswith(found.feed(whole[: data.draw(st.integers(0, len(whole) - 1))]))
    with pytest.raises(BrokenCoding, match="cut off"):
        found.close()


@pytest.mark.parametrize("name", FLUSHED)
@pytest.mark.parametrize("size", [1, 10**9])
def test_whatever_follows_the_body_breaks_it(name: str, size: int) -> None:
    body = encoded(name, STREAM) + b"data: after the end\n\n"
    with pytest.raises(BrokenCoding):
        decode(opened(name), [body[start : start + size] for start in range(0, len(body), size)])


@given(codings, st.binary(min_size=1), cuts)
def test_arbitrary_bytes_are_decoded_or_broken_and_nothing_else(name: str, body: bytes, at: list[int]) -> None:
    with suppress(BrokenCoding):
        decode(opened(name), cut(body, at))


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_a_changed_byte_never_gives_other_text_where_the_coding_has_a_checksum(name: str) -> None:
    body = encoded(name, STREAM)
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 0x55]) + body[place + 1 :]
        with suppress(BrokenCoding):
            assert decode(opened(name), [changed]) == STREAM


@pytest.mark.parametrize("name", FLUSHED)
def test_what_is_broken_stays_broken(name: str) -> None:
    found = opened(name, limit=len(STREAM) - 1)
    body = encoded(name, STREAM)
    with pytest.raises(BrokenCoding) as first:
        found.feed(body)
    for more in (body, b""):
        with pytest.raises(BrokenCoding, match=re.escape(str(first.value))):
            found.feed(more)
    with pytest.raises(BrokenCoding, match=re.escape(str(first.value))):
        found.close()


@pytest.mark.parametrize("name", FLUSHED)
def test_the_limit_is_exact(name: str) -> None:
    body = encoded(name, STREAM)
    assert decode(opened(name, limit=len(STREAM)), [body]) == STREAM
    with pytest.raises(BrokenCoding, match="more than"):
        decode(opened(name, limit=len(STREAM) - 1), [body])


@pytest.mark.parametrize("names", [*([name] for name in FLUSHED), ["gzip", "gzip"], ["br", "gzip"], ["gzip", "zstd"]])
def test_a_bomb_is_given_up_before_it_has_taken_the_memory(names: list[str]) -> None:
    bomb = bytes(2**26)
    for name in names:
        bomb = encoded(name, bomb)
    found = opened(", ".join(names), limit=2**20)
    tracemalloc.start()
    try:
        with pytest.raises(BrokenCoding, match="more than 1,048,576 bytes"):
            found.feed(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * 2**20


def test_a_bomb_whose_middle_layer_explodes_is_given_up_too() -> None:
    empty = encoded("gzip", b"") * 200_000
    with pytest.raises(BrokenCoding, match="more than 1,048,576 bytes"):
        opened("gzip, zstd").feed(encoded("zstd", empty))


def test_zstd_may_not_ask_for_more_memory_than_a_content_coding_may() -> None:
    """RFC 9659: a window of 8 MiB."""
    greedy = zstandard.ZstdCompressionParameters(window_log=27)
    frame = zstandard.ZstdCompressor(compression_params=greedy).compressobj()
    with pytest.raises(BrokenCoding, match=r"not zstd: .*memory"):
        opened("zstd").feed(frame.compress(STREAM) + frame.flush())


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(codings, st.integers(60_000, 140_000), st.integers(1, 70_000))
def test_output_larger_than_a_piece_comes_out_whole(name: str, size: int, step: int) -> None:
    body = (b"0123456789" * 14_000)[:size]
    whole = encoded(name, body)
    assert decode(opened(name), [whole[start : start + step] for start in range(0, len(whole), step)]) == body
