"""The canonical form of a history: messages are compared by what they say, not by how a client happened to echo them.

An explicit `null` equals absence for the members of a message, of a content part and of a tool call, known or not;
deeper than that `null` is a value. What else does not count stands in `rules.EMPTY_IN_HISTORY` and in the functions
below.
"""

from chatreel.canonical.payloads import MEDIA, canonical_media
from chatreel.canonical.rules import EMPTY_IN_HISTORY
from chatreel.canonical.values import Tree, canonical_member, canonical_value
from chatreel.model import Json, JsonObject


class CallNames:
    """Tool-call ids, renamed by order of first appearance: which names a server gives is chance (Q66)."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def rename(self, call_id: Json) -> Tree:
        """Return the name of `call_id`, the same for the same id. What is no string is no id and stays what it is."""
        if not isinstance(call_id, str):
            return canonical_value(call_id)
        return self._names.setdefault(call_id, f"call_{len(self._names)}")


def canonical_messages(messages: Json) -> Tree:
    """Return the canonical form of the member `messages` of a body."""
    if not isinstance(messages, list):
        return canonical_value(messages)
    names = CallNames()
    return [_message(item, names) if isinstance(item, dict) else canonical_value(item) for item in messages]


def _message(message: JsonObject, names: CallNames) -> Tree:
    members: dict[str, Tree] = {}
    for name in sorted(message):
        value = message[name]
        if value is None:
            continue
        if name == "tool_calls":
            members[name] = _tool_calls(value, names)
        elif name == "tool_call_id":
            members[name] = names.rename(value)
        elif isinstance(value, str) and name not in MEDIA:
            members[name] = value
        elif name == "content":
            members[name] = _content(value)
        else:
            members[name] = canonical_media(value) if name in MEDIA else canonical_member(name, value)
    if message.get("role") == "assistant":
        _drop_echo(members)
    return members


def _drop_echo(members: dict[str, Tree]) -> None:
    """Take out of an assistant message what its sender may or may not have echoed."""
    for name in EMPTY_IN_HISTORY.keys() & members:
        if members[name] == EMPTY_IN_HISTORY[name]:
            del members[name]
    if members.get("content") == "" and ("tool_calls" in members or "function_call" in members):
        del members["content"]


def _tool_calls(calls: Json, names: CallNames) -> Tree:
    """`index` is an artefact of streaming. `function.arguments` is opaque text: it is not parsed."""
    if not isinstance(calls, list):
        return canonical_value(calls)
    return [_tool_call(call, names) if isinstance(call, dict) else canonical_value(call) for call in calls]


def _tool_call(call: JsonObject, names: CallNames) -> Tree:
    return {
        name: names.rename(value) if name == "id" else canonical_member(name, value)
        for name, value in sorted(call.items())
        if value is not None and name != "index"
    }


def _content(content: Json) -> Tree:
    """A content array of one text part, if that says nothing else, is its text."""
    if not isinstance(content, list):
        return canonical_value(content)
    parts: list[Tree] = [_part(part) if isinstance(part, dict) else canonical_value(part) for part in content]
    match parts:
        case [{"type": "text", "text": str(text), **others}] if not others:
            return text
    return parts


def _part(part: JsonObject) -> Tree:
    return {
        name: canonical_media(value) if name in MEDIA else canonical_member(name, value)
        for name, value in sorted(part.items())
        if value is not None
    }
