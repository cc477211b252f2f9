"""JSON pointers (RFC 6901), with one extension: the token `*` stands for every element or member."""

import re
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


def remove(body: JsonObject, pointer: Pointer) -> JsonObject:
    """Return `body` without what is at `pointer`. Nothing is changed in place; where nothing is there, it is `body`."""
    left = _without(body, pointer)
    return left if isinstance(left, dict) else body


def _without(node: Json, pointer: Pointer) -> Json:
    if isinstance(node, dict):
        return _without_member(node, pointer)
    if isinstance(node, list):
        return _without_element(node, pointer)
    return node


def _without_member(node: JsonObject, pointer: Pointer) -> JsonObject:
    names = set(node) if pointer[0] == "*" else {pointer[0]} & node.keys()
    if not names:
        return node
    if len(pointer) == 1:
        return {name: child for name, child in node.items() if name not in names}
    return {name: _without(child, pointer[1:]) if name in names else child for name, child in node.items()}


def _without_element(node: list[Json], pointer: Pointer) -> list[Json]:
    chosen = {str(index) for index in range(len(node))} if pointer[0] == "*" else {pointer[0]}
    if len(pointer) == 1:
        return [child for index, child in enumerate(node) if str(index) not in chosen]
    return [_without(child, pointer[1:]) if str(index) in chosen else child for index, child in enumerate(node)]
