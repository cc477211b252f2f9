"""What `chatreel lint` finds, by kind."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What can be found."""

    UNREADABLE = "unreadable"
    """The file cannot be read as a cassette."""
    SECRET = "secret"  # noqa: S105 - the name of a finding
    """Something looks like a key or a password."""
    TRUNCATED = "truncated"
    """An answer that is not whole, or none at all."""
    ERROR = "error"
    """An error of the API."""
    OLD = "old"
    """Recorded longer ago than is allowed."""
    EDITED = "edited"
    """An answer that was changed by hand."""
    ORPHAN = "orphan"
    """A cassette that belongs to no test."""
    UNUSED = "unused"
    """A recording that answered no call of a run."""


FAILING: Final = frozenset({Kind.UNREADABLE, Kind.SECRET, Kind.TRUNCATED})
"""Kinds that fail a build unless somebody says otherwise: what is in them is never meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    file: str
    line: int
    """From 1."""
    kind: Kind
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.message}"
