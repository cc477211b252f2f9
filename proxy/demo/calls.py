"""The calls of the tour: what an application asks in a day, in a dozen varied requests."""

import base64
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the tour."""

    title: str
    """A few words for a list."""
    arguments: Mapping[str, Any]
    """Keyword arguments for `chat.completions.create` of the official client."""

    @property
    def streams(self) -> bool:
        """Whether the answer travels as a stream."""
        return bool(self.arguments.get("stream"))


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A picture of one colour (PNG specification, third edition: signature, IHDR, IDAT, IEND)."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(colour) * width) * height
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows, 9)) + part(b"IEND", b"")


def _system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def _user(content: str | list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "user", "content": content}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The current weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}

EVENT = {
    "name": "event",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "day": {"type": "string"},
            "hour": {"type": "integer", "minimum": 0, "maximum": 23},
            "guests": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["title", "day", "hour", "guests"],
        "additionalProperties": False,
    },
}

SQUARE = f"data:image/png;base64,{base64.b64encode(png(16, 16, (0, 128, 128))).decode()}"

WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}

FORECAST_CALL = {
    "id": "call_forecast_oslo",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Oslo", "unit": "celsius"}'},
}

CALLS = (
    Call(
        "a plain question",
        {"model": "gpt-4o-mini", "messages": [_user("What makes a cache hard to get right?")]},
    ),
    Call(
        "the same kind of question, streamed",
        {"model": "gpt-4o-mini", "messages": [_user("Why does streaming an answer feel faster?")], "stream": True},
    ),
    Call(
        "a system prompt and a conversation",
        {
            "model": "gpt-4o",
            "messages": [
                _system("You are a terse senior engineer."),
                _user("My tests fail once a week."),
                {"role": "assistant", "content": "Do they wait for time to pass?"},
                _user("Yes, some of the tests sleep. What should I do?"),
            ],
            "temperature": 0.2,
        },
    ),
    Call(
        "parallel tool calls, streamed",
        {
            "model": "gpt-4o-mini",
            "messages": [_user("Compare the weather in Oslo and Buenos Aires, in celsius.")],
            "tools": [WEATHER],
            **WITH_USAGE,
        },
    ),
    Call(
        "the turn after a tool call",
        {
            "model": "gpt-4o-mini",
            "messages": [
                _user("How is the weather in Oslo?"),
                {"role": "assistant", "content": None, "tool_calls": [FORECAST_CALL]},
                {
                    "role": "tool",
                    "tool_call_id": FORECAST_CALL["id"],
                    "content": '{"city": "Oslo", "temperature": 7, "sky": "light rain"}',
                },
            ],
            "tools": [WEATHER],
        },
    ),
    Call(
        "two answers to choose from",
        {
            "model": "gpt-4o",
            "messages": [_user("A name for a bakery that opens at night?")],
            "n": 2,
            "temperature": 1.1,
        },
    ),
    Call(
        "structured output",
        {
            "model": "gpt-4.1-mini",
            "messages": [_user("Put it in my calendar: team lunch with Ana, Bo and Chidi on Friday at 12.")],
            "response_format": {"type": "json_schema", "json_schema": EVENT},
        },
    ),
    Call(
        "a picture",
        {
            "model": "gpt-4o",
            "messages": [
                _user(
                    [
                        {"type": "text", "text": "What is in this picture?"},
                        {"type": "image_url", "image_url": {"url": SQUARE, "detail": "low"}},
                    ]
                )
            ],
        },
    ),
    Call(
        "log probabilities",
        {
            "model": "gpt-4o-mini",
            "messages": [_user("How do I sort names in Python?")],
            "logprobs": True,
            "top_logprobs": 2,
            "max_completion_tokens": 40,
        },
    ),
    Call(
        "a reasoning model, streamed",
        {
            "model": "deepseek-reasoner",
            "messages": [_user("Is it safe to replay a recorded answer for a prompt that differs by one space?")],
            **WITH_USAGE,
        },
    ),
    Call(
        "a seed and a stop sequence",
        {
            "model": "gpt-4o-mini",
            "messages": [_user("Write a haiku about rain.")],
            "seed": 20_260_101,
            "stop": ["\n\n"],
            "temperature": 0,
        },
    ),
    Call(
        "a long answer, streamed",
        {
            "model": "gpt-4.1-mini",
            "messages": [_system("You are a storyteller."), _user("Tell me a long story about a lighthouse.")],
            **WITH_USAGE,
        },
    ),
)
"""In the order of the tour; both wire forms occur."""
