"""A recorded stream as it came: what had been said by when."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from chatreel.model import JsonObject, Recording, WireForm
from chatreel.plaintext import printable_lines
from chatreel.wire.codec import loads
from chatreel.wire.sse import SSEParser

_SPOKEN = (("reasoning_content", "reasoning"), ("content",), ("refusal",))
"""Members of a delta that are read; of several names for one thing, the first that is there."""


@dataclass(frozen=True, slots=True)
class Playback:
    """The text of the first choice, in the parts in which it came."""

    at: tuple[float, ...]
    """Seconds after the request went upstream, of each part; never decreasing."""
    parts: tuple[str, ...]

    @property
    def duration(self) -> float:
        """Seconds until the last part had come."""
        return self.at[-1] if self.at else 0.0

    def until(self, seconds: float) -> str:
        """What had been said by then; control characters are visible."""
        return "\n".join(printable_lines("".join(self.parts[: bisect_right(self.at, seconds)])))

    def lengths(self) -> list[tuple[float, int]]:
        """Milliseconds and characters in all, after each part."""
        total, found = 0, []
        for at, part in zip(self.at, self.parts, strict=True):
            total += len(part)
            found.append((at * 1e3, total))
        return found


def playback(recording: Recording) -> Playback:
    """The playback of a stream; of anything else, one without parts."""
    if recording.form is not WireForm.SSE:
        return Playback((), ())
    spoken = [(at, text) for at, text in _spoken(recording) if text]
    return Playback(tuple(at for at, _ in spoken), tuple(text for _, text in spoken))


def _spoken(recording: Recording) -> Iterator[tuple[float, str]]:
    parser, start = SSEParser(), 0
    for piece in recording.pieces:
        for event in parser.feed(recording.body[start : start + piece.size]):
            yield piece.at, _text(event.data)
        start += piece.size
    if recording.pieces:
        for event in parser.close():
            yield recording.pieces[-1].at, _text(event.data)


def _text(data: bytes) -> str:
    try:
        chunk = loads(data)
    except ValueError:
        return ""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    first = next((one for one in choices if _is_first(one)), None) if isinstance(choices, list) else None
    delta = first.get("delta") if isinstance(first, dict) else None
    return _said(delta) if isinstance(delta, dict) else ""


def _is_first(choice: object) -> bool:
    return isinstance(choice, dict) and not choice.get("index")


def _said(delta: JsonObject) -> str:
    """Also the arguments of tool calls: they are what such an answer consists of."""
    text = "".join(
        next((value for name in names if isinstance(value := delta.get(name), str)), "") for names in _SPOKEN
    )
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            text += f"\n{name} " if isinstance(name, str) and name else ""
            text += arguments if isinstance(arguments, str) else ""
    return text
