"""What other tools have recorded, before it is known whether it can be replayed: the values all readers give."""

from dataclasses import dataclass

from chatreel.errors import ChatreelError
from chatreel.model import Piece


class Unreadable(ChatreelError, ValueError):  # noqa: N818 - a property of the file, not a fault of the reader
    """A file, or an interaction of one, that no reader knows; the text says why."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response as another tool kept them. Bodies are as they were before any content coding."""

    place: str
    """Which one of the file, as in `interaction 3`."""
    method: str
    """Upper case."""
    url: str
    """Absolute, without fragment."""
    request: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    """Of the response, names in lower case; none that describes a coding the body no longer has."""
    body: bytes
    exact: bool = True
    """Whether `body` is what travelled, byte for byte; else it says the same in other words."""
    recorded_at: float | None = None
    """Seconds since the epoch, if the file says."""
    pieces: tuple[Piece, ...] = ()
    """Arrival of `body`, if the file says."""
    note: str = ""
    """What had to be changed, in words; empty if nothing had."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that cannot be replayed, and why."""

    place: str
    reason: str


type Found = Exchange | Refused
