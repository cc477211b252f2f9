"""Server-sent events, from bytes and to bytes: incremental, O(n), and as lenient as real streams need it.

Bytes are split at CRLF, LF or CR before anything is decoded (Q10, Q12, Q23), as the WHATWG HTML standard says under
"Parsing an event stream". Beyond it: lines that are no fields come out as events of their own (Q21), `data:` lines that
only make sense one by one are taken one by one (Q19), and what the end of the body cut off is handed out, marked (Q22).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from chatreel.wire.codec import is_json

DONE: Final = b"[DONE]"
"""Data of the event that ends a stream of the Chat Completions API (Q15)."""

MAX_EVENT: Final = 64 * 2**20
"""Bytes one event may hold before it is given up: base64 audio and images travel on one line (Q24)."""

_BOM: Final = b"\xef\xbb\xbf"
_UNKNOWN_FIELD: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_-]*\Z")
_INDENTED_DATA: Final = re.compile(rb"\s+data:")


class Origin(StrEnum):
    """What kind of text an event was read from."""

    EVENT = "event"
    """`data:` lines and a blank line."""
    ERROR_LINE = "error_line"
    """An `error: {...}` line (Q21)."""
    STRAY = "stray"
    """A line that is not a field at all: bare JSON, HTML, an indented field (Q21)."""
    OVERLONG = "overlong"
    """Something larger than the parser's limit; its bytes are gone."""


class Event(NamedTuple):
    """One server-sent event."""

    data: bytes
    name: str = ""
    """The `event:` field; empty if there was none."""
    origin: Origin = Origin.EVENT
    terminated: bool = True
    """False if the body ended before the event did (Q22)."""

    @property
    def is_done(self) -> bool:
        """Whether this is the sentinel that ends the stream, in any of its spellings (Q15)."""
        return self.origin is Origin.EVENT and is_sentinel(self.data)


def is_sentinel(data: bytes) -> bool:
    """Whether the data of an event says that the stream is over (Q15)."""
    return data.strip() == DONE


def encode(data: bytes) -> bytes:
    """One event the way every client reads it: `data: `, the data, a blank line (Q13, Q17). Data has no line ends."""
    return b"data: " + data + b"\n\n"


def parse(body: bytes, *, lenient: bool = False) -> list[Event]:
    """All events of a whole body; see `SSEParser`."""
    return [*SSEParser(lenient=lenient).all_of(body)]


@dataclass(slots=True)
class SSEParser:
    """Bytes in, in pieces of any size; events out, as soon as they are complete. Raises nothing.

    The work is proportional to the bytes fed: a line that arrives in many pieces is joined once, at its end.
    """

    limit: int = MAX_EVENT
    """Bytes a line without end, or the lines of one event together, may have."""
    lenient: bool = False
    """Take an indented ` data:` for a field: only for imported, hand-edited files, since no client reads it (Q21)."""

    position: int = field(default=0, init=False)
    """Bytes of the body that have been read; while events are handed out, up to where the last of them was complete."""
    _pieces: list[bytes] = field(default_factory=list, init=False)
    _pending: int = field(default=0, init=False)
    _overlong: bool = field(default=False, init=False)
    _after_cr: bool = field(default=False, init=False)
    _at_start: bool = field(default=True, init=False)
    _data: list[bytes] = field(default_factory=list, init=False)
    _size: int = field(default=0, init=False)
    _name: str = field(default="", init=False)

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes of the body; the events they complete."""
        return [*self.events(chunk)]

    def all_of(self, body: bytes) -> Iterator[Event]:
        """The events of a whole body, one by one."""
        yield from self.events(body)
        yield from self.close()

    def events(self, chunk: bytes) -> Iterator[Event]:
        """As `feed`, one by one."""
        start = self.position
        if self._after_cr and chunk:
            start += chunk.startswith(b"\n")
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        for line in chunk.splitlines(keepends=True):
            content = line.rstrip(b"\r\n")
            self._keep(content)
            if len(content) < len(line):
                self.position = start + len(content) + 1
                yield from self._end_line()
            start += len(line)
        self.position = start
        self._after_cr = chunk.endswith(b"\r")

    def skip(self, size: int) -> None:
        """So many bytes were read by somebody else: whole events. What was fed before was, too."""
        self.position += size

    def close(self) -> list[Event]:
        """The body has ended; the event it left open, if any, marked as not terminated (Q22)."""
        events = self._end_line() if self._pieces or self._overlong else []
        return events + self._dispatch(terminated=False)

    def _keep(self, content: bytes) -> None:
        self._pending += len(content)
        if self._pending + self._size > self.limit:
            self._overlong = True
            self._pieces.clear()
        elif content:
            self._pieces.append(content)

    def _end_line(self) -> list[Event]:
        line, overlong = b"".join(self._pieces), self._overlong
        self._pieces.clear()
        self._pending, self._overlong = 0, False
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        if overlong:
            self._forget()
            return [Event(b"", origin=Origin.OVERLONG)]
        return self._line(line) if line else self._dispatch()

    def _line(self, line: bytes) -> list[Event]:
        if self.lenient and _INDENTED_DATA.match(line):
            line = line.lstrip()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(value) + 1
            case b"event":
                self._name = value.decode(errors="replace").strip()
            case b"error":
                return [Event(value, "error", Origin.ERROR_LINE)]
            case b"":
                pass  # a comment (Q11)
            case _ if not _UNKNOWN_FIELD.match(name):
                return [Event(line, origin=Origin.STRAY)]
        return []  # `id`, `retry` and fields nobody knows mean nothing here (Q17)

    def _dispatch(self, *, terminated: bool = True) -> list[Event]:
        name, lines = self._name, self._data
        self._forget()
        if len(lines) == 1 and not lines[0].isspace() and lines[0]:
            return [Event(lines[0], name, terminated=terminated)]
        if not any(line.strip() for line in lines):
            # Empty data is not an event (Q16, Q18), unless its name alone says that the stream failed.
            return [Event(b"", name, terminated=terminated)] if name == "error" else []
        return [Event(data, name, terminated=terminated) for data in _frames(lines)]

    def _forget(self) -> None:
        self._data, self._size, self._name = [], 0, ""


def _frames(lines: list[bytes]) -> Iterable[bytes]:
    """The data of one event, or, where servers forgot the blank lines, of as many as there are lines (Q19)."""
    joined = b"\n".join(lines)
    if len(lines) == 1 or is_json(joined):
        return [joined]
    said = [line for line in lines if line.strip()]
    return said if all(is_sentinel(line) or is_json(line) for line in said) else [joined]
