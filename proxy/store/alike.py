"""Rows of calls that are alike: what they have in common is worked out once, and each adds what is its own."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import orjson

from chatreel.store.call import OWN, Call
from chatreel.store.lines import NAMES, line_behind_own

type Told = Callable[[Call, int], None]
"""To be called with a completed row, and the number of calls whose row is like it."""

logger = logging.getLogger(__name__)


def _nobody(_completed: Call, _times: int) -> None:
    """Wants to know."""


class Like:
    """A row that many calls have in common, but for `chatreel.store.lines.OWN`."""

    __slots__ = ("_complete", "_told", "call", "line", "values")

    def __init__(
        self, call: Call, complete: Callable[[Call], Call], answered_at: float | None, told: Told = _nobody
    ) -> None:
        """`call`: one of them. `complete`, `answered_at`: see `CallLog.add`. Raises `TypeError` as `as_line` does."""
        self.call = call
        self._told = told
        self.line = line_behind_own(call, answered_at)
        """How the line of each goes on behind its own members."""
        self.values: tuple[object, ...] = ()
        """How its row does; empty before it is completed."""
        self._complete: Callable[[Call], Call] | None = complete

    def completed(self) -> Call:
        """With all that follows from the answer, which is let go of then. In the thread that completes rows."""
        complete, self._complete = self._complete, None
        if complete:
            try:
                self.call = complete(self.call)
            except Exception:  # whatever it is, the calls did happen
                logger.exception("rows of the log are not complete")
            self.values = self.call.values[len(OWN) :]
        return self.call

    def tell(self, times: int) -> None:
        """So many calls more are like it; completes it. In the thread that completes rows."""
        self._told(self.completed(), times)


class Hit(NamedTuple):
    """One of the calls: its row."""

    like: Like
    call_id: str
    started_at: float
    latency: float
    take: int | None

    @property
    def line(self) -> bytes:
        """As `as_line` makes it of the whole row."""
        return b"[" + orjson.dumps(self[1:])[:-1] + self.like.line

    @property
    def is_plain(self) -> bool:
        """As all of `chatreel.store.log.Row`."""
        return True

    @property
    def values(self) -> tuple[object, ...]:
        return self[1:] + self.like.values

    @property
    def call(self) -> Call:
        whole = {name: getattr(self.like.call, name) for name in (*NAMES, "facts", "charge")}
        return Call(**whole | dict(zip(OWN, self[1:], strict=True)))


def tell_all(hits: Iterable[Hit]) -> None:
    """Complete what they are like, and tell of each as often as it is one of them."""
    for like, times in Counter([hit.like for hit in hits]).items():
        like.tell(times)
