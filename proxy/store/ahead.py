"""Recordings that are likely to be asked for next: who replays them does so in the order in which they were made.

To read one among others takes half the time that it takes by itself. So as long as recordings are asked for that were
made one after the other, more and more of those that follow are read together, and wait here; one that is asked for
out of order ends that.
"""

from chatreel.model import Replayable, Take

_NEAR = 32
"""Numbers that two recordings may be apart, if many clients ask for them in order."""

_MOST = 16
"""Recordings that are read in advance at a time. More save little, and show in the slowest answers of one client."""

_WAITING = 4 * _MOST
"""Recordings that wait here while others are asked for before them."""


class Ahead:
    """What is read in advance, and how much of it."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Replayable] = {}
        """By cassette and key, each the only take of its key."""
        self.asked: Replayable | None = None
        """The one whose key was asked for last."""
        self._last = -_NEAR - 1
        """The number that was asked for last."""
        self._upto = 0
        """The number up to which recordings have been read."""
        self._count = 0

    def take(self, cassette: str, key: str) -> Take | None:
        """The only take of a key, if it is here: `asked` is its recording then, which waits no longer."""
        found = self._waiting.pop((cassette, key), None) if self._waiting else None
        if found is None:
            return None
        self.asked, self._last = found, found.id
        return Take(found.id, found.form, found.status >= 400)

    def next(self, number: int) -> tuple[int, int] | None:
        """A recording was asked for that is not here: the numbers, from and to, that are to be read now, if any."""
        last, self._last = self._last, number
        if abs(number - last) > _NEAR:
            self._count, self._upto = 0, number
            return None
        if number <= self._upto:
            return None
        self._count = min(2 * self._count + 1, _MOST)
        self._upto = number + self._count
        return (number + 1, self._upto) if self._count > 1 else None

    def keep(self, cassette: str, several: list[Replayable]) -> None:
        """These have been read."""
        if len(self._waiting) > _WAITING:  # nobody has asked for them
            self._waiting = {}
        self._waiting |= {(cassette, one.key): one for one in several}

    def clear(self) -> None:
        """Something has been recorded or removed."""
        self._waiting, self.asked = {}, None
