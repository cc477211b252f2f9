"""The arrival of a response, and its gaps as bars."""

from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Piece
from chatreel.timeline import sparkline, timeline


def test_first_duration_and_gaps() -> None:
    line = timeline([Piece(0.5, 1), Piece(0.75, 1), Piece(1.75, 1)])
    assert (line.first, line.duration, line.pieces, line.gaps, line.longest_gap) == (0.5, 1.75, 3, (0.25, 1.0), 1.0)
    assert timeline([Piece(0.5, 9)]).gaps == ()
    assert timeline([]).pieces == 0


@given(st.lists(st.floats(0, 1e6), max_size=200), st.integers(0, 60))
def test_bars_are_no_more_than_the_width_and_the_greatest_is_the_highest(values: list[float], width: int) -> None:
    bars = sparkline(values, width)
    assert len(bars) == min(width, len(values))
    if bars and max(values) > 0:
        assert "█" in bars


def test_a_bar_stands_for_the_greatest_of_its_values() -> None:
    assert sparkline([0, 0, 8, 0, 4, 4], 3) == "▁█▅"
    assert sparkline([0.0, 0.0], 10) == "▁▁"
