"""Which events of a stream have anything of the answer in them: what its first token, and its pace, are measured by."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chatreel.model import JsonObject
from chatreel.wire.choices import entries
from chatreel.wire.codec import loads_object
from chatreel.wire.sse import Event, Origin, SSEParser

_NOT_THE_ANSWER: Final = frozenset({"role", "reasoning", "reasoning_content", "reasoning_details"})
"""Members of a delta that a reader still waits through."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The events of a stream that say something."""

    events: int = 0
    first: int = 0
    """Bytes of the body up to where the first of them was complete."""
    last: int = 0
    """And the last."""


SILENT: Final = Spoken()


def spoken(body: bytes) -> Spoken:
    """As `chatreel.wire.reading.read` finds it while it reads. Raises nothing: what cannot be read says nothing."""
    parser = SSEParser()
    ends: list[int] = []
    for event in parser.all_of(body):
        if event.is_done:
            break  # nothing after it counts (Q15)
        if event.origin is Origin.EVENT and event.name != "error" and any(map(says, _choices(event))):
            ends.append(parser.position)
    return summed(ends)


def summed(ends: list[int]) -> Spoken:
    """`ends`: bytes of the body up to where each event was complete that says something."""
    return Spoken(len(ends), ends[0], ends[-1]) if ends else SILENT


def says(choice: JsonObject) -> bool:
    """Whether one entry of a chunk's `choices` has something of the answer in it."""
    delta = choice.get("delta")
    return isinstance(delta, dict) and any(value for name, value in delta.items() if name not in _NOT_THE_ANSWER)


def is_answer(name: str) -> bool:
    """Whether a text that a delta has under that name is something of the answer."""
    return name not in _NOT_THE_ANSWER


def _choices(event: Event) -> Iterable[JsonObject]:
    try:
        return entries(loads_object(event.data).get("choices"))
    except ValueError:
        return ()
