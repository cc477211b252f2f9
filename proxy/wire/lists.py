"""Fields that are lists: annotations, images, reasoning details, and lists nobody has told us about.

All of them keep the entries of one delta apart, as the server did: only what continues an *earlier* delta is merged.
A completion that travelled in one piece therefore comes back as it was. Growing text is joined once, at the end.
"""

from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps
from chatreel.wire.fields import Text, overlay

_TEXT_KEYS: Final = frozenset({"text", "transcript", "summary"})
_ENCRYPTED: Final = "reasoning.encrypted"


def is_text_key(key: str) -> bool:
    """Whether strings under this name are pieces of one text rather than values that replace each other (R6)."""
    return key in _TEXT_KEYS or "reasoning" in key or "thinking" in key


class Entry:
    """One object of a list: text members grow, the others are laid over each other."""

    def __init__(self, first: JsonObject, text_keys: frozenset[str] = frozenset()) -> None:
        self._text_keys = text_keys
        self._fields: JsonObject = {}
        self._texts: dict[str, Text] = {}
        self.add(first)

    def add(self, more: JsonObject) -> None:
        for key, value in more.items():
            if isinstance(value, str) and (key in self._text_keys or is_text_key(key)):
                self._fields.setdefault(key, None)
                self._texts.setdefault(key, Text()).add(value)
            elif key not in self._texts:
                self._fields[key] = overlay(self._fields.get(key), value)

    def get(self, key: str) -> Json:
        return self._fields.get(key)

    def value(self) -> Json:
        return self._fields | {key: text.value() for key, text in self._texts.items()}


type _Item = Entry | Json


def _values(items: list[_Item]) -> list[Json]:
    return [item.value() if isinstance(item, Entry) else item for item in items]


class Extended:
    """A list that grows; a list or a first entry that only repeats the end of what is there is dropped (Q55)."""

    def __init__(self) -> None:
        self._items: list[Json] | None = None
        self._odd: Json = None

    def add(self, value: Json) -> None:
        if not isinstance(value, list):
            self._odd = self._odd if value is None else value
        elif not self._items or not value:
            self._items = (self._items or []) + value
        elif value != self._items[-len(value) :]:
            self._items += value[1:] if value[0] == self._items[-1] else value

    def value(self) -> Json:
        return self._odd if self._items is None else self._items


class Indexed:
    """A list whose entries may carry `index`: then a later delta continues the entry, else it adds one (Q59)."""

    replaces = False
    """Whether a later entry of the same index takes the place of the earlier one."""

    def __init__(self) -> None:
        self._items: list[_Item] | None = None
        self._places: dict[str, int] = {}
        self._odd: Json = None

    def add(self, value: Json) -> None:
        if not isinstance(value, list):
            self._odd = self._odd if value is None else value
            return
        items = self._items = self._items or []
        known = len(items)
        for entry in value:
            index = entry.get("index") if isinstance(entry, dict) else None
            place = self._places.get(dumps(index).decode(), known) if index is not None else known
            if place < known:
                self._continue(items, place, entry)
            else:
                if index is not None:
                    self._places[dumps(index).decode()] = len(items)
                items.append(Entry(entry) if isinstance(entry, dict) else entry)

    def _continue(self, items: list[_Item], place: int, entry: Json) -> None:
        item = items[place]
        if isinstance(item, Entry) and isinstance(entry, dict) and not self.replaces:
            item.add(entry)
        else:
            items[place] = entry

    def value(self) -> Json:
        return self._odd if self._items is None else _values(self._items)


class ReplacedByIndex(Indexed):
    """Entries that are sent again, complete, as they progress (Groq's executed tools, Q59)."""

    replaces = True


class ReasoningDetails:
    """OpenRouter's reasoning blocks: a fragment continues the entry before it if type, index and id allow (Q48)."""

    def __init__(self) -> None:
        self._items: list[_Item] | None = None
        self._odd: Json = None

    def add(self, value: Json) -> None:
        if not isinstance(value, list):
            self._odd = self._odd if value is None else value
            return
        items = self._items = self._items or []
        for fragment in value:
            if not isinstance(fragment, dict):
                items.append(fragment)
            elif items and isinstance(last := items[-1], Entry) and _continues(last, fragment):
                last.add(fragment)
            else:
                items.append(Entry(fragment, frozenset({"data"})))

    def value(self) -> Json:
        return self._odd if self._items is None else _values(self._items)


def _continues(entry: Entry, fragment: JsonObject) -> bool:
    if any(entry.get(key) != fragment.get(key) for key in ("type", "index")):
        return False
    old, new = entry.get("id"), fragment.get("id")
    if new is None or old == new:
        return True
    return old is None and fragment.get("type") != _ENCRYPTED
