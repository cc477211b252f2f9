"""Events that differ from the one before them in a piece of text alone, as nearly all of a stream do.

What such an event says beside its text has been said, and to say it once more changes nothing. So there is no need to
read it: what stands around the text is compared, byte for byte.
"""

import re
from itertools import pairwise
from typing import Final, NamedTuple

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import loads_object
from chatreel.wire.sse import MAX_EVENT
from chatreel.wire.tool_calls import as_index

_TEXTS: Final = ("content", "reasoning_content", "reasoning")
"""Members of a delta that grow piece by piece."""

_SILENT: Final = (None, "")
_PADDING: Final = "obfuscation"
"""A member of a chunk that is as long as it needs to be, and means nothing (Q39)."""

_CHANGING: Final = ("logprobs", "finish_reason")
"""Members of a choice that grow, or end it."""
_ANY: Final = "~"
_BEFORE: Final = b"data: "
_BEHIND: Final = b"\n\n"
_BACKSLASH: Final = ord("\\")
"""To look for it by its number takes a tenth of the time."""
_CONTROLS: Final = re.compile(rb"[\x00-\x1f]")
"""No JSON has them in a text as they are."""


class Run(NamedTuple):
    """Events that follow each other and are alike."""

    text: str
    """Of all."""
    events: int
    """So many have any."""
    first: int
    """Up to where the first of these goes in the body: bytes."""
    last: int
    """And the last of them."""
    end: int
    """Up to where all of them go."""


class Repeated:
    """What an event has around its text, and around its padding if there is any."""

    def __init__(self, index: int, name: str, chunk: JsonObject, around: list[bytes]) -> None:
        self.index = index
        """Of the choice."""
        self.name = name
        """Of the member of the delta that the text belongs to."""
        self.chunk = chunk
        """What it says, any text in the place of its own."""
        self._before = _BEFORE + around[0]
        self._between = [*around[1:-1], around[-1] + _BEHIND]

    def run(self, body: bytes, at: int) -> Run | None:
        """The events from there on that are like it; `None` if there is none, or they have to be read."""
        texts: list[bytes] = []
        events, first, last = 0, 0, 0
        while body.startswith(self._before, at):
            holes, end = self._holes(body, at + len(self._before))
            if not end or end - at > MAX_EVENT or any(_BACKSLASH in hole for hole in holes):
                break
            texts += holes
            at = end
            if holes[0]:
                events, first, last = events + 1, first or end, end
        text = _read(texts, len(self._between))
        return None if text is None else Run(text, events, first, last, at)

    def _holes(self, body: bytes, at: int) -> tuple[list[bytes], int]:
        """The texts of the event whose first text begins there, and where it ends; 0 if it is another."""
        holes: list[bytes] = []
        for part in self._between:
            end = body.find(b'"', at)
            if end < 0 or not body.startswith(part, end):
                return holes, 0
            holes.append(body[at:end])
            at = end + len(part)
        return holes, at


def repeated(data: bytes, chunk: JsonObject, before: Repeated | None = None) -> Repeated | None:
    """What events are like that say another piece of the same text as this one, `chunk` as read from `data`.

    `before`: what those before it were like; it may still be that.
    """
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    delta = choice.get("delta") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(delta, dict):
        return None
    spoken = [name for name, value in delta.items() if name != "role" and value not in _SILENT]
    if len(spoken) != 1 or spoken[0] not in _TEXTS or not all(choice.get(name) is None for name in _CHANGING):
        return None
    [name] = spoken
    said: JsonObject = {**chunk, "choices": [{**choice, "delta": {**delta, name: _ANY}}]}
    holes = [(name, delta[name])]
    if _PADDING in chunk:
        said[_PADDING] = _ANY
        holes.append((_PADDING, chunk[_PADDING]))
    if before and before.name == name and before.chunk == said:
        return before
    around = _around(data, holes)
    index = as_index(choice.get("index")) or 0  # its position is 0
    return Repeated(index, name, said, around) if around and _is_said(said, _ANY.encode().join(around)) else None


def _around(data: bytes, holes: list[tuple[str, Json]]) -> list[bytes]:
    """What stands around texts, given with the names of their members; empty if they do not stand there like that."""
    places = [0]
    for name, value in holes:
        if not isinstance(value, str):
            return []
        written = value.encode(errors="replace")
        label = next((label for label in _labels(name) if label + written + b'"' in data), None)
        if label is None:
            return []
        start = data.index(label + written + b'"') + len(label)
        places += [start, start + len(written)]
    parts = [data[start:end] for start, end in pairwise([*places, len(data)])]
    return parts[::2] if places == sorted(places) else []


def _labels(name: str) -> tuple[bytes, bytes]:
    return f'"{name}":"'.encode(), f'"{name}": "'.encode()


def _is_said(chunk: JsonObject, data: bytes) -> bool:
    try:
        return loads_object(data) == chunk
    except ValueError:
        return False


def _read(texts: list[bytes], step: int) -> str | None:
    """What is said by every one of so many; `None` if nothing, or not as JSON has it."""
    if not texts or _CONTROLS.search(b'"'.join(texts)):
        return None
    try:
        written = [text.decode() for text in texts]
    except UnicodeDecodeError:
        return None
    return "".join(written[::step])
