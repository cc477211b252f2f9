"""When each part of a replayed stream goes out: at once, as it came, or so many times faster."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chatreel.model import Piece

INSTANT = 0.0
"""The speed of a replay that waits for nothing."""

_NAMES = {"instant": INSTANT, "recorded": 1.0}
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that go out together."""

    at: float
    """Seconds from the request."""
    data: bytes


def parse_pace(text: str) -> float:
    """The speed that `instant`, `recorded` or a number names, as in `4` for four times faster. Raises `ValueError`."""
    if text in _NAMES:
        return _NAMES[text]
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"{text!r} is not a pace; give instant, recorded, or how many times faster, as in 4")
    return speed


def paced(body: bytes, pieces: Sequence[Piece], speed: float) -> tuple[Part, ...]:
    """A stream cut up as it arrived; event by event, spread over the same time, if its bytes are not those recorded.

    Parts that are due at the same moment are one.
    """
    cuts = _as_recorded(body, pieces) if sum(piece.size for piece in pieces) == len(body) else _by_event(body, pieces)
    parts: list[Part] = []
    for at, data in cuts:
        if parts and parts[-1].at >= at / speed:
            parts[-1] = Part(parts[-1].at, parts[-1].data + data)
        elif data:
            parts.append(Part(at / speed, data))
    return tuple(parts)


def _as_recorded(body: bytes, pieces: Sequence[Piece]) -> Iterator[tuple[float, bytes]]:
    start = 0
    for piece in pieces:
        yield piece.at, body[start : start + piece.size]
        start += piece.size


def _by_event(body: bytes, pieces: Sequence[Piece]) -> Iterator[tuple[float, bytes]]:
    ends = [match.end() for match in _EVENT_END.finditer(body)]
    if not ends or ends[-1] < len(body):
        ends.append(len(body))
    start = 0
    for number, end in enumerate(ends):
        yield pieces[number * len(pieces) // len(ends)].at if pieces else 0.0, body[start:end]
        start = end
