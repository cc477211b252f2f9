"""Tool calls from their deltas: which delta belongs to which call, and what a call amounts to (Q61-Q74, R7)."""

import re
from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.fields import FirstNonEmpty, LastTruthy, Merged, Name, OpaqueText

_BRACKET: Final = re.compile(r'["\\{}\[\]]')

# The member that describes the call, by its type, and its growing text. Other types keep their members as they are.
_BODIES: Final = {"function": "arguments", "custom": "input"}


class ToolCalls:
    """All calls of one message, in order of first appearance; the numbers servers give them mean nothing (Q65)."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._at_index: dict[int, _Call] = {}
        self._by_id: dict[tuple[int | None, str], _Call] = {}

    def add(self, value: Json) -> None:
        """Take the `tool_calls` of one delta; null and [] are no-ops (Q71), entries count one after the other (Q70)."""
        for delta in value if isinstance(value, list) else [value]:
            if isinstance(delta, dict):
                self._place(delta).add(delta)

    def value(self) -> Json:
        return [call.value() for call in self._calls] or None

    def _place(self, delta: JsonObject) -> "_Call":
        index = as_index(delta.get("index"))
        identity = delta.get("id") or ""
        call = self._of_index(index, delta) if index is not None else self._unnumbered(delta)
        if call is None:
            call = _Call()
            self._calls.append(call)
        if index is not None:
            self._at_index[index] = call
        if isinstance(identity, str) and identity:
            self._by_id.setdefault((index, identity), call)
            self._by_id.setdefault((None, identity), call)
        return call

    def _of_index(self, index: int, delta: JsonObject) -> "_Call | None":
        call = self._at_index.get(index)
        if call is None:
            return None
        identity = delta.get("id")
        if isinstance(identity, str) and identity:
            # One index for calls of different ids: some servers number every call 0 (Q64).
            same = call.identity.value() in (None, identity)
            return call if same else self._by_id.get((index, identity))
        return None if call.is_followed_by(delta) else call

    def _unnumbered(self, delta: JsonObject) -> "_Call | None":
        identity = delta.get("id")
        if isinstance(identity, str) and identity:
            return self._by_id.get((None, identity))
        return None if _body(delta).get("name") or not self._calls else self._calls[-1]


class _Call:
    def __init__(self) -> None:
        self.identity = FirstNonEmpty()
        self._type = LastTruthy()
        self._bodies = {member: _Body(text) for member, text in _BODIES.items()}
        self._others: dict[str, Merged] = {}
        self._balance = _Balance()

    def add(self, delta: JsonObject) -> None:
        for key, value in delta.items():
            if key == "id":
                self.identity.add(value)
            elif key == "type":
                self._type.add(value)
            elif key in self._bodies:
                self._bodies[key].add(value)
            elif key != "index":
                self._others.setdefault(key, Merged()).add(value)

    def is_followed_by(self, delta: JsonObject) -> bool:
        """Whether a delta without id starts another call: it has a name, and our arguments are complete (Q64)."""
        body, known = _body(delta), self._bodies["function"]
        name = body.get("name")
        if not name or (name == known.name.value() and not body.get("arguments")):
            return False
        return self._balance.closes(known.text.pieces)

    def value(self) -> Json:
        kind = self._type.value() or self._implied_type()
        call: JsonObject = {"id": self.identity.value(), "type": kind}
        for member, body in self._bodies.items():
            if member == kind or (body.seen and not body.is_empty):
                call[member] = body.value()
        others = {key: rule.value() for key, rule in self._others.items()}
        return {key: value for key, value in (call | others).items() if value is not None}

    def _implied_type(self) -> str:
        return "custom" if self._bodies["custom"].seen and not self._bodies["function"].seen else "function"


class _Body:
    """The `function` or `custom` member of a call: a name, a growing text, and whatever else."""

    def __init__(self, text_key: str) -> None:
        self.name = Name()
        self.text = OpaqueText()
        self.seen = False
        self._text_key = text_key
        self._others: dict[str, Merged] = {}

    def add(self, value: Json) -> None:
        if not isinstance(value, dict):
            return
        self.seen = True
        for key, item in value.items():
            if key == "name":
                self.name.add(item)
            elif key == self._text_key:
                self.text.add(item)
            else:
                self._others.setdefault(key, Merged()).add(item)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, like the `custom` that Snowflake adds to every function call (Q73)."""
        return not (self.name.value() or any(self.text.pieces) or self._others)

    def value(self) -> JsonObject:
        others = {key: rule.value() for key, rule in self._others.items()}
        said = {key: value for key, value in others.items() if value is not None}
        return {"name": self.name.value(), self._text_key: self.text.value(), **said}


class FunctionCall:
    """The legacy `function_call` of a message (Q57)."""

    def __init__(self) -> None:
        self._body = _Body("arguments")

    def add(self, value: Json) -> None:
        self._body.add(value)

    def value(self) -> Json:
        return self._body.value() if self._body.seen else None


class _Balance:
    """Whether text in pieces has closed every bracket it opened. Each piece is looked at once."""

    def __init__(self) -> None:
        self._seen = 0
        self._depth = 0
        self._opened = False
        self._in_string = False
        self._escaped = False

    def closes(self, pieces: list[str]) -> bool:
        for piece in pieces[self._seen :]:
            self._read(piece)
        self._seen = len(pieces)
        return self._opened and self._depth <= 0

    def _read(self, piece: str) -> None:
        skip = 1 if self._escaped and piece else 0
        self._escaped = self._escaped and not piece
        for match in _BRACKET.finditer(piece):
            if match.start() < skip:
                continue
            match match.group():
                case "\\":
                    skip = match.start() + 2
                    self._escaped = skip > len(piece)
                case '"':
                    self._in_string = not self._in_string
                case "{" | "[" if not self._in_string:
                    self._depth += 1
                    self._opened = True
                case "}" | "]" if not self._in_string:
                    self._depth -= 1


def as_index(value: Json) -> int | None:
    """A usable `index`: an integer. Anything else counts as missing (Q63)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _body(delta: JsonObject) -> JsonObject:
    body = delta.get("function")
    return body if isinstance(body, dict) else {}
