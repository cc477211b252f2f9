"""What strangers wrote cannot do anything to a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.plaintext import printable, printable_lines

ANYTHING = st.text(st.characters(codec=None))


@given(ANYTHING)
def test_nothing_printable_is_a_control_character_or_half_of_one(text: str) -> None:
    for line in [printable(text), *printable_lines(text)]:
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in line)
        line.encode()


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_text_without_control_characters_is_left_alone(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\nc", "a\\rb\\nc"),
        ("rm\u202etxt", "rm\\u202etxt"),
        ("\ud83d", "\\ud83d"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("a\tb", "a   b"),
        ("é 日本 👍", "é 日本 👍"),
    ],
)
def test_what_would_move_or_colour_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_are_kept() -> None:
    assert printable_lines("one\n\n two\r\nthree\x1b") == ["one", "", " two", "three\\x1b"]
    assert printable_lines("") == []
