"""Reads fixtures of aimock (and llmock, its older name), where they carry a whole question.

A fixture is a condition and an answer: "if the last user message contains this". chatreel replays an answer to one
exact request, so only a fixture that is about a model and the whole text of a first question can be one. Everything
else is refused, with what it lacks.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from chatreel.formats import content
from chatreel.formats.foreign import Exchange, Found, Refused, Unreadable
from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps

URL: Final = "https://api.openai.com/v1/chat/completions"
"""aimock stands in for this API unless it is told otherwise."""

_USABLE: Final = frozenset(
    {"userMessage", "systemMessage", "model", "sequenceIndex", "turnIndex", "hasToolResult", "endpoint"}
)
_FIRST_TURN: Final = {"turnIndex": 0, "hasToolResult": False, "endpoint": "chat"}
"""Conditions that a first question meets; other values of them are about later turns, or other APIs."""

_NOTE: Final = "made from a condition: it answers exactly this question, no longer every one that contains it"


def read(data: bytes) -> list[Found]:
    """All fixtures of a file, those of one sequence in its order. Raises `Unreadable` if it is no file of fixtures."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"this is not JSON: {error}") from error
    fixtures = document.get("fixtures") if isinstance(document, dict) else None
    if not isinstance(fixtures, list):
        raise Unreadable("this is no file of fixtures: `fixtures` is missing")
    numbered = [(_sequence(fixture), number, fixture) for number, fixture in enumerate(fixtures, start=1)]
    return [*_found([(number, fixture) for _, number, fixture in sorted(numbered, key=lambda entry: entry[:2])])]


def _sequence(fixture: Any) -> int:
    match fixture:
        case {"match": {"sequenceIndex": int(index)}}:
            return index
    return 0


def _found(fixtures: list[tuple[int, Any]]) -> Iterator[Found]:
    for number, fixture in fixtures:
        place = f"fixture {number}"
        try:
            yield _exchange(fixture, place)
        except Unreadable as error:
            yield Refused(place, str(error))


def _exchange(fixture: Any, place: str) -> Exchange:
    match fixture:
        case {"match": dict(match), "response": dict(response)}:
            request = _request(match)
            status, answer = _answer(response, request, place)
            headers = (("content-type", "application/json"),)
            return Exchange(place, "POST", URL, dumps(request), status, headers, dumps(answer), exact=False, note=_NOTE)
    raise Unreadable("it has no `match` and `response`")


def _request(match: dict[str, Any]) -> JsonObject:
    if unusable := match.keys() - _USABLE:
        raise Unreadable(f"its condition {min(unusable)!r} does not say what the request was")
    for name, first in _FIRST_TURN.items():
        if match.get(name, first) != first:
            raise Unreadable(
                f"it is about a later turn or another API ({name} {match[name]!r}): what came before is not in it"
            )
    user, model, system = match.get("userMessage"), match.get("model"), match.get("systemMessage")
    if not isinstance(user, str) or not isinstance(model, str):
        raise Unreadable("it names no model or no text of a user message, so what was asked is not in it")
    if not isinstance(system, str | None):
        raise Unreadable("its system message is given in parts only")
    messages: list[Json] = [{"role": "system", "content": system}] if system is not None else []
    return {"model": model, "messages": [*messages, {"role": "user", "content": user}]}


def _answer(response: dict[str, Any], request: JsonObject, place: str) -> tuple[int, JsonObject]:
    """Status, and the body that aimock would send, but for what it makes up: ids and times come from the request."""
    if isinstance(error := response.get("error"), dict):
        return int(response.get("status") or 500), {"error": error}
    if "blocks" in response:
        raise Unreadable("its answer is a list of blocks, whose order no completion can say")
    calls, said = response.get("toolCalls"), response.get("content")
    if calls is None and said is None:
        raise Unreadable("its answer has neither `content` nor `toolCalls`")
    seed = sha256(dumps(request) + place.encode()).hexdigest()
    message: JsonObject = {"role": "assistant", "content": _text(said)}
    if isinstance(response.get("reasoning"), str):
        message["reasoning_content"] = response["reasoning"]
    if calls:
        message["tool_calls"] = [_call(call, seed, number) for number, call in enumerate(calls)]
    model = request["model"]
    return 200, {
        "id": response.get("id", f"chatcmpl-{seed[:24]}"),
        "object": "chat.completion",
        "created": response.get("created", 0),
        "model": response.get("model", model),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        **({"usage": response["usage"]} if isinstance(response.get("usage"), dict) else {}),
    }


def _call(call: Any, seed: str, number: int) -> JsonObject:
    match call:
        case {"name": str(name), "arguments": arguments}:
            function: JsonObject = {"name": name, "arguments": _text(arguments)}
            return {"id": str(call.get("id") or f"call_{seed[:20]}{number}"), "type": "function", "function": function}
    raise Unreadable("a tool call of its answer has no name or no arguments")


def _text(value: Any) -> str | None:
    """Text as it is; a value stands for its JSON, as aimock reads it."""
    return value if isinstance(value, str | None) else content.compact(value).decode()
