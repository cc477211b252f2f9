"""Rows of calls that are alike: what they have in common is worked out once, and each adds what is its own."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import orjson

from chatreel.model import Replayable
from chatreel.store.call import OF_RECORDING, OWN, Call
from chatreel.store.lines import END, NAMES, line_behind_recording

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

    __slots__ = ("_answer", "_call", "_of_recording", "line", "manner", "values")

    def __init__(self, manner: Manner, recording: Replayable, document: bytes) -> None:
        """`document`: the canonical one of the requests."""
        self.manner = manner
        # The numbers of a cassette file are its own: in the store they would name other recordings.
        number = None if manner.call.cassette else recording.id
        self._of_recording = (recording.status, recording.key, number, recording.duration)
        self.line = b",%b%b%b%b" % (
            orjson.dumps(self._of_recording)[1:-1],
            manner.line,
            orjson.dumps(recording.recorded_at),
            END,
        )
        """How the line of each goes on behind its own members."""
        self.values: tuple[object, ...] = ()
        """How its row does; empty before it is completed."""
        self._answer: tuple[Replayable, bytes] | None = (recording, document)
        self._call: Call | None = None

    @property
    def call(self) -> Call:
        """One of them. To make it takes longer than an answer does, so it is not made before somebody asks."""
        return self._call or replace(self.manner.call, **dict(zip(OF_RECORDING, self._of_recording, strict=True)))

    def completed(self) -> Call:
        """With all that follows from the answer, which is let go of then. In the thread that completes rows."""
        answer = self._answer
        if answer:
            call = self.call
            try:
                call = self.manner.complete(call, *answer)
            except Exception:  # whatever it is, the calls did happen
                logger.exception("rows of the log are not complete")
            self.values = call.values[len(OWN) :]
            self._call, self._answer = call, None
        return self.call

    def tell(self, times: int) -> None:
        """So many calls more are like it; completes it. In the thread that completes rows."""
        self.manner.told(self.completed(), times)


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
