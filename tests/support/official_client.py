"""The official `openai` client as a judge: what it makes of a stream, and what that should be."""

import warnings
from collections import deque
from functools import cache
from typing import Any

import httpx2
import openai
from openai import APIError
from openai.lib.streaming.chat import ChatCompletionStreamState

from chatreel.model import JsonObject

__all__ = ["APIError", "accumulate", "expected", "understood"]

_BODIES: deque[bytes] = deque()


def accumulate(body: bytes) -> dict[str, Any]:
    """What the client's own accumulator makes of a whole stream: `{"choices": [...], "usage", ...}`, nulls left out."""
    _BODIES.append(body)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # content that is a list is not what its types say
        for chunk in _client().chat.completions.create(model="any", messages=[], stream=True):
            state.handle_chunk(chunk)
        return state.current_completion_snapshot.to_dict(mode="json")


def understood(snapshot: dict[str, Any]) -> dict[str, Any]:
    """The snapshot, reduced to what `expected` lists."""
    choices = [_choice(choice) for choice in snapshot["choices"]]
    for choice in choices:
        for call in choice["message"].get("tool_calls", []):
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    return {"choices": choices, "usage": snapshot.get("usage")}


def expected(completion: JsonObject) -> dict[str, Any]:
    """What the client has to find in the stream of a normalised completion: all of every message, logprobs, usage."""
    whole: dict[str, Any] = dict(completion)
    return {"choices": [_choice(choice) for choice in whole["choices"]], "usage": whole.get("usage")}


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = {key: value for key, value in choice["message"].items() if value is not None}
    logprobs = {key: value for key, value in (choice.get("logprobs") or {}).items() if value is not None}
    return {"message": message, "logprobs": logprobs, "finish_reason": choice.get("finish_reason")}


@cache
def _client() -> openai.OpenAI:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=_BODIES.popleft())

    transport = httpx2.MockTransport(answer)
    return openai.OpenAI(api_key="test", http_client=openai.DefaultHttpxClient(transport=transport), max_retries=0)
