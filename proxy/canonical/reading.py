"""Reading JSON strictly, at orjson's speed wherever the text is plain.

RFC 8259 leaves open what a reader does with duplicate names (section 4), numbers out of range (6) and lone surrogates
(8.2), and many readers take NaN. Servers differ in all of these, so a body that has any of them is not keyable.
orjson refuses some of them by itself; what it lets pass is found by counting, and only a text that raises suspicion is
read a second time, slowly and exactly, by the standard library.
"""

import json
import re
import sys
from typing import NoReturn

import orjson

from chatreel.errors import Malformed, NotKeyable
from chatreel.model import Json, JsonObject

MAX_DEPTH = 200
"""Levels of arrays and objects below the body. Real tool schemas stay under 30; orjson serialises 254."""

# A quote, then a colon: the end of a member's name, unless the quote is escaped, that is, preceded by one backslash or
# by three. All other matches count, so there are never fewer of them than members; a few more (a text that begins with
# a colon) only cost the second reading.
_NAME_END = re.compile(rb'"(?<![^\\]\\")(?<![^\\]\\\\\\")[ \t\n\r]*:')

# From here on orjson reads an integer as a float, so a float of this size may have lost digits.
_INEXACT = float(2**63)

_MAX_DIGITS = sys.float_info.max_10_exp + 1


def parse_body(raw: bytes) -> JsonObject:
    """Return the JSON object that `raw`, a request body, holds; integers keep all their digits.

    Raises `Malformed` if it is not UTF-8, empty, not JSON, or not an object, and `NotKeyable` if lenient readers take
    it but may disagree on what it says: duplicate names, NaN, lone surrogates, numbers beyond a double, deep nesting.
    """
    if not raw:
        raise Malformed("The request body is empty.")
    body = read(raw)
    if not isinstance(body, dict):
        raise Malformed(f"The request body is JSON, but not an object: it is {_KINDS[type(body)]}.")
    return body


def read(raw: bytes) -> Json:
    """Return the JSON value that `raw` holds, by the rules of `parse_body`, whatever its type."""
    try:
        tree: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return _refuse(raw, error)
    names, exact = _survey(tree)
    if exact and names == len(_NAME_END.findall(raw)):
        return tree
    return _read_exactly(raw)


def _survey(tree: Json) -> tuple[int, bool]:
    """Count the names in `tree`, and say whether all its numbers are certain to be exact. Raises if it is too deep."""
    names, exact, depth = 0, True, 0
    level: list[Json] = [tree]
    while level:
        if depth > MAX_DEPTH:
            raise _too_deep()
        depth += 1
        below: list[Json] = []
        for node in level:
            if isinstance(node, dict):
                names += len(node)
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
            elif isinstance(node, float) and not -_INEXACT < node < _INEXACT:
                exact = False
        level = below
    return names, exact


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
        tree = _read_exactly(raw)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise Malformed(f"The request body is not JSON: {error}.") from None
    _survey(tree)
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
