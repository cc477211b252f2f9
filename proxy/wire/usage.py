"""Token usage taken out of a recorded stream, or put in, every other byte left as it was (Q28-Q31).

A client gets the usage it asked for with `stream_options.include_usage`, whatever the recorded request asked for. What
vendors report under names of their own, as in `x_groq`, is not touched.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps, loads_object
from chatreel.wire.sse import encode, is_sentinel

_MEMBER: Final = "usage"
_QUOTED: Final = b'"usage"'
_DATA: Final = re.compile(rb"(?:\xef\xbb\xbf)?data:[ ]?")
_COMMENT: Final = re.compile(rb"(?:\xef\xbb\xbf)?:")
_BELONGS_TO_DATA: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:event|id|retry)[:\r\n]")
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NULL_MEMBER: Final = re.compile(rf',[ \t\r\n]*"{_MEMBER}"[ \t\r\n]*:[ \t\r\n]*null')
_DECODER: Final = json.JSONDecoder()

# A chunk without choices that has usage and, besides, only these, exists for the usage alone (Q28).
_ENVELOPE: Final = frozenset(
    {"id", "object", "created", "model", "service_tier", "system_fingerprint", "choices", "usage", "obfuscation", "p"}
)


class UsageRemover:
    """Takes usage out of a stream that is still arriving: bytes in, in pieces of any size, bytes out, line by line.

    Lines pass as soon as they are complete, for some servers never send a blank one (Q19). Only `event:` and its kin
    wait for the data they belong to: without it they would be an event with no data, which kills clients (Q16). Raises
    nothing: what cannot be read, or spreads its JSON over several lines, stays as it is.
    """

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._waiting: list[bytes] = []
        self._spoken = False
        """Whether data of the event at hand has passed."""
        self._dropped = False
        """Whether something of it was taken out."""
        self._after_cr = False
        self._waits_last = False
        self._passed_last = True

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes; what can be passed on by now."""
        plain = self._plain(chunk)
        if plain == len(chunk):
            return chunk
        passed = [chunk[:plain]]
        chunk = chunk[plain:]
        if self._after_cr and chunk[:1] == b"\n":
            passed += self._other_half()
            chunk = chunk[1:]
            self._after_cr = False
        for line in self._lines(chunk):
            passed += self._take(line)
        return b"".join(passed)

    def close(self) -> bytes:
        """The stream has ended; what is left of it."""
        last = b"".join(self._partial)
        self._partial = []
        passed = self._take(last) if last else []
        return b"".join([*passed, *self._waiting])

    def _plain(self, chunk: bytes) -> int:
        """Bytes of whole events at the beginning of a chunk in which there is no usage: they pass as they are."""
        if self._partial or self._waiting or self._spoken or self._dropped or self._after_cr:
            return 0
        usage = chunk.find(_QUOTED)
        blank = chunk.rfind(b"\n\n", 0, len(chunk) if usage < 0 else usage)
        return 0 if blank < 0 else blank + 2

    def _other_half(self) -> list[bytes]:
        """The LF of a line end whose CR was the last byte so far goes where its line went."""
        if self._waiting and self._waits_last:
            self._waiting[-1] += b"\n"
            return []
        return [b"\n"] if self._passed_last else []

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete, each with its end."""
        lines = chunk.splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        if lines:
            lines[0] = b"".join(self._partial) + lines[0]
            self._partial = []
        if rest:
            self._partial.append(rest)
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return lines

    def _take(self, line: bytes) -> list[bytes]:
        """What may pass now that this line has come."""
        passed = self._blank(line) if not line.strip(b"\r\n") else self._spoken_line(line)
        self._waits_last = bool(self._waiting) and self._waiting[-1] is line
        self._passed_last = bool(passed)
        return passed

    def _blank(self, line: bytes) -> list[bytes]:
        waiting, self._waiting = self._waiting, []
        gone = self._dropped and not self._spoken and not waiting
        self._spoken = self._dropped = False
        return [] if gone else [*waiting, line]

    def _spoken_line(self, line: bytes) -> list[bytes]:
        is_comment = _COMMENT.match(line) is not None
        if is_comment and not self._waiting:
            return [line]
        if is_comment or _BELONGS_TO_DATA.match(line):
            self._waiting.append(line)
            return []
        chunk = _chunk(line) if line.find(_QUOTED) >= 0 else None
        waiting, self._waiting = self._waiting, []
        if _is_usage_chunk(chunk):
            self._dropped = True
            return [kept for kept in waiting if _COMMENT.match(kept)]
        self._spoken = True
        return [*waiting, _edit(line, _without_member) if chunk and _MEMBER in chunk else line]


def without_usage(body: bytes) -> bytes:
    """The stream without `usage` in its chunks, and without the chunk that exists for it alone.

    Byte for byte the same if there is nothing to take out. Raises nothing; see `UsageRemover`.
    """
    if _QUOTED not in body:
        return body
    remover = UsageRemover()
    return remover.feed(body) + remover.close()


def with_usage(body: bytes, usage: Json) -> bytes:
    """The stream with `usage: null` in every chunk and `usage` in a last chunk of its own, before `[DONE]`.

    Byte for byte the same if `usage` is None, or if some chunk reports it already. `without_usage` is the inverse.
    """
    if usage is None:
        return body
    lines = body.splitlines(keepends=True)
    chunks = [chunk for line in lines if (chunk := _chunk(line)) is not None]
    if not chunks or any(chunk.get("usage") is not None for chunk in chunks):
        return body
    end = next((number for number, line in enumerate(lines) if is_sentinel(_data(line))), len(lines))
    while end and lines[end - 1].strip(b"\r\n") and not _DATA.match(lines[end - 1]):
        end -= 1  # an `event:` line, or a comment, belongs to the sentinel below it
    before = b"".join(_line_with_null(line) for line in lines[:end])
    return _ended(before) + encode(dumps(_usage_chunk(chunks, usage))) + b"".join(lines[end:])


def _usage_chunk(chunks: list[JsonObject], usage: Json) -> JsonObject:
    members = ("id", "object", "created", "model", "service_tier", "system_fingerprint")
    known = {key: next((chunk[key] for chunk in chunks if chunk.get(key)), None) for key in members}
    said = {key: value for key, value in known.items() if value is not None}
    return {**said, "object": "chat.completion.chunk", "choices": [], "usage": usage}


def _ended(body: bytes) -> bytes:
    """The body, its last event closed by a blank line."""
    last = body.splitlines(keepends=True)[-2:]
    if not last or (len(last) == 2 and not last[-1].strip(b"\r\n")):
        return body
    return body + (b"\n" if last[-1].endswith((b"\n", b"\r")) else b"\n\n")


def _is_usage_chunk(chunk: JsonObject | None) -> bool:
    if not chunk or chunk.get("choices") or not isinstance(chunk.get("usage"), dict):
        return False
    return all(key in _ENVELOPE or value is None for key, value in chunk.items())


def _data(line: bytes) -> bytes:
    match = _DATA.match(line)
    return line[match.end() :].strip() if match else b""


def _chunk(line: bytes) -> JsonObject | None:
    """The object on a `data:` line, if there is one."""
    try:
        return loads_object(_data(line))
    except ValueError:
        return None


def _line_with_null(line: bytes) -> bytes:
    chunk = _chunk(line)
    return line if chunk is None or _MEMBER in chunk else _edit(line, _with_null)


def _edit(line: bytes, change: Callable[[str], str]) -> bytes:
    """The line with its JSON changed; prefix and line end stay."""
    match = _DATA.match(line)
    start = match.end() if match else 0
    end = len(line.rstrip(b"\r\n"))
    return line[:start] + change(line[start:end].decode()).encode() + line[end:]


def _without_member(text: str) -> str:
    """JSON text of an object without its member `usage`; what separates the other members stays."""
    if text.count(f'"{_MEMBER}"') == 1 and "\\u" not in text and _NULL_MEMBER.search(text):
        return _NULL_MEMBER.sub("", text)  # the usual case, without taking the text apart: the member can be no other
    members = list(_members(text))
    kept: list[str] = []
    for (_, _, before), (key, start, end) in zip([("", 0, 0), *members], members, strict=False):
        if key != _MEMBER:
            kept.append(text[before if kept else start : end])
    first, last = (members[0][1], members[-1][2]) if members else (0, 0)
    return text[:first] + "".join(kept) + text[last:]


def _with_null(text: str) -> str:
    """JSON text of an object with `usage: null` as its last member."""
    members = list(_members(text))
    end = members[-1][2] if members else text.index("{") + 1
    return f'{text[:end]}{"," if members else ""}"{_MEMBER}":null{text[end:]}'


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of every member of the object that valid JSON text holds."""
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, colon = _DECODER.raw_decode(text, at)
        _, end = _DECODER.raw_decode(text, _skip(text, _skip(text, colon) + 1))
        yield key, at, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
