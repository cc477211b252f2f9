"""A request and its completion as a person wants to read them: a conversation; what is no text is told by its size."""

import base64
import binascii
import json
from collections.abc import Iterator
from hashlib import sha256

from chatreel.model import Json, JsonObject
from chatreel.plaintext import printable, printable_lines
from chatreel.wire.codec import loads

_INDENT = "  "
_CONVERSATION = ("messages", "tools", "functions")
_DATA = {"image_url": "url", "input_audio": "data", "file": "file_data", "video_url": "url"}
"""Parts that carry what is no text, and the member that has it."""
_FORMATS = {"input_audio": "format", "file": "filename"}
_TOLD = frozenset({"role", "content", "tool_calls", "function_call", "refusal", "audio", "name", "tool_call_id"})
"""Members of a message that have a line of their own; what else there is follows as JSON."""


def request_lines(body: JsonObject) -> Iterator[str]:
    """Yield the lines of a request: its settings, its tools, its messages in order."""
    for name, value in body.items():
        if name not in _CONVERSATION:
            yield f"{printable(name)}: {_value(value)}"
    for name in ("tools", "functions"):
        for tool in _objects(body.get(name)):
            yield f"tool {_signature(tool)}"
    for message in _objects(body.get("messages")):
        yield from message_lines(message)


def completion_lines(completion: JsonObject) -> Iterator[str]:
    """Yield the lines of a completion: each choice, and why it ended."""
    for choice in _objects(completion.get("choices")):
        number = f"choice {_value(choice.get('index'))}, " if len(_objects(completion.get("choices"))) > 1 else ""
        yield f"{number}finish reason: {_value(choice.get('finish_reason'))}"
        message = choice.get("message")
        yield from message_lines(message if isinstance(message, dict) else {})


def message_lines(message: JsonObject) -> Iterator[str]:
    """Yield the lines of one message: who says it, then, indented, what."""
    names = [message.get(name) for name in ("role", "name", "tool_call_id")]
    yield " ".join(_value(name) for name in names if name is not None) or "nobody"
    for line in _said(message):
        yield f"{_INDENT}{line}"


def usage_line(usage: Json) -> str:
    """Tokens in one line, details behind what they are a part of; empty if none are reported."""
    if not isinstance(usage, dict):
        return ""
    parts = []
    for name, value in usage.items():
        if isinstance(value, dict):
            parts += [f"{inner.removesuffix('_tokens')} {_value(count)}" for inner, count in value.items() if count]
        elif value is not None:
            parts.append(f"{name.removesuffix('_tokens')} {_value(value)}")
    return printable(", ".join(parts))


def last_user_text(body: JsonObject) -> str:
    """What the user said last, on one line; empty if nothing was said in words."""
    for message in reversed(_objects(body.get("messages"))):
        if message.get("role") == "user":
            return " ".join(_text(message.get("content")).split())
    return ""


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in _objects(content) if isinstance(part.get("text"), str))  # type: ignore[misc]


def _said(message: JsonObject) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield from printable_lines(content)
    else:
        for part in _objects(content):
            yield from _part(part)
    if refusal := message.get("refusal"):
        yield f"refuses: {_value(refusal)}"
    audio = message.get("audio")
    if isinstance(audio, dict):
        yield f"audio {_blob(audio.get('data'))}"
        yield from printable_lines(str(audio.get("transcript") or ""))
    for call in _objects(message.get("tool_calls")):
        yield from _tool_call(call.get("function") or call.get("custom"), call.get("id"))
    if message.get("function_call"):
        yield from _tool_call(message.get("function_call"), None)
    for name in message.keys() - _TOLD:
        if message[name]:
            yield f"{printable(name)}: {_value(message[name])}"


def _part(part: JsonObject) -> Iterator[str]:
    kind = str(part.get("type"))
    if isinstance(part.get("text"), str):
        yield from printable_lines(str(part["text"]))
    elif kind in _DATA:
        held = part.get(kind)
        members = held if isinstance(held, dict) else {}
        form = members.get(_FORMATS.get(kind, ""), "")
        label = " ".join(filter(None, (kind.removesuffix("_url").removeprefix("input_"), _plain(form))))
        yield f"{label} {_blob(members.get(_DATA[kind]) or members.get('file_id'))}"
    else:
        yield _value(part)


def _blob(data: Json) -> str:
    """Media by type, size and digest; an address as it is."""
    if not isinstance(data, str):
        return "(no data)"
    head, comma, encoded = data.partition(",")
    if not data.startswith("data:"):
        head, encoded = "", data
    elif not comma:
        return printable(data)
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return _cut(printable(data))
    kind = printable(head.removeprefix("data:").partition(";")[0])
    return f"{kind + ', ' if kind else ''}{len(content):,} bytes, sha256 {sha256(content).hexdigest()[:12]}"


def _tool_call(function: Json, call_id: Json) -> Iterator[str]:
    members = function if isinstance(function, dict) else {}
    yield f"calls {_plain(members.get('name'))}" + (f" ({_plain(call_id)})" if call_id else "")
    arguments = members.get("arguments", members.get("input"))
    for line in _arguments(arguments if isinstance(arguments, str) else json.dumps(arguments)):
        yield f"{_INDENT}{line}"


def _arguments(text: str) -> Iterator[str]:
    """One line for each argument; the text as it is if it is no JSON object."""
    try:
        members = loads(text.encode())
    except ValueError:
        members = None
    if not isinstance(members, dict):
        yield from printable_lines(text)
        return
    for name, value in members.items():
        if isinstance(value, str) and "\n" in value:
            yield f"{printable(name)}:"
            yield from (f"{_INDENT}{line}" for line in printable_lines(value))
        else:
            yield f"{printable(name)}: {_value(value)}"


def _signature(tool: JsonObject) -> str:
    function = tool.get("function", tool)
    members = function if isinstance(function, dict) else {}
    parameters = members.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    names = ", ".join(map(printable, properties)) if isinstance(properties, dict) else ""
    return f"{_plain(members.get('name') or tool.get('type'))}({names})"


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _plain(value: Json) -> str:
    return printable(value) if isinstance(value, str) else _value(value)


def _value(value: Json) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str, length: int = 100) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
