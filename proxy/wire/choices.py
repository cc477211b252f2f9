"""One choice of a completion from its share of the stream: a table of the delta's fields, and one of the choice's."""

from collections.abc import Callable
from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps
from chatreel.wire.content import Audio, Content
from chatreel.wire.fields import FirstText, Last, LastTruthy, Logprobs, Merged, NonEmptyText, Rule, Text
from chatreel.wire.lists import Extended, Indexed, ReasoningDetails, ReplacedByIndex, is_text_key
from chatreel.wire.tool_calls import FunctionCall, ToolCalls

# Order is the order of the message's members (R11); members not listed here follow by `_unlisted`.
_DELTA: Final[dict[str, Callable[[], Rule]]] = {
    "role": FirstText,
    "content": Content,
    "refusal": NonEmptyText,
    "reasoning_content": Text,
    "reasoning": Text,
    "reasoning_details": ReasoningDetails,
    "annotations": Extended,
    "images": Indexed,
    "executed_tools": ReplacedByIndex,
    "audio": Audio,
    "tool_calls": ToolCalls,
    "function_call": FunctionCall,
}

_NULLABLE: Final = frozenset({"refusal"})
"""Members a message keeps although they are null, if they were seen at all (R11)."""

_INSTEAD_OF_CONTENT: Final = ("tool_calls", "function_call", "refusal", "audio")
"""Members beside which a message without text has the content null, not "" (Q43)."""

_CHOICE: Final[dict[str, Callable[[], Rule]]] = {
    "finish_reason": LastTruthy,
    "logprobs": Logprobs,
    "content_filter_results": Merged,
}

_IGNORED: Final = frozenset({"index", "delta", "message", "text", "seed", "token_id", "token_ids", "usage"})
"""Members of a choice that are handled apart, or repeat in every chunk what the deltas say already (R9)."""


def entries(choices: Json) -> list[JsonObject]:
    """What can be read of the member `choices` of a chunk or a completion: an array of objects, as it should be."""
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


class ChoiceParts:
    """Everything the stream said about one choice."""

    def __init__(self) -> None:
        self._delta: dict[str, Rule] = {}
        self._content = Content()
        self._audio = Audio()
        self._choice: dict[str, Rule] = {key: rule() for key, rule in _CHOICE.items()}
        self._message: JsonObject = {}

    def add(self, choice: JsonObject) -> None:
        """Take one entry of a chunk's `choices`. A missing delta is an empty one (Q27)."""
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict):
            self._add_delta(delta)
        if isinstance(message, dict):
            self._message = message
        for key, value in choice.items():
            if key not in _IGNORED:
                rule = self._choice.get(key)
                if rule is None:
                    rule = self._choice[key] = Last()
                rule.add(value)

    def add_text(self, name: str, text: str) -> None:
        """Take one more piece of a member of the delta that was there before."""
        self._delta[name].add(text)

    @property
    def finish_reason(self) -> Json:
        """Verbatim; None if there was none, or only "" (Q44)."""
        return self._choice["finish_reason"].value()

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come: a finish reason, or the end of spoken output, which may lack one (Q56)."""
        return self.finish_reason is not None or self._audio.closed

    def value(self, index: int) -> JsonObject:
        """The choice as a completion has it: `{index, message, logprobs, finish_reason, ...}`."""
        others = {key: value for key, rule in self._choice.items() if (value := rule.value()) is not None}
        logprobs, reason = others.pop("logprobs", None), others.pop("finish_reason", None)
        message = self._as_message()
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason, **others}

    def _add_delta(self, delta: JsonObject) -> None:
        for key, value in delta.items():
            rule = self._delta.get(key)
            if rule is None or (isinstance(rule, _Unlisted) and not rule.fits(value)):
                rule = self._delta[key] = self._rule(key, value)
            rule.add(value)

    def _rule(self, key: str, value: Json) -> Rule:
        if key == "content":
            return self._content
        if key == "audio":
            return self._audio
        return _DELTA[key]() if key in _DELTA else _Unlisted(key, value)

    def _as_message(self) -> JsonObject:
        said = self._said() | self._said_by_message_only()
        message: JsonObject = {"role": said.pop("role", None) or "assistant", "content": said.pop("content", None)}
        listed = [key for key in _DELTA if key in said]
        for key in (*listed, *(key for key in said if key not in _DELTA)):
            if said[key] is not None or key in _NULLABLE:
                message[key] = said[key]
        if message["content"] in (None, ""):
            spoken = any(message.get(key) is not None for key in _INSTEAD_OF_CONTENT)
            message["content"] = None if spoken else ""
        return message

    def _said(self) -> JsonObject:
        return {key: rule.value() for key, rule in self._delta.items()}

    def _said_by_message_only(self) -> JsonObject:
        """A cumulative `message` beside the deltas counts only for what no delta ever said (Q58)."""
        whole = ChoiceParts()
        whole.add({"delta": whole_message(self._message)})
        silent = not self._content.has_text
        said = whole._said()
        return {key: value for key, value in said.items() if key not in self._delta or (key == "content" and silent)}


class _Unlisted:
    """A field no rule names: texts that are known to grow do, objects merge, lists follow their indexes, else last."""

    def __init__(self, key: str, value: Json) -> None:
        self._kind = type(value)
        match value:
            case str() if is_text_key(key):
                self._rule: Rule = Text()
            case dict():
                self._rule = Merged()
            case list():
                self._rule = Indexed()
            case _:
                self._rule = Last()

    def fits(self, value: Json) -> bool:
        """Whether the rule chosen for the first value can take this one as well."""
        return value is None or isinstance(value, self._kind)

    def add(self, value: Json) -> None:
        self._rule.add(value)

    def value(self) -> Json:
        return self._rule.value()


def whole_message(message: JsonObject) -> JsonObject:
    """A complete message as a delta that says the same: list entries keep apart what is apart.

    Tool calls are numbered by position (Q74), reasoning details as well unless their own numbers are distinct (Q48).
    """
    delta = with_distinct_details(message)
    calls = message.get("tool_calls")
    return delta | {"tool_calls": _numbered(calls)} if isinstance(calls, list) else delta


def with_distinct_details(message: JsonObject) -> JsonObject:
    """The message, its reasoning details numbered from 0 if they were not told apart by `index` (Q48)."""
    details = message.get("reasoning_details")
    if not isinstance(details, list) or _distinct(details):
        return message
    return message | {"reasoning_details": _numbered(details)}


def _numbered(entries: list[Json]) -> list[Json]:
    return [entry | {"index": index} if isinstance(entry, dict) else entry for index, entry in enumerate(entries)]


def _distinct(entries: list[Json]) -> bool:
    indexes = [entry.get("index") for entry in entries if isinstance(entry, dict)]
    return len(indexes) < 2 or (None not in indexes and len({dumps(index) for index in indexes}) == len(indexes))
