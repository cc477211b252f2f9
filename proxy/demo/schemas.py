"""Values that fit a JSON Schema, filled with what a prompt mentions: arguments of tools and structured answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatreel.demo.prose import draw

type Schema = Mapping[str, Any]

WEEKDAY = re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b")

NAME = re.compile(rf"(?<!^)(?<![.!?:]\s)\b(?!{WEEKDAY.pattern}|JSON\b)[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
"""A run of capitalised words that does not open a sentence, and is no day of the week."""

HINTS = (
    (re.compile("day|date|when", re.IGNORECASE), WEEKDAY),
    (re.compile("title|event|subject|summary|topic", re.IGNORECASE), re.compile(r"(?<=: )\w+(?: \w+)?")),
    (re.compile(""), NAME),
)
"""What to look for in the prompt, by the name of the member to fill."""

DEEPEST = 8
"""Levels of nesting at which a schema that refers to itself is given up: what is left becomes null."""


def names_in(prompt: str) -> list[str]:
    """The names a prompt mentions, each once, in order."""
    return list(dict.fromkeys(NAME.findall(prompt)))


def fill(schema: Schema, prompt: str, seed: str) -> Any:
    """A value that fits `schema`, the same for the same prompt and seed."""
    return _value(schema, _Prompt(schema, prompt, seed), "", 0)


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What all parts of a value are filled from."""

    root: Schema
    text: str
    seed: str


def _value(schema: Schema, prompt: _Prompt, name: str, depth: int) -> Any:
    schema = _resolved(schema, prompt.root)
    if depth > DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    if options := schema.get("enum"):
        return next((option for option in options if _mentions(prompt.text, str(option))), options[0])
    return FILLERS.get(_kind(schema), _nothing)(schema, prompt, name, depth)


def _mentions(text: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None


def _resolved(schema: Schema, root: Schema) -> Schema:
    """`schema` with a local reference followed and the first alternative that is not null taken."""
    if isinstance(reference := schema.get("$ref"), str):
        target: Any = root
        for step in reference.removeprefix("#").split("/")[1:]:
            target = target.get(step, {})
        return _resolved(target, root) if target.get("$ref") != reference else {}
    for alternatives in (schema.get("anyOf"), schema.get("oneOf")):
        if alternatives:
            return _resolved(next((one for one in alternatives if one.get("type") != "null"), {}), root)
    return schema


def _kind(schema: Schema) -> str:
    """The type of the value: the first one if there are several, an object if only properties are given."""
    kinds = schema.get("type", "object" if "properties" in schema else "")
    return str(kinds[0] if isinstance(kinds, list) else kinds)


def _object(schema: Schema, prompt: _Prompt, _name: str, depth: int) -> Any:
    members: Mapping[str, Schema] = schema.get("properties") or {}
    return {name: _value(member, prompt, name, depth + 1) for name, member in members.items()}


def _array(schema: Schema, prompt: _Prompt, name: str, depth: int) -> Any:
    items = schema.get("items") or {}
    if _kind(_resolved(items, prompt.root)) == "string" and "enum" not in items:
        return names_in(prompt.text) or [_string(items, prompt, name, depth)]
    return [_value(items, prompt, name, depth + 1)]


def _string(_schema: Schema, prompt: _Prompt, name: str, _depth: int) -> Any:
    wanted = next(wanted for pattern, wanted in HINTS if pattern.search(name))
    found = wanted.search(prompt.text)
    return found[0] if found else " ".join(prompt.text.split()[:4]).rstrip(".,:;?!")


def _number(schema: Schema, prompt: _Prompt, name: str, _depth: int) -> Any:
    """The first number of the prompt, else a small one, in both cases within the bounds of the schema."""
    found = re.search(r"\d+", prompt.text)
    number = int(found[0]) if found else 1 + draw(f"{prompt.seed} {name}", 9)
    return min(max(number, schema.get("minimum", number)), schema.get("maximum", number))


def _boolean(_schema: Schema, prompt: _Prompt, name: str, _depth: int) -> Any:
    return bool(draw(f"{prompt.seed} {name}", 2))


def _nothing(_schema: Schema, _prompt: _Prompt, _name: str, _depth: int) -> Any:
    return None


FILLERS: Mapping[str, Callable[[Schema, _Prompt, str, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
}
