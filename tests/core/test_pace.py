"""When each part of a replayed stream goes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Piece
from chatreel.pace import INSTANT, Part, paced, parse_pace

SIZES = st.lists(st.tuples(st.floats(0, 10), st.integers(0, 5)), max_size=20)


@pytest.mark.parametrize(("text", "speed"), [("instant", INSTANT), ("recorded", 1.0), ("4", 4.0), ("0.5", 0.5)])
def test_a_pace_is_a_speed(text: str, speed: float) -> None:
    assert parse_pace(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf"])
def test_what_is_no_pace_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a pace"):
        parse_pace(text)


def test_recorded_bytes_are_cut_where_they_arrived_apart() -> None:
    pieces = (Piece(0.2, 2), Piece(0.2, 1), Piece(0.6, 3))
    assert paced(b"abcdef", pieces, 2.0) == (Part(0.1, b"abc"), Part(0.3, b"def"))


def test_other_bytes_go_out_event_by_event_over_the_same_time() -> None:
    pieces = tuple(Piece(at, 9) for at in (0.1, 0.2, 0.3, 0.4))
    parts = paced(b"data: 1\n\ndata: 2\n\n", pieces, 1.0)
    assert parts == (Part(0.1, b"data: 1\n\n"), Part(0.3, b"data: 2\n\n"))


@given(arrivals=SIZES, body=st.binary(max_size=60), speed=st.floats(0.1, 100))
def test_no_byte_is_lost_and_time_never_runs_back(arrivals: list[tuple[float, int]], body: bytes, speed: float) -> None:
    pieces = [Piece(at, size) for at, size in sorted(arrivals)]
    parts = paced(body, pieces, speed)
    assert b"".join(part.data for part in parts) == body
    assert [part.at for part in parts] == sorted({part.at for part in parts})
    assert all(part.data for part in parts)
