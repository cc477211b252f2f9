"""The quick way into a cassette that is as chatreel wrote it: three quarters of it need not be parsed.

The lines of a text are joined and the events of a stream cut out of the bytes of the file, at the places where the
writer puts them; what is left is JSON that is plain already. Nothing here is trusted: a body has to have its digest,
and whatever is not as expected is `NotIntact`, for which there is the long way.
"""

import re
from collections.abc import Iterator
from typing import Final

import orjson

from chatreel.formats.layout import MARK
from chatreel.formats.spelling import COMPACT
from chatreel.formats.streams import frame_of, pieces_of, spelling_named, stream_of
from chatreel.model import Json, JsonObject, Piece

_EVENTS: Final = b'\n        "events": [\n'
_EVENTS_END: Final = b"\n        ]"
_NEXT_EVENT: Final = b",\n          "
_LINES: Final = f'{MARK}": [\n'.encode()
_MARKED_NAME: Final = re.compile(rb'\|"\s*:|\\u007[cC]')
"""A name that ends in `MARK`, or may end in it."""

_HINTS: Final = (b'|"', rb"\u007")
"""One of these is in each of them; looked for first, as that takes a tenth of the time."""


class NotIntact(ValueError):  # noqa: N818 - it names a property of the text, not a fault
    """The text is not as it would be written."""


class IntactText:
    """A cassette with its texts joined, and numbers in place of the events of its streams."""

    def __init__(self, data: bytes) -> None:
        """Raises `NotIntact`."""
        self._streams: list[bytes] = []
        self._used = 0
        rest = b"".join(self._without_events(data))
        self.text = b"".join(_joined(rest))
        if any(hint in self.text for hint in _HINTS) and _MARKED_NAME.search(self.text):
            raise NotIntact

    def stream(self, response: JsonObject) -> tuple[bytes, tuple[Piece, ...]]:
        """The body and its arrival, of the next response that has a stream. Raises `NotIntact`."""
        if response["events"] != self._used:
            raise NotIntact
        events = self._streams[self._used]
        self._used += 1
        if spelling_named(response) != COMPACT:
            return stream_of({**response, "events": _list(b"[" + events + b"]")})
        before, after = frame_of(response)
        each = response.get("each")
        opening = before + (orjson.dumps(each)[:-1] + b"," if each else b"{")
        times, parts = [], []
        for line in events.split(_NEXT_EVENT):
            at, _, said = line.partition(b",")
            times.append(at[1:])
            if said[:1] == b"{":
                parts.append(opening + said[1:-1] + after)
            else:
                parts.append(_text(said[:-1]))
        return b"".join(parts), pieces_of(_list(b"[" + b",".join(times) + b"]"), parts)

    def expect_end(self) -> None:
        """Raises `NotIntact` if something was cut out that no response asked for."""
        if self._used != len(self._streams):
            raise NotIntact

    def _without_events(self, data: bytes) -> Iterator[bytes]:
        done = 0
        while (at := data.find(_EVENTS, done)) >= 0:
            start = at + len(_EVENTS) + len(_NEXT_EVENT) - 2
            end = data.find(_EVENTS_END, start)
            if end < 0:
                raise NotIntact
            yield data[done : at + len(_EVENTS) - 2]
            yield str(len(self._streams)).encode()
            self._streams.append(data[start:end])
            done = end + len(_EVENTS_END)
        yield data[done:]


def _joined(text: bytes) -> Iterator[bytes]:
    """The text, each list of lines as the one text that it is."""
    done = 0
    while (at := text.find(_LINES, done)) >= 0:
        indent = text[text.rfind(b"\n", 0, at) : at]
        closing = indent[: len(indent) - len(indent.lstrip())] + b"]"
        start = at + len(_LINES)
        end = text.find(closing, start)
        if end < 0:
            raise NotIntact
        lines = _list(b"[" + text[start:end] + b"]")
        yield text[done:at]
        yield b'": '
        try:
            yield orjson.dumps("\n".join(lines))  # type: ignore[arg-type] # join says so itself
        except TypeError:
            raise NotIntact from None
        done = end + len(closing)
    yield text[done:]


def _list(text: bytes) -> list[Json]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotIntact from None
    return value if isinstance(value, list) else []


def _text(text: bytes) -> bytes:
    value = orjson.loads(text)
    if not isinstance(value, str):
        raise NotIntact
    return value.encode()
