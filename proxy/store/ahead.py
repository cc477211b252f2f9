"""Rows that are likely to be asked for next: who replays what was recorded does so in the order of recording.

To read a row among others takes half the time that it takes by itself. So as long as recordings are asked for that
were made one after the other, more and more of those that follow are read with one statement, and wait here; one that
is asked for out of order ends that.
"""

from collections.abc import Sequence
from typing import Any

type Row = Sequence[Any]

_NEAR = 16
"""Numbers that two recordings may be apart, if many clients ask for them in order."""

_MOST = 32
"""Recordings that are read in advance with one statement, which holds up everybody."""


class Ahead:
    """What is read in advance, and how much of it."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        """By cassette and key, each the only one of its key."""
        self._last = -_NEAR - 1
        """The number that was asked for last."""
        self._upto = 0
        """The number up to which rows have been read."""
        self._count = 0

    def pop(self, cassette: str, key: str) -> Row | None:
        """The row of a key, if it is here; it is not any more then."""
        row = self._rows.pop((cassette, key), None) if self._rows else None
        if row:
            self._last = row[0]
        return row

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

    def keep(self, cassette: str, key: int, rows: Sequence[Row]) -> None:
        """These have been read. `key`: the column that has it."""
        if len(self._rows) > _MOST:  # nobody has asked for them
            self._rows = {}
        for row in rows:
            self._rows[cassette, row[key]] = row

    def clear(self) -> None:
        """Something has been recorded or removed."""
        self._rows = {}
