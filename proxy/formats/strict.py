"""JSON text read strictly, and its faults found by line: people and `git merge` edit these files."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Final

import orjson

from chatreel.errors import CassetteError
from chatreel.model import Json, JsonObject

_CONFLICT: Final = re.compile(rb"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?\r?$", re.MULTILINE)
_MARK: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
_SPACE: Final = re.compile(r"[ \t\r\n]*")


def parse(data: bytes) -> JsonObject:
    """The object that a file holds. Raises `CassetteError`: no JSON, no object, a merge conflict, a name twice."""
    text = data.removeprefix(b"\xef\xbb\xbf")
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _unreadable(data, error) from error
    if not isinstance(value, dict):
        raise CassetteError("this is JSON, but not a cassette: a cassette is an object", 1)
    if _may_have_a_name_twice(text, value):
        _refuse_names_twice(text.decode())
    return value


class Places:
    """Where things stand in the text of a file. Made only when something has to be pointed at."""

    def __init__(self, data: bytes) -> None:
        self.text = data.decode(errors="replace")

    def line(self, position: int) -> int:
        """The line, from 1, of a place that is counted in characters."""
        return bisect_right(self._ends, position) + 1

    def items(self, member: str) -> list[int]:
        """The lines on which the items of an array begin that is a member of the file's object; empty if none is."""
        try:
            start = next(at for name, at in _members(self.text, _start(self.text)) if name == member)
            return [self.line(at) for at in _items(self.text, start)]
        except (StopIteration, ValueError, IndexError):
            return []

    @cached_property
    def _ends(self) -> list[int]:
        return [match.end() for match in re.finditer("\n", self.text)]


def _unreadable(data: bytes, error: orjson.JSONDecodeError) -> CassetteError:
    if conflict := _CONFLICT.search(data):
        line = data.count(b"\n", 0, conflict.start()) + 1
        return CassetteError(
            "a merge conflict is not resolved: take one side as it was, or let `chatreel merge` put both together",
            line,
        )
    return CassetteError(
        f"this is not JSON ({error.msg}): mend it, or take the file as it was from version control",
        error.lineno,
    )


def _may_have_a_name_twice(text: bytes, value: Json) -> bool:
    """Whether it cannot be ruled out by counting quotes: a name that is there twice is read once (see `canonical`)."""
    try:
        return orjson.dumps(value).count(b'"') != text.count(b'"') or b"\\u0022" in text
    except orjson.JSONEncodeError:  # nested deeper than orjson writes
        return True


def _refuse_names_twice(text: str) -> None:
    """Raise `CassetteError` for the first name that stands twice in one object of valid JSON text."""
    open_names: list[set[str] | None] = []
    last = ""
    for match in _MARK.finditer(text):
        mark = match.group()
        if mark in "{[":
            open_names.append(set() if mark == "{" else None)
        elif mark in "}]":
            open_names.pop()
        elif mark == ":":
            names = open_names[-1]
            if names is not None:
                name = json.loads(last)
                if name in names:
                    line = text.count("\n", 0, match.start()) + 1
                    raise CassetteError(f"the name {name!r} is twice in one object: keep the one that counts", line)
                names.add(name)
        last = mark


def _start(text: str) -> int:
    return text.index("{")


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Names of the members of the object that begins at `at`, and where their values begin."""
    decoder = json.JSONDecoder()
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, colon = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, colon) + 1)
        yield name, at
        at = _next(text, decoder.raw_decode(text, at)[1])


def _items(text: str, at: int) -> Iterator[int]:
    decoder = json.JSONDecoder()
    at = _skip(text, at + 1)
    while text[at] != "]":
        yield at
        at = _next(text, decoder.raw_decode(text, at)[1])


def _next(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
