"""A chat completion request as the model of the demo sees it, and the ways in which it can be wrong."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODELS = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "deepseek-reasoner": "deepseek-reasoner",
}
"""The models on offer, each with the name it answers under."""

REASONING = frozenset({"deepseek-reasoner"})
"""The models that send `reasoning_content`."""

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})

PNG = b"\x89PNG\r\n\x1a\n"


class ApiError(Exception):
    """An answer other than 200, in the API's shape."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        """`param` names the member of the request that is wrong, `code` the kind of error for programs."""
        super().__init__(message)
        self.status = status
        kind = "authentication_error" if status == 401 else "invalid_request_error"
        self.body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that has passed the checks."""

    body: Mapping[str, Any]
    seed: str
    """Stands for all of the body that can change the answer."""

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.body["model"])

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation."""
        messages: Sequence[Mapping[str, Any]] = self.body["messages"]
        return messages

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return text_of(self.messages[-1])

    @property
    def choices(self) -> int:
        """How many answers are asked for."""
        return int(self.body.get("n") or 1)

    @property
    def limit(self) -> int | None:
        """The most tokens an answer may have."""
        return self.body.get("max_completion_tokens") or self.body.get("max_tokens")

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage (Q28)."""
        return bool(member(self.body, "stream_options").get("include_usage"))

    @property
    def tools(self) -> Sequence[Mapping[str, Any]]:
        """The functions on offer, each with `name`, `description` and `parameters`."""
        return [member(tool, "function") for tool in self.body.get("tools") or () if "function" in tool]


def parse(raw: bytes) -> ChatRequest:
    """The request in `raw`. Raises `ApiError` 400 for what the API would refuse, 404 for a model that is not there."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "The body of the request is not a JSON object.")
    for param, wrong, message in CHECKS:
        if wrong(body):
            raise ApiError(400, message, param=param, code="missing_required_parameter" if param not in body else None)
    if body["model"] not in MODELS:
        raise ApiError(404, f"The model `{body['model']}` does not exist.", param="model", code="model_not_found")
    asked = {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return ChatRequest(body, digest)


def member(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under `name`; an empty one if there is none."""
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def calls_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tool calls of a message of the assistant."""
    return [call for call in message.get("tool_calls") or () if isinstance(call, Mapping)]


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, its parts one after the other."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(str(part["text"]) for part in parts_of(message) if part.get("type") == "text")


def parts_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The content parts of a message; none if its content is a string."""
    content = message.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def image_size(url: str) -> tuple[int, int]:
    """Width and height in pixels of a PNG in a data URL. Raises `ApiError` 400 if it is none."""
    _, _, encoded = url.partition(";base64,")
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        data = b""
    if not url.startswith("data:image/png") or not data.startswith(PNG) or len(data) < 24:
        raise ApiError(400, "The image is not a PNG in a data URL.", param="messages", code="invalid_image")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _outside(name: str, low: float, high: float) -> Callable[[Mapping[str, Any]], bool]:
    """Whether the member `name` is given and not a number from `low` to `high`."""
    return lambda body: body.get(name) is not None and not _is_number(body[name], low, high)


def _has_odd_message(body: Mapping[str, Any]) -> bool:
    return any(not isinstance(message, dict) or message.get("role") not in ROLES for message in body["messages"])


def _has_orphan_result(body: Mapping[str, Any]) -> bool:
    """Whether a tool's result answers a call that no earlier message has made."""
    called: set[object] = set()
    for message in body["messages"]:
        if message["role"] == "tool" and message.get("tool_call_id") not in called:
            return True
        called |= {call.get("id") for call in calls_of(message)}
    return False


def _lacks_the_word_json(body: Mapping[str, Any]) -> bool:
    if member(body, "response_format").get("type") != "json_object":
        return False
    return not any(re.search("json", text_of(message), re.IGNORECASE) for message in body["messages"])


CHECKS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool], str], ...] = (
    ("model", lambda body: not isinstance(body.get("model"), str), "The request names no model."),
    ("messages", lambda body: not isinstance(body.get("messages"), list), "The request has no messages."),
    ("messages", lambda body: not body["messages"], "The list of messages is empty."),
    ("messages", _has_odd_message, f"A message needs a role: one of {', '.join(sorted(ROLES))}."),
    ("messages", _has_orphan_result, "A message of role `tool` must answer a call of an earlier message."),
    ("n", _outside("n", 1, 128), "`n` must be a number from 1 to 128."),
    ("temperature", _outside("temperature", 0, 2), "`temperature` must be a number from 0 to 2."),
    ("top_p", _outside("top_p", 0, 1), "`top_p` must be a number from 0 to 1."),
    ("max_tokens", _outside("max_tokens", 1, 1e6), "`max_tokens` must be at least 1."),
    ("max_completion_tokens", _outside("max_completion_tokens", 1, 1e6), "`max_completion_tokens` must be at least 1."),
    ("top_logprobs", _outside("top_logprobs", 0, 20), "`top_logprobs` must be a number from 0 to 20."),
    ("top_logprobs", lambda body: bool(body.get("top_logprobs")) and not body.get("logprobs"), "It needs `logprobs`."),
    ("response_format", _lacks_the_word_json, "For `json_object` the messages must mention JSON."),
)
"""What the API would refuse, in the order it is looked for: the member, whether it is wrong, and what to say."""
