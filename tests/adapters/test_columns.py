"""What rows hold in few bytes is what was put in; what older versions wrote is read as well."""

import contextlib
import json

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chatreel.errors import StoreError
from chatreel.model import Piece
from chatreel.store import arrivals
from chatreel.store.usual import headers_of, packed_headers, packed_usage, usage_of

NUMBERS = st.recursive(
    st.integers() | st.floats(allow_nan=False) | st.none(), lambda inner: st.dictionaries(st.text(), inner)
)


REPORTED = json.dumps(
    {
        "prompt_tokens": 50_858,
        "completion_tokens": 136,
        "total_tokens": 50_994,
        "prompt_tokens_details": {"cached_tokens": 50_816, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0, "accepted_prediction_tokens": 0},
    },
    separators=(",", ":"),
)


@given(st.dictionaries(st.text(), NUMBERS).map(json.dumps))
def test_usage_is_what_was_reported_to_the_byte(usage: str) -> None:
    assert usage_of(packed_usage(usage)) == usage


def test_usage_as_it_usually_is_takes_a_quarter() -> None:
    assert len(packed_usage(REPORTED)) < len(REPORTED) / 4


def test_usage_that_an_older_version_wrote_is_read() -> None:
    assert usage_of(b'{"prompt_tokens":1}') == '{"prompt_tokens":1}'


@given(st.lists(st.tuples(st.text(), st.text())).map(tuple))
def test_headers_are_what_was_kept(headers: tuple[tuple[str, str], ...]) -> None:
    assert headers_of(packed_headers(headers)) == headers
    assert headers_of(orjson.dumps(headers)) == headers


def test_a_column_that_is_damaged_is_named() -> None:
    data = packed_usage(REPORTED)
    with pytest.raises(StoreError, match="a row of the store is damaged"):
        usage_of(data[: len(data) // 2])


@given(st.lists(st.builds(Piece, st.integers(0, 10**12).map(lambda at: at / 1e6), st.integers(0, 2**40))).map(tuple))
def test_arrivals_are_exact_to_the_microsecond(pieces: tuple[Piece, ...]) -> None:
    assert arrivals.unpack(arrivals.pack(pieces)) == pieces


def test_arrivals_that_an_older_version_wrote_are_read() -> None:
    data = zstandard.compress(b"[[250000,10],[1500,20]]")
    assert arrivals.unpack(data) == (Piece(0.25, 10), Piece(0.2515, 20))


@given(st.binary(max_size=40))
def test_arrivals_that_are_damaged_are_refused_or_read(data: bytes) -> None:
    """And nothing else happens."""
    with contextlib.suppress(ValueError, TypeError, zstandard.ZstdError):
        arrivals.unpack(data)
