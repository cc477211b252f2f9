"""What a message says: its content, which is text or a list of parts, and its audio."""

import base64
import binascii
from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import join_text
from chatreel.wire.fields import Last, OpaqueText, Text, overlay

_GROWING: Final = frozenset({"text", "thinking"})
"""Types of content parts that arrive in fragments (Q49)."""

_EXPIRES: Final = "expires_at"


class Content:
    """A string, or a list of parts as Mistral's reasoning models send it (Q41, Q43, Q49)."""

    def __init__(self) -> None:
        self._text = OpaqueText()
        self._parts: _Parts | None = None
        self._odd: Json = None

    def add(self, value: Json) -> None:
        if isinstance(value, list):
            self._as_parts().add(value)
        elif isinstance(value, dict):
            self._odd = value
        elif self._parts is None:
            self._text.add(value)  # a number is a token whose quotes the server lost
        elif isinstance(value, str) and value:
            self._parts.add([{"type": "text", "text": value}])

    def _as_parts(self) -> "_Parts":
        if self._parts is None:
            self._parts = _Parts()
            if text := self._text.value():
                self._parts.add([{"type": "text", "text": text}])
        return self._parts

    @property
    def has_text(self) -> bool:
        """Whether anything was said; "" and null say nothing."""
        return bool(self._parts and self._parts.items) or any(self._text.pieces)

    def value(self) -> Json:
        if self._parts is not None:
            return self._parts.value()
        return self._text.value() if self.has_text or self._odd is None else self._odd


class _Parts:
    """A list of parts; the first part of a delta continues the last one if both are fragments of one type."""

    def __init__(self) -> None:
        self.items: list[_Part | Json] = []

    def add(self, parts: list[Json]) -> None:
        for position, part in enumerate(parts):
            last = self.items[-1] if self.items else None
            if not isinstance(part, dict):
                self.items.append(part)
            elif position == 0 and isinstance(last, _Part) and last.accepts(part):
                last.add(part)
            else:
                self.items.append(_Part(part))

    def value(self) -> list[Json]:
        return [item.value() if isinstance(item, _Part) else item for item in self.items]


class _Part:
    """One part: its text grows, the list under `thinking` grows, other members are laid over each other."""

    def __init__(self, first: JsonObject) -> None:
        self._fields: JsonObject = {}
        self._text = Text()
        self._nested: dict[str, _Parts] = {}
        self.add(first)

    def accepts(self, part: JsonObject) -> bool:
        kind = self._fields.get("type")
        return isinstance(kind, str) and kind in _GROWING and part.get("type") == kind

    def add(self, part: JsonObject) -> None:
        for key, value in part.items():
            self._fields[key] = overlay(self._fields.get(key), value)
            if key == "text":
                self._text.add(value)
            elif key == "thinking" and isinstance(value, list):
                self._nested.setdefault(key, _Parts()).add(value)

    def value(self) -> Json:
        whole: JsonObject = dict(self._fields)
        if self._text.pieces:
            whole["text"] = self._text.value()
        for key, parts in self._nested.items():
            whole[key] = parts.value()
        return whole


class Audio:
    """Spoken output: `transcript` and base64 `data` grow, everything else is replaced, `expires_at` too (Q56)."""

    def __init__(self) -> None:
        self._fields: JsonObject = {}
        self._transcript = Text()
        self._data: list[str] = []
        self._odd = Last()
        self.closed = False
        """Whether the last delta held `expires_at` and nothing else: then the answer is over, even unsaid."""

    def add(self, value: Json) -> None:
        if not isinstance(value, dict):
            self._odd.add(value)
            return
        said = {key: item for key, item in value.items() if item is not None}
        self.closed = set(said) == {_EXPIRES} if said else self.closed
        for key, item in said.items():
            self._fields[key] = overlay(self._fields.get(key), item)
            if key == "data" and isinstance(item, str):
                self._data.append(item)
        self._transcript.add(said.get("transcript"))

    def value(self) -> Json:
        if not self._fields:
            return self._odd.value()
        whole: JsonObject = dict(self._fields)
        if self._transcript.pieces:
            whole["transcript"] = self._transcript.value()
        if self._data:
            whole["data"] = _join_base64(self._data)
        return whole


def _join_base64(pieces: list[str]) -> str:
    """One base64 text from several: pieces that were padded one by one are decoded first."""
    if all(len(piece) % 4 == 0 and "=" not in piece for piece in pieces[:-1]):
        return join_text(pieces)
    try:
        raw = b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
    except (binascii.Error, ValueError):
        return join_text(pieces)  # one text, cut anywhere
    return base64.b64encode(raw).decode()
