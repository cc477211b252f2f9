"""Which recordings may not be removed at the moment: somebody may be about to serve them."""

import time

PERIOD = 10.0
"""Seconds for which a recording is spared at least that was asked for or made."""


class InUse:
    """The ids of those that were asked for or made in this period, or in the one before."""

    def __init__(self) -> None:
        self._now: set[int] = set()
        self._before: set[int] = set()
        self._since = time.monotonic()

    def add(self, recording_id: int) -> None:
        """It is asked for, or was made."""
        self._forget()
        self._now.add(recording_id)

    def all(self) -> frozenset[int]:
        """Those that are spared."""
        self._forget()
        return frozenset(self._now | self._before)

    def _forget(self) -> None:
        now = time.monotonic()
        passed = now - self._since
        if passed > PERIOD:
            self._before = self._now if passed < 2 * PERIOD else set()
            self._now, self._since = set(), now
