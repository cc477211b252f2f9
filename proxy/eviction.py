"""Holding a store to a size: which recordings have to go, told how large everything is and when it was last of use."""

from collections.abc import Iterable
from dataclasses import dataclass

ROOM = 0.1
"""Part of the limit that is made free at once, so that the next recordings cost no removal each."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recording that might go."""

    id: int
    last_used: float
    """Seconds since the epoch: served or recorded."""
    size: int
    """Bytes it takes up, at most: some of them may be shared with others."""


def evicted(
    candidates: Iterable[Candidate], *, used: int, limit: int, room: float = ROOM, spared: frozenset[int] = frozenset()
) -> list[int]:
    """Return the ids of the recordings to remove, the least recently used first; none if `used` is within `limit`.

    `used` and `limit` are bytes; `spared` are recordings that somebody is being answered from. Since sizes are what is
    freed at most, it may take several rounds, but never more go than have to.
    """
    if used <= limit:
        return []
    excess = used - int(limit * (1 - room))
    chosen = []
    for one in sorted(candidates, key=lambda candidate: (candidate.last_used, candidate.id)):
        if excess <= 0:
            break
        if one.id not in spared:
            chosen.append(one.id)
            excess -= one.size
    return chosen
