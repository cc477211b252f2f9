"""JSON text to values and back without changing a number, and with one documented way to fail.

orjson does the work wherever it is exact. The standard library takes over where orjson would round (integers beyond 64
bits become floats) or refuse what really travels (half of a surrogate pair, split over two chunks).
"""

import json
from typing import Any, Final, cast

import orjson

from chatreel.exact import exact
from chatreel.model import Json, JsonObject

MAX_DEPTH: Final = 1024
"""Levels of nesting; the limit of orjson's parser, kept on the slower path too."""

MOST_VALUES: Final = 600_000
"""Values in one JSON text that is read: each takes some 240 bytes, however short it is."""

_MANY: Final = 2**20
"""Bytes of a text below which nobody counts its values."""

_LONG_INTEGER: Final = b"0" * 19
"""Shorter runs of digits fit 64 bits, signed or not."""
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"0" * 9)
"""So a run of digits is found without a regular expression, which takes ten times as long."""

# Legal unescaped in JSON, but line ends to weak SSE clients: written as escapes, which mean the same (Q23).
_LINE_END_LOOKALIKES: Final = (("\u2028", rb"\u2028"), ("\u2029", rb"\u2029"), ("\u0085", rb"\u0085"))


def loads(text: bytes) -> Json:
    """Parse UTF-8 JSON text. Integers keep all their digits; of duplicate keys the last one counts.

    Raises ValueError: not JSON, not UTF-8, NaN or Infinity, a number no double can hold, or deeper than `MAX_DEPTH`.
    """
    if _LONG_INTEGER in text.translate(_DIGITS_ALIKE):
        return _exact_loads(text)
    try:
        return cast("Json", orjson.loads(text))
    except orjson.JSONDecodeError:
        return _exact_loads(text)


def loads_object(text: bytes) -> JsonObject:
    """Like `loads`, for text that has to be a JSON object. Raises ValueError, too, if it is anything else."""
    value = loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, not {type(value).__name__}")  # noqa: TRY004 - the text is at fault
    return value


def has_too_many_values(text: bytes) -> bool:
    """Whether JSON text takes so much more memory than its size that it is better not read; commas in texts count."""
    return len(text) > _MANY and sum(map(text.count, (b",", b"[", b"{"))) > MOST_VALUES


def dumps(value: Json) -> bytes:
    """Compact UTF-8 JSON on one line, members in the order of the dict, safe as the data of one event (Q23, K6)."""
    try:
        text = exact(orjson.dumps(value))
    except TypeError:  # an integer beyond 64 bits, a lone surrogate, or deeper than orjson writes
        return json.dumps(value, separators=(",", ":")).encode()
    for character, escape in _LINE_END_LOOKALIKES:
        text = text.replace(character.encode(), escape)
    return text


def is_json(text: bytes) -> bool:
    """Whether `loads` would accept the text."""
    try:
        loads(text)
    except ValueError:
        return False
    return True


def join_text(pieces: list[str]) -> str:
    """Concatenate text that arrived in pieces; a surrogate pair split between two of them becomes one character."""
    text = "".join(pieces)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return text


def _exact_loads(text: bytes) -> Json:
    try:
        value: Any = json.loads(text.decode(), parse_float=_finite, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if _depth_exceeds(value, MAX_DEPTH):
        raise ValueError("JSON nested too deeply")
    return cast("Json", value)


def _finite(literal: str) -> float:
    number = float(literal)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{literal} is too large for a JSON number")
    return number


def _refuse_constant(literal: str) -> float:
    raise ValueError(f"{literal} is not JSON")


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = _containers([value])
    for _ in range(limit):
        level = [child for parent in level for child in _containers(parent)]
    return bool(level)


def _containers(parent: Any) -> list[Any]:
    children = parent.values() if isinstance(parent, dict) else parent
    return [child for child in children if isinstance(child, (dict, list))]
