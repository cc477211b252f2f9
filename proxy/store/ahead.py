"""Recordings that are likely to be asked for next: who replays them does so in the order in which they were made.

To read one among others takes half the time that it takes by itself. So as long as recordings are asked for that were
made one after the other, more and more of those that follow are read together, and wait here. Several who replay do so
each in a place of its own, and those who share the calls of one place are not all equally far: what is behind the
foremost does not count as out of order.
"""

from dataclasses import dataclass

from chatreel.model import Replayable, Take

_NEAR = 32
"""Numbers by which one may be before all that have been read, if many clients ask for them in order."""

_BEHIND = 512
"""Numbers by which the slowest of many clients may be behind the foremost."""

_MOST = 16
"""Recordings that are read in advance at a time. More save little, and show in the slowest answers of one client."""

_PLACES = 4
"""Places at which recordings are asked for in order at the same time."""

_WAITING = 256
"""Recordings that wait here at most, of 32 KB each at most."""


@dataclass(slots=True, eq=False)
class _Place:
    """One of them."""

    upto: int
    """The number up to which recordings have been asked for or read."""
    count: int = 0
    """How many were read in advance the last time."""


class Ahead:
    """What is read in advance, and how much of it."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Replayable] = {}
        """By cassette and key, each the only take of its key; those that have waited longest come first."""
        self.asked: Replayable | None = None
        """The one whose key was asked for last."""
        self._places: list[_Place] = []
        """The one that was found last comes last."""

    def take(self, cassette: str, key: str) -> Take | None:
        """The only take of a key, if it is here: `asked` is its recording then, which waits no longer."""
        found = self._waiting.pop((cassette, key), None) if self._waiting else None
        if found is None:
            return None
        self.asked = found
        return Take(found.id, found.form, found.status >= 400)

    def next(self, number: int) -> tuple[int, int] | None:
        """A recording was asked for that is not here: the numbers, from and to, that are to be read now, if any."""
        place = self._place_of(number)
        if number <= place.upto:
            return None
        first, place.count = place.upto + 1, min(2 * place.count + 1, _MOST)
        if place.count == 1:  # two that are near each other may be so by chance
            place.upto = number
            return None
        place.upto = max(number, first + place.count)
        return first, place.upto

    def keep(self, cassette: str, several: list[Replayable]) -> None:
        """These have been read."""
        self._waiting |= {(cassette, one.key): one for one in several}
        for _ in range(len(self._waiting) - _WAITING):  # nobody has asked for them
            del self._waiting[next(iter(self._waiting))]

    def clear(self) -> None:
        """Something has been recorded or removed."""
        self._waiting, self.asked = {}, None

    def _place_of(self, number: int) -> _Place:
        for place in reversed(self._places):
            if place.upto - _BEHIND < number <= place.upto + _NEAR:
                break
        else:
            place = _Place(number)
        self._places = [*(other for other in self._places if other is not place), place][-_PLACES:]
        return place
