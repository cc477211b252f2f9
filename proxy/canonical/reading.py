"""Reading JSON strictly, at orjson's speed wherever the text is plain.

RFC 8259 leaves open what a reader does with duplicate names (section 4), numbers out of range (6) and lone surrogates
(8.2), and many readers take NaN. Servers differ in all of these, so a body that has any of them is not keyable.
orjson refuses some of them by itself; what it lets pass is found by counting, and only a text that raises suspicion is
read a second time, slowly and exactly, by the standard library.
"""

import json
import sys
from typing import NoReturn

import orjson

from chatreel.errors import Malformed, NotKeyable
from chatreel.model import Json, JsonObject

MAX_DEPTH = 253
"""Levels of arrays and objects: what orjson writes, less the level that a document adds. Real schemas stay under 30."""

# To look for one byte by its number takes a tenth of the time.
_QUOTE, _BACKSLASH = b'"\\'

# From here on orjson reads an integer as a float, so a float of this size may have lost digits.
_INEXACT = float(2**63)

_LARGE = (ord("+"), b"e+") if b"e+" in orjson.dumps(_INEXACT) else (_QUOTE, b"")
"""In what orjson writes, every number from there on has both of these; the first is the quicker to look for."""

_MAX_DIGITS = sys.float_info.max_10_exp + 1


def parse_body(raw: bytes) -> JsonObject:
    """Return the JSON object that `raw`, a request body, holds; integers keep all their digits.

    Raises `Malformed` if it is not UTF-8, empty, not JSON, or not an object, and `NotKeyable` if lenient readers take
    it but may disagree on what it says: duplicate names, NaN, lone surrogates, numbers beyond a double, deep nesting.
    """
    if not raw:
        raise Malformed("The request body is empty.")
    body = _read(raw)
    if not isinstance(body, dict):
        raise Malformed(f"The request body is JSON, but not an object: it is {_KINDS[type(body)]}.")
    return body


def _read(raw: bytes) -> Json:
    try:
        tree: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return _refuse(raw, error)
    try:
        again = orjson.dumps([tree])
    except orjson.JSONEncodeError:
        raise _too_deep() from None
    unchanged = len(again) == len(raw) + 2 and again.startswith(raw, 1)
    if unchanged or (_no_name_twice(raw, again) and (_all_small(again) or _all_exact(tree))):
        return tree
    return _read_exactly(raw)


def _no_name_twice(raw: bytes, again: bytes) -> bool:
    """Say whether `again`, written from what was read of `raw`, still has all of its members.

    A name that stands twice in an object is read once, and takes two quotes with it. The quotes inside of texts are
    spelled alike in both, unless `raw` has one as a number; then, and only then, counting proves nothing.
    """
    return again.count(_QUOTE) == raw.count(_QUOTE) and (_BACKSLASH not in raw or raw.find(b"\\u0022") < 0)


def _all_small(again: bytes) -> bool:
    """Say whether what was read of a body, written as `again`, has no number that large; texts may make it say no."""
    byte, mark = _LARGE
    return byte not in again or again.find(mark) < 0


def _all_exact(tree: Json) -> bool:
    """Say whether no number in `tree` can be an integer that lost digits."""
    nodes: list[Json] = [tree]
    for node in nodes:  # which grows on the way
        if isinstance(node, str):
            continue
        if isinstance(node, dict):
            nodes.extend(node.values())
        elif isinstance(node, list):
            nodes.extend(node)
        elif isinstance(node, float) and not -_INEXACT < node < _INEXACT:
            return False
    return True


def _read_exactly(raw: bytes) -> Json:
    try:
        tree: Json = json.loads(
            raw,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_double,
            parse_constant=_constant,
        )
    except RecursionError:
        raise _too_deep() from None
    return tree


def _refuse(raw: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    """Say why orjson could not read `raw`: is it no JSON at all, or JSON to some readers?"""
    try:
        raw.decode()
    except UnicodeDecodeError as fault:
        raise Malformed(f"The request body is not UTF-8 text: {fault.reason} at byte {fault.start}.") from None
    try:
        _read_exactly(raw)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise Malformed(f"The request body is not JSON: {error}.") from None
    raise NotKeyable(f"The request body is JSON to some readers only: {error}.")


def _unique(members: list[tuple[str, Json]]) -> JsonObject:
    found = dict(members)
    if len(found) == len(members):
        return found
    names = [name for name, _ in members]
    twice = next(name for name in found if names.count(name) > 1)
    raise NotKeyable(f"The request body has the name {json.dumps(twice[:80])} twice in one object.")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _MAX_DIGITS or abs(int(digits)) > sys.float_info.max:
        raise _too_big(digits)
    return int(digits)


def _double(digits: str) -> float:
    number = float(digits)
    if abs(number) > sys.float_info.max:
        raise _too_big(digits)
    return number


def _constant(name: str) -> NoReturn:
    raise NotKeyable(f"The request body contains {name}, which is not JSON although some readers take it.")


def _too_big(digits: str) -> NotKeyable:
    return NotKeyable(f"The request body contains a number beyond the range of a double: {digits[:40]}.")


def _too_deep() -> NotKeyable:
    return NotKeyable(f"The request body is nested deeper than {MAX_DEPTH} levels.")


_KINDS = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
