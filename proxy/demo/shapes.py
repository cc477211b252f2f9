"""The API's shapes: choices as one `chat.completion`, and that as a stream of `chat.completion.chunk`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from chatreel.demo.prose import draw, tokens
from chatreel.demo.request import MODELS, ChatRequest, calls_of, parts_of, text_of

IMAGE_TOKENS = 85
"""What an image counts in the prompt: the price of one at low detail."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One choice before it has the API's shape."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """Name and arguments of each tool call."""
    finish: str = "stop"

    @property
    def size(self) -> int:
        """Tokens."""
        written = [self.text, self.reasoning, self.refusal, *(part for call in self.calls for part in call)]
        return sum(len(tokens(part)) for part in written)


def completion(request: ChatRequest, drafts: Sequence[Draft], created: int) -> dict[str, Any]:
    """`drafts` as the choices of one `chat.completion`; `created` is in seconds since the epoch."""
    return {
        "id": f"chatcmpl-{request.seed[:29]}",
        "object": "chat.completion",
        "created": created,
        "model": MODELS[request.model],
        "choices": [_choice(request, k, draft) for k, draft in enumerate(drafts)],
        "usage": _usage(request, drafts),
        "service_tier": "default",
        "system_fingerprint": f"fp_{draw(request.model, 2**40):010x}",
    }


def chunks(whole: Mapping[str, Any], *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """`whole` as the chunks of a stream, about one per token, choices taking turns (Q53), usage as asked for (Q28)."""
    envelope = {name: value for name, value in whole.items() if name not in {"choices", "usage"}}
    envelope["object"] = "chat.completion.chunk"
    turns = zip_longest(*(_deltas(choice) for choice in whole["choices"]))
    for delta in filter(None, chain.from_iterable(turns)):
        yield envelope | {"choices": [delta]} | ({"usage": None} if include_usage else {})
    if include_usage:
        yield envelope | {"choices": [], "usage": whole["usage"]}


def _deltas(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The choices of a stream that amount to `choice`: role, reasoning, text or refusal, tool calls, finish reason."""
    message, logprobs = choice["message"], choice["logprobs"]

    def delta(part: Mapping[str, Any], finish: str | None = None, scores: object = None) -> dict[str, Any]:
        return {"index": choice["index"], "delta": part, "logprobs": scores, "finish_reason": finish}

    yield delta({"role": "assistant", "content": message["content"] and "", "refusal": None})
    for name in ("reasoning_content", "content", "refusal"):
        for k, token in enumerate(tokens(message.get(name) or "")):
            scored = {"content": [logprobs["content"][k]], "refusal": None} if logprobs and name == "content" else None
            yield delta({name: token}, scores=scored)
    for k, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        yield delta({"tool_calls": [{"index": k, **call, "function": {**function, "arguments": ""}}]})
        for token in tokens(function["arguments"]):
            yield delta({"tool_calls": [{"index": k, "function": {"arguments": token}}]})
    yield delta({}, choice["finish_reason"])


def _choice(request: ChatRequest, index: int, draft: Draft) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": draft.text}
    if draft.calls or draft.refusal:
        message["content"] = None
    if draft.reasoning:
        message["reasoning_content"] = draft.reasoning
    message["refusal"] = draft.refusal or None
    if draft.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{draw(f'{request.seed} {index} {k}', 2**96):024x}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for k, (name, arguments) in enumerate(draft.calls)
        ]
    logprobs = _logprobs(request, draft) if request.body.get("logprobs") else None
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": draft.finish}


def _logprobs(request: ChatRequest, draft: Draft) -> dict[str, Any]:
    """A probability per token of the text, and the alternatives asked for, which are less likely each."""
    seed, width = request.seed, int(request.body.get("top_logprobs") or 0)
    entries = []
    for k, token in enumerate(tokens(draft.text)):
        first = _scored(token, -draw(f"{seed} {k}", 10**6) / 10**7)
        others = [_scored(token.swapcase() + "-" * rank, first["logprob"] - rank) for rank in range(1, width)]
        entries.append(first | {"top_logprobs": [first, *others] if width else []})
    return {"content": entries, "refusal": None}


def _scored(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": round(logprob, 7), "bytes": list(token.encode())}


def _usage(request: ChatRequest, drafts: Sequence[Draft]) -> dict[str, Any]:
    """Tokens of the request, as the API counts them roughly, and of all choices."""
    asked = 3 + sum(_prompt_size(message) for message in request.messages)
    asked += sum(len(tokens(json.dumps(tool))) for tool in request.tools)
    written = sum(draft.size for draft in drafts)
    return {
        "prompt_tokens": asked,
        "completion_tokens": written,
        "total_tokens": asked + written,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(len(tokens(draft.reasoning)) for draft in drafts),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _prompt_size(message: Mapping[str, Any]) -> int:
    images = [part for part in parts_of(message) if part.get("type") == "image_url"]
    texts = [text_of(message), *(json.dumps(call) for call in calls_of(message))]
    return 3 + IMAGE_TOKENS * len(images) + sum(len(tokens(text)) for text in texts)
