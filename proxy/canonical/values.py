"""The canonical form of a JSON value, wherever in a body it stands.

- Members are sorted by name, except those of an object called `properties`: in a JSON Schema their order changes what
  the model writes. Schemas travel in many members (`tools`, `functions`, `response_format`, vLLM's `guided_json`,
  Ollama's `format`), so the name decides and not the place; the price is that a free object of that name keeps its
  order too, which costs a miss at worst.
- Numbers are equal if their values are: `1`, `1.0` and `1e0` are one number, so are `0` and `-0`. Integers keep all
  their digits, what is written with a fraction or an exponent has the value of its double.
- Strings, the order of arrays, `true`, `false` and `null` count as they are. In particular `1` is not `true`, and a
  `null` in here is a value, not an absence: what is optional in a schema or an extension cannot be known.
"""

import sys

import orjson

from chatreel.errors import NotKeyable
from chatreel.model import Json

type Tree = bool | int | float | str | orjson.Fragment | list[Tree] | dict[str, Tree] | None
"""Canonical JSON, ready for orjson. A fragment is an integer beyond the 64 bits that orjson writes."""

_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1


def canonical_value(node: Json) -> Tree:
    """Return the canonical form of `node`, which is not changed. Raises `NotKeyable` for numbers that are not JSON."""
    if isinstance(node, dict):
        return {
            name: child if isinstance(child := node[name], str) else canonical_member(name, child)
            for name in sorted(node)
        }
    if isinstance(node, list):
        return [item if isinstance(item, str) else canonical_value(item) for item in node]
    if node is None or isinstance(node, (str, bool)):
        return node
    return _canonical_number(node)


def canonical_member(name: str, value: Json) -> Tree:
    """Return the canonical form of `value`, which an object has under `name`."""
    if name == "properties" and isinstance(value, dict):
        return {inner: canonical_value(schema) for inner, schema in value.items()}
    return canonical_value(value)


def _canonical_number(number: float) -> Tree:
    if not abs(number) <= sys.float_info.max:
        kind = "an integer" if isinstance(number, int) else str(number)
        raise NotKeyable(f"The request body contains a number beyond the range of a double: {kind}.")
    whole = int(number)
    if whole != number:
        return number
    return whole if _MIN_INT <= whole <= _MAX_INT else orjson.Fragment(str(whole))
