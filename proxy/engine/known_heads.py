"""What follows from a head, worked out once: a client's heads are alike, but for the lengths of their bodies."""

from collections.abc import Callable

_MOST = 512
"""Heads that are remembered, none of them longer than `_SHORT` bytes."""
_SHORT = 4096


class KnownHeads[T]:
    """Of all clients together."""

    def __init__(self, work_out: Callable[[bytes], T]) -> None:
        self._work_out = work_out
        self._known: dict[bytes, T] = {}

    def get(self, head: bytes) -> T:
        """What follows from it. Raises what working it out does."""
        try:
            return self._known[head]
        except KeyError:
            found = self._work_out(head)
        if len(head) <= _SHORT:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[head] = found
        return found
