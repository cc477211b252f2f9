"""Moments as they are typed."""

import pytest

from chatreel.spans import parse_moment, utc

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600), ("1.5h", 5_400)],
)
def test_a_duration_is_so_long_ago(text: str, seconds: float) -> None:
    assert parse_moment(text, NOW) == NOW - seconds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-31", "2026-01-31 00:00:00"),
        ("2026-01-31T12:30", "2026-01-31 12:30:00"),
        ("2026-01-31 12:30:05", "2026-01-31 12:30:05"),
        ("2026-01-31T12:30:00+02:00", "2026-01-31 10:30:00"),
        ("2026-01-31T12:30:00Z", "2026-01-31 12:30:00"),
    ],
)
def test_a_date_is_utc_unless_it_says_otherwise(text: str, shown: str) -> None:
    assert utc(parse_moment(text, NOW)) == shown


@pytest.mark.parametrize(
    "text", ["", "7", "2026", "d", "-7d", "7 days", "1e3s", "yesterday", "2026-13-01", "12:30", "7x"]
)
def test_what_is_no_moment_is_named_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment: give how long ago, as in 30s, 12h or 7d, or a date"):
        parse_moment(text, NOW)
