"""Rows of calls that are alike: what they have in common is worked out once, and each adds what is its own."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from chatreel.model import Replayable
from chatreel.store.call import OWN, Call
from chatreel.store.lines import END, line_behind_recording

type Complete = Callable[[Call, Replayable, bytes], Call]
"""A row, the recording that answered its call, and the canonical document of its request -> the row, complete."""

type Told = Callable[[Call, int], None]
"""To be called with a completed row, and the number of calls whose row is like it."""

logger = logging.getLogger(__name__)


def _nobody(_completed: Call, _times: int) -> None:
    """Wants to know."""


class Manner:
    """What the rows of hits have in common that are asked for in one manner, whatever recording answers them."""

    __slots__ = ("call", "complete", "line", "told")

    def __init__(self, call: Call, complete: Complete, told: Told = _nobody) -> None:
        """`call`: one of them. Raises `TypeError` as `as_line` does."""
        self.call = call
        self.complete = complete
        self.told = told
        self.line = line_behind_recording(call)


class Like:
    """A row that many calls have in common, but for `chatreel.store.call.OWN`: one manner, and one recording."""

    __slots__ = ("_document", "_known", "duration", "line", "manner", "values")

    def __init__(self, manner: Manner, recording: Replayable, document: bytes) -> None:
        """`document`: the canonical one of the requests."""
        self.manner = manner
        self.duration = recording.duration
        """Seconds that the upstream took."""
        own = orjson.dumps(_of_recording(manner, recording))[1:-1]
        self.line = b"," + own + manner.line + orjson.dumps(recording.recorded_at) + END
        """How the line of each goes on behind its own members."""
        self.values: tuple[object, ...] = ()
        """How its row does; empty before it is completed."""
        self._known: Replayable | Call = recording
        """The answer, which is let go of when the row is complete, and then the row."""
        self._document = document

    @property
    def call(self) -> Call:
        """One of them. To make it takes longer than an answer does, so it is not made before somebody asks."""
        known = self._known
        if isinstance(known, Call):
            return known
        status, key, number, spared = _of_recording(self.manner, known)
        return replace(self.manner.call, status=status, key=key, recording_id=number, spared=spared)

    def completed(self) -> Call:
        """With all that follows from the answer. In the thread that completes rows."""
        call, known = self.call, self._known
        if isinstance(known, Call):
            return known
        try:
            call = self.manner.complete(call, known, self._document)
        except Exception:  # whatever it is, the calls did happen
            logger.exception("rows of the log are not complete")
        self.values = call.values[len(OWN) :]
        self._known, self._document = call, b""
        return call

    def tell(self, times: int) -> None:
        """So many calls more are like it; completes it. In the thread that completes rows."""
        self.manner.told(self.completed(), times)


def _of_recording(manner: Manner, recording: Replayable) -> tuple[int, str, int | None, float]:
    """The members of `OF_RECORDING`, in that order."""
    # The numbers of a cassette file are its own: in the store they would name other recordings.
    number = None if manner.call.cassette else recording.id
    return (recording.status, recording.key, number, recording.duration)


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
        own: dict[str, Any] = dict(zip(OWN, self[1:], strict=True))
        return replace(self.like.call, **own)


def tell_all(hits: Iterable[Hit]) -> None:
    """Complete what they are like, and tell of each as often as it is one of them."""
    for like, times in Counter([hit.like for hit in hits]).items():
        like.tell(times)
