"""The response schema of the API's specification, and as much of JSON Schema as it needs."""

import json
from pathlib import Path
from typing import Any

SPECIFICATION = Path(__file__).parents[2].parent / "shared" / "api" / "chat-completions.md"

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def of_status(status: int) -> dict[str, Any]:
    """The schema of the response with this status: the first JSON object after its heading."""
    text = SPECIFICATION.read_text()
    start = text.index('{\n"type"', text.index(f"{status} ", text.index("响应")))
    schema: dict[str, Any] = json.JSONDecoder().raw_decode(text, start)[0]
    return schema


def violations(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:
    """Where a value breaks the schema, as `path: what`; array indexes read `[]`."""
    if "oneOf" in schema:
        found = [violations(value, option, path) for option in schema["oneOf"]]
        return [] if any(not one for one in found) else min(found, key=len)
    if "type" in schema and not _is(value, schema["type"]):
        return [f"{path}: {json.dumps(value)[:40]} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {json.dumps(value)[:40]} is not listed"]
    broken = [f"{path}.{name}: missing" for name in schema.get("required", []) if name not in value]
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            broken += violations(value[name], inner, f"{path}.{name}")
    if "items" in schema:
        broken += [line for item in value for line in violations(item, schema["items"], f"{path}[]")]
    return broken


def _is(value: Any, names: str | list[str]) -> bool:
    allowed = [names] if isinstance(names, str) else names
    number = isinstance(value, bool) and "boolean" not in allowed
    return not number and any(isinstance(value, _TYPES[name]) for name in allowed)
