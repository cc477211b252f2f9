"""JSON pointers (RFC 6901), with one extension: the token `*` stands for every element or member."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from chatreel.errors import ConfigError
from chatreel.model import Json, JsonObject

type Pointer = tuple[str, ...]
"""The tokens of a pointer, unescaped."""


@lru_cache(maxsize=256)
def parse_pointer(text: str) -> Pointer:
    """Return the tokens of `text`. Raises `ConfigError` if it is no pointer, or the empty one, that is, everything."""
    if not text.startswith("/") or re.search(r"~(?![01])", text):
        raise ConfigError(f"{text!r} is not a JSON pointer into a request body, such as '/messages/0/name'.")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))


def format_token(token: str) -> str:
    """Return `token` as it is spelled inside a pointer."""
    return token.replace("~", "~0").replace("/", "~1")


def select(node: Json, pointer: Pointer) -> Iterator[Json]:
    """Yield what is at `pointer`."""
    if not pointer:
        yield node
    else:
        for child in _at(node, pointer[0]):
            yield from select(child, pointer[1:])


def _at(node: Json, place: str) -> Iterable[Json]:
    if isinstance(node, dict):
        return node.values() if place == "*" else [node[place]] if place in node else []
    if isinstance(node, list):
        return node if place == "*" else [child for index, child in enumerate(node) if str(index) == place]
    return []


def remove(body: JsonObject, pointer: Pointer) -> JsonObject:
    """The same for a whole body, which stays an object."""
    left = without(body, pointer)
    return left if isinstance(left, dict) else body


def without(node: Json, pointer: Pointer) -> Json:
    """Return `node` without what is at `pointer`, if anything is. Nothing is changed in place."""
    place, rest = pointer[0], pointer[1:]
    if isinstance(node, dict):
        if place == "*":
            return {name: without(child, rest) for name, child in node.items()} if rest else {}
        return _without_place(node, place, rest) if place in node else node
    if isinstance(node, list):
        if place == "*":
            return [without(child, rest) for child in node] if rest else []
        places = _without_place({str(index): child for index, child in enumerate(node)}, place, rest)
        return list(places.values())
    return node


def _without_place(node: JsonObject, place: str, rest: Pointer) -> JsonObject:
    if rest:
        return {name: without(child, rest) if name == place else child for name, child in node.items()}
    return {name: child for name, child in node.items() if name != place}
