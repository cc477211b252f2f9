"""JSON text that is good to read in a diff: a member to a line, and a text of several lines as its lines.

A member whose name ends in `|` holds the lines of a text: `{"content|": ["one", "two"]}` is `{"content": "one\\ntwo"}`.
A name that ends in `|` by itself has each of these doubled, so that no object can be taken for another.
"""

import orjson

from chatreel.errors import CassetteError
from chatreel.model import Json, JsonObject

MARK = "|"

type Members = list[tuple[str, bytes]]
"""Names, and values that are JSON text already."""

_EXACT = float(2**63)
"""From here on orjson reads an integer as a float, so a float of this size may have lost digits."""

# Legal in JSON text, but line ends to some editors and to `str.splitlines`: written as escapes, which mean the same.
_LINE_END_LOOKALIKES = tuple((each.encode(), f"\\u{ord(each):04x}".encode()) for each in "\x85\u2028\u2029")


def fold(value: Json) -> Json:
    """Texts of several lines, where they are members of an object, as lists of lines."""
    if isinstance(value, dict):
        return fold_object(value)
    return [fold(item) for item in value] if isinstance(value, list) else value


def fold_object(value: JsonObject) -> JsonObject:
    """`fold` of an object, which is one again."""
    folded: JsonObject = {}
    for name, child in value.items():
        plain = name + MARK * _marks(name) if name.endswith(MARK) else name
        if isinstance(child, str) and "\n" in child:
            folded[plain + MARK] = [*child.split("\n")]
        else:
            folded[plain] = fold(child)
    return folded


def fold_exactly(value: JsonObject) -> JsonObject | None:
    """`fold` of an object, or `None` if a reader of the text would not get it back: numbers too large, too deep."""
    folded = fold_object(value)
    try:
        orjson.dumps(folded)
        unfold_object(folded)
    except (TypeError, ValueError):
        return None
    return folded


def unfold(value: Json) -> Json:
    """The inverse. Raises `CassetteError` for what `fold` never writes, and for a number that may have lost digits."""
    if isinstance(value, dict):
        return unfold_object(value)
    if isinstance(value, list):
        return [item if isinstance(item, str) else unfold(item) for item in value]
    if isinstance(value, float) and not -_EXACT < value < _EXACT:
        raise CassetteError(f"{value:.17g} is too large for a number here; write its object as a text of JSON")
    return value


def unfold_object(value: JsonObject) -> JsonObject:
    """`unfold` of an object, which is one again."""
    unfolded: JsonObject = {}
    for name, child in value.items():
        kind = type(child)  # this loop is most of what loading a cassette costs
        if name[-1:] == MARK:
            plain, meant = _unfold_member(name, child)
            unfolded[plain] = meant
        elif kind is str:
            unfolded[name] = child
        else:
            unfolded[name] = unfold(child)
    if len(unfolded) != len(value):
        twice = next(name for name in value if not name.endswith(MARK) and name + MARK in value)
        raise CassetteError(f"{twice!r} is there twice, once as a text and once as lines")
    return unfolded


def render(value: Json, depth: int = 0) -> bytes:
    """JSON text over several lines, two spaces a level. `depth`: levels that it stands in. Raises `TypeError`."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    return text.replace(b"\n", b"\n" + b"  " * depth) if depth else text


def members(pairs: Members, depth: int) -> bytes:
    """An object of members that are JSON text already."""
    return _framed(b"{", [orjson.dumps(name) + b": " + value for name, value in pairs], b"}", depth)


def lines(items: list[bytes], depth: int) -> bytes:
    """An array of items that are JSON text already, one to a line."""
    return _framed(b"[", items, b"]", depth)


def visible(text: bytes) -> bytes:
    """JSON text in which nothing but a line end looks like one."""
    for character, escape in _LINE_END_LOOKALIKES:
        text = text.replace(character, escape)
    return text


def _framed(opening: bytes, items: list[bytes], closing: bytes, depth: int) -> bytes:
    if not items:
        return opening + closing
    outer = b"\n" + b"  " * depth
    inner = outer + b"  "
    return opening + inner + (b"," + inner).join(items) + outer + closing


def _unfold_member(name: str, child: Json) -> tuple[str, Json]:
    own, in_lines = divmod(_marks(name), 2)
    plain = name.rstrip(MARK) + MARK * own
    if not in_lines:
        return plain, unfold(child)
    if not isinstance(child, list) or not all(isinstance(line, str) for line in child):
        raise CassetteError(f"{name!r} has to be a list of lines: its name ends in {MARK!r}")
    return plain, "\n".join(line for line in child if isinstance(line, str))


def _marks(name: str) -> int:
    return len(name) - len(name.rstrip(MARK))
