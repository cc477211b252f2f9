"""How the values of one field, spread over many deltas, become one value: a class per rule (R6, R9).

Every rule takes any JSON value: what has an unexpected type is kept as it came, the last one winning, unless values of
the expected type were seen. `value()` is None if there is nothing to say.
"""

from typing import Protocol

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps, join_text

_MERGE_DEPTH = 64
"""Levels to which objects are merged; below, the later object replaces the earlier one."""


class Rule(Protocol):
    """The accumulated value of one field."""

    def add(self, value: Json) -> None:
        """Take the next value, in the order of arrival."""

    def value(self) -> Json:
        """What the values seen so far amount to."""


class Last:
    """The last value that is not null."""

    def __init__(self) -> None:
        self._value: Json = None

    def add(self, value: Json) -> None:
        if value is not None:
            self._value = value

    def value(self) -> Json:
        return self._value


class LastTruthy(Last):
    """The last value that says something: null, "" and {} do not (R9)."""

    def add(self, value: Json) -> None:
        if value:
            super().add(value)


class FirstText(Last):
    """The first text that is not empty: servers repeat it, or send it late (Q42)."""

    def add(self, value: Json) -> None:
        if self._value is None and isinstance(value, str) and value:
            self._value = value


class FirstNonEmpty(Last):
    """The first value other than null, "" and 0 (Q26, Q36)."""

    def add(self, value: Json) -> None:
        if self._value is None and value not in (None, "", 0):
            self._value = value


class Text:
    """Text in pieces, joined once (Q47). Null is no piece."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._odd: Json = None

    def add(self, value: Json) -> None:
        if isinstance(value, str):
            self.pieces.append(value)
        elif value is not None:
            self._odd = value

    def value(self) -> Json:
        return join_text(self.pieces) if self.pieces else self._odd


class NonEmptyText(Text):
    """Text of which "" says as little as null (Q51)."""

    def value(self) -> Json:
        return super().value() or None


class OpaqueText(Text):
    """Text that is passed on unread, as tool arguments are; a value that is no text becomes its JSON (Q69)."""

    def add(self, value: Json) -> None:
        if value is not None:
            self.pieces.append(value if isinstance(value, str) else dumps(value).decode())

    def value(self) -> str:
        return join_text(self.pieces)


class Name:
    """A name that may come late, repeated, empty or in two pieces (Q67)."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0

    def add(self, value: Json) -> None:
        if not isinstance(value, str) or (len(value) == self._size and value == self.value()):
            return
        self._pieces.append(value)
        self._size += len(value)

    def value(self) -> str:
        return join_text(self._pieces)


class Merged(Last):
    """Objects laid over one another, to the bottom; a text replaces the text before it (Q60, R6)."""

    def add(self, value: Json) -> None:
        self._value = overlay(self._value, value)


class Shallow(Last):
    """Objects whose members replace one another; lists and everything else replace as a whole (Q40, R4)."""

    def add(self, value: Json) -> None:
        if isinstance(self._value, dict) and isinstance(value, dict):
            self._value.update((key, item) for key, item in value.items() if item is not None)
        else:
            super().add(dict(value) if isinstance(value, dict) else value)


class Logprobs(Last):
    """Log probabilities: lists grow, under whatever name; a later null erases nothing (Q52, R8)."""

    def add(self, value: Json) -> None:
        if isinstance(self._value, dict) and isinstance(value, dict):
            for key, item in value.items():
                self._extend(self._value, key, item)
        elif isinstance(value, dict):
            self._value = {key: list(item) if isinstance(item, list) else item for key, item in value.items()}
        elif isinstance(self._value, list) and isinstance(value, list):
            self._value.extend(value)
        elif value is not None:
            self._value = list(value) if isinstance(value, list) else value

    @staticmethod
    def _extend(into: JsonObject, key: str, item: Json) -> None:
        known = into.get(key)
        if isinstance(known, list) and isinstance(item, list):
            known.extend(item)
        elif item is not None or key not in into:
            into[key] = list(item) if isinstance(item, list) else item


def overlay(old: Json, new: Json, depth: int = _MERGE_DEPTH) -> Json:
    """`new` laid over `old`: objects member by member, anything else replaced; null replaces nothing.

    Objects in `old` are changed in place, for a stream may lay thousands of them over one another; `new` is not.
    """
    if new is None:
        return old
    if not isinstance(new, dict) or not depth:
        return new
    merged = old if isinstance(old, dict) else {}
    for key, item in new.items():
        merged[key] = overlay(merged.get(key), item, depth - 1)
    return merged
