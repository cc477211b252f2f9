"""A request and its answer as turns of a conversation.

Text is kept as it was written; what is no text is told by its size.
"""

from dataclasses import dataclass

from chatreel.model import Json, JsonObject
from chatreel.portrait import message_lines
from chatreel.wire.codec import loads

_REASONING = ("reasoning_content", "reasoning")


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody says."""

    role: str
    text: str
    """Lines as `chatreel show` prints them; control characters are visible."""
    reasoning: str = ""
    """What the model thought before; empty if it does not tell."""
    note: str = ""
    """Of an answer: which choice it is, and why it ended."""


def turns(request: bytes) -> list[Turn]:
    """The messages of a request, in order; none if it cannot be read."""
    return [_turn(message) for message in _objects(_parsed(request).get("messages"))]


def answers(completion: bytes) -> list[Turn]:
    """The choices of a completion, in order; none if it is none."""
    choices = _objects(_parsed(completion).get("choices"))
    return [_answer(choice, number if len(choices) > 1 else 0) for number, choice in enumerate(choices, 1)]


def settings(request: bytes) -> dict[str, Json]:
    """What a request says besides its messages and its tools."""
    body = _parsed(request)
    return {name: value for name, value in body.items() if name not in ("messages", "tools", "functions")}


def tools(request: bytes) -> list[JsonObject]:
    """The tools that a request offers."""
    body = _parsed(request)
    return [*_objects(body.get("tools")), *_objects(body.get("functions"))]


def _answer(choice: JsonObject, number: int) -> Turn:
    message = choice.get("message")
    said = _turn(message if isinstance(message, dict) else {})
    parts = [f"choice {number}"] if number else []
    parts += [f"ended with {reason}"] if isinstance(reason := choice.get("finish_reason"), str) else []
    return Turn(said.role or "assistant", said.text, said.reasoning, ", ".join(parts))


def _turn(message: JsonObject) -> Turn:
    plain = {name: value for name, value in message.items() if name not in _REASONING}
    _, *lines = message_lines(plain)
    role = message.get("role")
    return Turn(
        role if isinstance(role, str) else "", "\n".join(line.removeprefix("  ") for line in lines), _thought(message)
    )


def _thought(message: JsonObject) -> str:
    found = (message.get(name) for name in _REASONING)
    return next((text for text in found if isinstance(text, str) and text), "")


def _objects(value: Json) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _parsed(text: bytes) -> JsonObject:
    try:
        value = loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
