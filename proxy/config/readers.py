"""What a setting of each kind may be given as: a text of the environment or the command line, or a value of TOML.

A reader takes what was given and returns what the program uses. It raises `ValueError` that says what else to give.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatreel.durations import parse_duration
from chatreel.sizes import parse_size

type Reader[T] = Callable[[Any], T]
"""Takes what was given, of whatever type."""

_YES = frozenset({"1", "true", "yes", "on", "t", "y"})
_NO = frozenset({"0", "false", "no", "off", "f", "n"})


def text(given: object) -> str:
    """A text, as it is."""
    if not isinstance(given, str):
        raise ValueError(f"{given!r} is no text: put it in quotes")  # noqa: TRY004 - whoever loads settings expects it
    return given


def number(given: object) -> str:
    """A number as it is written, for whoever reads texts; a text stays what it is."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(f"{given!r} is neither a number nor a text")  # noqa: TRY004
    return str(given)


def path(given: object) -> Path:
    return given if isinstance(given, Path) else Path(text(given))


def yes_or_no(given: object) -> bool:
    """`true` or `false`, and the other words that programs know for them."""
    said = str(given).strip().lower()
    if said not in _YES | _NO:
        raise ValueError(f"{given!r} is neither true nor false")
    return said in _YES


def whole(least: int, most: int) -> Reader[int]:
    """A whole number within these bounds."""

    def read(given: object) -> int:
        try:
            found = int(number(given))
        except ValueError:
            found = least - 1
        if not least <= found <= most:
            raise ValueError(f"{given!r} is not a whole number from {least} to {most}")
        return found

    return read


def duration(given: object) -> float:
    """Seconds."""
    return parse_duration(number(given))


def size(given: object) -> int:
    """Bytes."""
    return parse_size(number(given))


def one_of[T: str](*choices: T) -> Reader[T]:
    """One of these texts, which may be members of an enumeration."""

    def read(given: object) -> T:
        for choice in choices:
            if given == choice:
                return choice
        raise ValueError(f"{given!r} is not one of {', '.join(choices)}")

    return read


def checked(parse: Callable[[str], object], read: Reader[str] = text) -> Reader[str]:
    """A text that stays one, and that `parse` can read."""

    def checking(given: object) -> str:
        said = read(given)
        parse(said)
        return said

    return checking


def words[T](read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Several values; in a text they are separated by spaces or commas."""

    def several(given: object) -> tuple[T, ...]:
        found = split(given)
        if not isinstance(found, list | tuple):
            raise ValueError(f"{given!r} is no list")  # noqa: TRY004 - as above
        return tuple(map(read, found))

    return several


def split(given: object) -> object:
    """The words of a text, and all else as it is."""
    return tuple(given.replace(",", " ").split()) if isinstance(given, str) else given
