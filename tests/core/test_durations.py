"""Spans of time as people write them."""

import pytest

from chatreel.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30", 30), ("30s", 30), ("1.5m", 90), ("12h", 43_200), ("7d", 604_800), (" 2w ", 1_209_600)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 s", "1y", "1h30m", "inf", "nan", "1e9", "٣s", "9" * 10])
def test_what_is_none_is_named_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="as in 30s, 12h or 7d"):
        parse_duration(text)
