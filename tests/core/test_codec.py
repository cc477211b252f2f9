"""JSON in and out without changing a number."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.wire.codec import MAX_DEPTH, dumps, join_text, loads, loads_object

EXACT: dict[str, tuple[bytes, Any]] = {
    "Q41-beyond-64-bits": (b"18446744073709551616", 2**64),
    "Q41-below-64-bits": (b"-9999999999999999999", -9999999999999999999),
    "Q41-small-exponent": (b"1e-05", 1e-05),
    "Q41-17-digits": (b"-0.12345678901234567", -0.12345678901234567),
    "Q41-float-stays-float": (b"1.0", 1.0),
    "duplicate-keys": (b'{"a":1,"a":2}', {"a": 2}),
    "duplicate-keys-beside-a-large-number": (b'{"a":1,"a":99999999999999999999}', {"a": 99999999999999999999}),
    "half-of-a-surrogate-pair": (b'"\\ud83d"', "\ud83d"),
    "Q5-whitespace": (b" \n {} \n", {}),
    "deep": (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, ...),
}


@pytest.mark.parametrize(("text", "value"), EXACT.values(), ids=EXACT)
def test_reads_exactly_and_writes_it_back(text: bytes, value: Any) -> None:
    read = loads(text)
    assert value is ... or (read == value and type(read) is type(value))
    assert loads(dumps(read)) == read


REFUSED: dict[str, bytes] = {
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "too-large-for-a-double": b"1e400",
    "too-large-beside-a-large-integer": b"[99999999999999999999,1e400]",
    "an-integer-of-5000-digits": b"9" * 5000,
    "invalid-utf-8": b'"\xff"',
    "utf-16": '"a"'.encode("utf-16"),
    "nothing": b"",
    "two-values": b"1 2",
    "deeper-than-the-limit": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "deeper-than-any-stack": b"[" * 100_000 + b"]" * 100_000,
    "deep-beside-a-large-integer": b"[99999999999999999999," + b"[" * 3000 + b"]" * 3000 + b"]",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_refuses_with_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        loads(text)


@pytest.mark.parametrize("text", [b"[]", b"5", b"null", b'"a"'])
def test_an_object_is_an_object(text: bytes) -> None:
    with pytest.raises(ValueError, match="a JSON object was expected"):
        loads_object(text)


@pytest.mark.parametrize("pieces", [["\ud83d", "\ude00"], ["a\ud83d", "", "\ude00b"], ["😀"]])
def test_a_surrogate_pair_cut_in_two_becomes_one_character(pieces: list[str]) -> None:
    assert "😀" in join_text(pieces)


def test_half_a_pair_stays_half() -> None:
    assert join_text(["a", "\ude00"]) == "a\ude00"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
))  # fmt: skip
def test_what_is_written_is_read_back(value: Any) -> None:
    """Lone surrogates and integers of any size included; and it is one line of ASCII-safe line ends (Q23)."""
    text = dumps(value)
    assert loads(text) == value
    assert not {"\n", "\r", "\u2028", "\u2029", "\u0085"} & set(text.decode())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back_to_the_last_bit(number: float) -> None:
    back = loads(dumps(number))
    assert isinstance(back, float)
    assert math.copysign(1, back) == math.copysign(1, number)
    assert back == number
