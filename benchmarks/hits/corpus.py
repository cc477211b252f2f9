"""Calls made up by number, the same in every process: a request of 1.5 KB, an answer whose size is always the same."""

import json
from dataclasses import dataclass
from enum import StrEnum

EVENTS = 120
"""Of a stream, about 25 KB."""

_TEXT = "the quick brown fox jumps over a lazy dog while it rains upon the old harbour and nobody looks up"
_WORDS = tuple(_TEXT.split())


class Form(StrEnum):
    """How the answer travels."""

    JSON = "json"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent, and what has to come back."""

    request: bytes
    answer: bytes


def call(form: Form, number: int) -> Call:
    """The call of that number."""
    said = f"{prose(number, 40)} ({number:08})"
    asked: dict[str, object] = {
        "model": "gpt-4o",
        "temperature": 0.2,
        "messages": [
            {"role": "system", "content": prose(7, 160)},
            {"role": "user", "content": f"Question {number:08}: {prose(number, 60)}"},
        ],
    }
    if form is Form.STREAM:
        asked["stream"] = True
    answer = completion(said, number) if form is Form.JSON else stream(said, number)
    return Call(json.dumps(asked).encode(), answer)


def prose(seed: int, count: int) -> str:
    """So many words, of the same length in all whatever the seed."""
    return " ".join(_WORDS[(seed + at) % len(_WORDS)].ljust(5, "e")[:5] for at in range(count))


def completion(said: str, number: int) -> bytes:
    """An answer of about 1.2 KB."""
    document = {
        "id": f"chatcmpl-{number:08}",
        "object": "chat.completion",
        "created": 1_785_000_000,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": f"{said} {prose(3, 100)}", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 320, "completion_tokens": 140, "total_tokens": 460},
        "system_fingerprint": "fp_0123456789",
    }
    return json.dumps(document, separators=(",", ":")).encode()


def stream(said: str, number: int) -> bytes:
    """The same as a stream of `EVENTS` events and `[DONE]`."""
    words = [f"{word} " for word in f"{said} {prose(3, EVENTS)}".split()][: EVENTS - 2]
    head = {
        "id": f"chatcmpl-{number:08}",
        "object": "chat.completion.chunk",
        "created": 1_785_000_000,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_0123456789",
    }
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in words]
    deltas.append(({}, "stop"))
    events = [
        head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": why}]}
        for delta, why in deltas
    ]
    lines = [f"data: {json.dumps(event, separators=(',', ':'))}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()
