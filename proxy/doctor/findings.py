"""What a check says: how it is, in one line, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """It may be meant."""
    WRONG = "wrong"
    """It cannot work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    level: Level
    message: str
    mend: str = ""
    """What to do; empty if there is nothing to do."""


def ok(check: str, message: str) -> Finding:
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, mend: str) -> Finding:
    return Finding(check, Level.WARNING, message, mend)


def wrong(check: str, message: str, mend: str) -> Finding:
    return Finding(check, Level.WRONG, message, mend)
