"""What the store has grown to."""

from dataclasses import dataclass
from datetime import UTC, datetime

from chatreel.store.archive import Archive


@dataclass(frozen=True, slots=True)
class Growth:
    """A store, and how it came to be that large."""

    recordings: int
    disk: int
    """Bytes of the database."""
    content: int
    """Bytes of all payloads as they travelled, each counted once."""
    stored: int
    """Bytes of them as they lie in the store."""
    days: tuple[tuple[datetime, int, int], ...]
    """Beginning of a day, UTC; recordings, and bytes of requests and responses as they travelled, up to its end."""


def growth(store: str) -> Growth:
    """Look at a store. Raises `StoreError`."""
    with Archive(store) as archive:
        contents = archive.totals()
        days = archive.growth()
    number = size = 0
    found = []
    for at, recordings, travelled in days:
        number, size = number + recordings, size + travelled
        found.append((datetime.fromtimestamp(at, UTC).replace(tzinfo=None), number, size))
    return Growth(contents.recordings, contents.size, contents.content, contents.stored, tuple(found))
