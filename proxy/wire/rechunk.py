"""One completion to the strict canonical stream that every client accepts: same object, same bytes (K1-K11)."""

import hashlib
from collections.abc import Iterator
from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps
from chatreel.wire.reassemble import normalise
from chatreel.wire.sse import DONE, encode

SLICE: Final = 4096
"""Characters of content per chunk: even if all are escaped, a line stays below the 64 kB of Go's scanner (Q24)."""

_ENVELOPE: Final = ("id", "object", "created", "model", "service_tier", "system_fingerprint")
"""Members of a completion that every chunk repeats (K1)."""

_FIRST_CHUNK: Final = "prompt_filter_results"
"""What Azure says about the prompt, before any choice (Q26)."""

_OWN_DELTAS: Final = frozenset({"role", "content", "refusal", "tool_calls", "function_call", "audio"})
"""Members of a message that do not travel in the one delta of extensions (K2)."""

_GROWING: Final = {"function": "arguments", "custom": "input"}

type _Step = tuple[JsonObject, Json]
"""A delta and the log probabilities beside it."""


def rechunk(completion: JsonObject, *, include_usage: bool, fallback_id: str = "chatcmpl-0") -> bytes:
    """The completion as a stream, `[DONE]` included: UTF-8, one line of JSON and a blank line per chunk (K6).

    `include_usage`: `usage: null` in every chunk and the real one in a last chunk of its own, if it is known; else no
    usage anywhere (Q28, Q34). `fallback_id`: for a completion without id; derive it from the cache key (Q36).
    """
    whole = normalise(completion)
    whole["id"] = whole["id"] or fallback_id
    return b"".join(encode(dumps(chunk)) for chunk in _chunks(whole, include_usage=include_usage)) + encode(DONE)


def with_ids(completion: JsonObject, seed: str) -> JsonObject:
    """The completion, normalised, with an id of its own and one for every tool call that lacks it (Q36, Q66).

    The ids depend on the seed, the choice and the position alone, so that both wire forms carry the same: a client
    sends them back in its next request. Existing ids stay.
    """
    whole = normalise(completion)
    whole["id"] = whole["id"] or f"chatcmpl-{_digest(seed)}"
    for choice in _objects(whole["choices"]):
        message = choice["message"]
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        if isinstance(message, dict) and calls is not None:
            message["tool_calls"] = [
                {"id": f"call_{_digest(seed, choice['index'], ordinal)}", **call}
                for ordinal, call in enumerate(_objects(calls))
            ]
    return whole


def _digest(*parts: Json) -> str:
    return hashlib.sha256(dumps(list(parts))).hexdigest()[:24]


def _chunks(whole: JsonObject, *, include_usage: bool) -> Iterator[JsonObject]:
    envelope: JsonObject = {key: whole[key] for key in _ENVELOPE if key in whole}
    envelope["object"] = "chat.completion.chunk"
    tail: JsonObject = {"usage": None} if include_usage else {}
    if _FIRST_CHUNK in whole:
        yield {**envelope, "choices": [], _FIRST_CHUNK: whole[_FIRST_CHUNK], **tail}
    pieces = [piece for choice in _objects(whole["choices"]) for piece in _choice(choice)]
    handled = {*_ENVELOPE, _FIRST_CHUNK, "choices", "usage"}
    vendor = {key: value for key, value in whole.items() if key not in handled}
    for position, piece in enumerate(pieces, start=1):
        yield {**envelope, "choices": [piece], **tail, **(vendor if position == len(pieces) else {})}
    if include_usage and "usage" in whole:
        yield {**envelope, "choices": [], "usage": whole["usage"]}


def _choice(choice: JsonObject) -> Iterator[JsonObject]:
    """The entries of one choice: its deltas, then its end, in a chunk of its own (Q44, K3)."""
    message = choice["message"]
    logprobs = choice["logprobs"]
    for delta, beside in _steps(message if isinstance(message, dict) else {}, logprobs):
        yield {"index": choice["index"], "delta": delta, "logprobs": beside, "finish_reason": None}
    extras = {key: value for key, value in choice.items() if key not in ("index", "message", "logprobs")}
    yield {"index": choice["index"], "delta": {}, "logprobs": None} | extras


def _steps(message: JsonObject, logprobs: Json) -> Iterator[_Step]:
    yield _first_delta(message), None
    if extensions := {key: value for key, value in message.items() if key not in _OWN_DELTAS}:
        yield extensions, None
    said = [*_content(message["content"]), *_refusal(message["refusal"])] or ([{}] if logprobs is not None else [])
    for position, delta in enumerate(said):
        yield delta, logprobs if position == 0 else None
    for position, call in enumerate(_objects(message.get("tool_calls"))):
        for piece in _tool_call(call, position):
            yield {"tool_calls": [piece]}, None
    for opened in _opened(_objects([message.get("function_call")])):
        yield {"function_call": opened}, None
    for spoken in _audio(message.get("audio")):
        yield {"audio": spoken}, None


def _first_delta(message: JsonObject) -> JsonObject:
    """`content` starts as the "" that text is appended to, or as null where none follows, or a list (K2)."""
    content = "" if isinstance(message["content"], str) else None
    return {"role": message["role"], "content": content, "refusal": None}


def _content(content: Json) -> list[JsonObject]:
    if isinstance(content, str):
        return [{"content": content[start : start + SLICE]} for start in range(0, len(content), SLICE)]
    return [] if content is None else [{"content": content}]  # a list goes out whole (Q49)


def _refusal(refusal: Json) -> list[JsonObject]:
    return [] if refusal is None else [{"refusal": refusal}]


def _tool_call(call: JsonObject, position: int) -> Iterator[JsonObject]:
    """Everything but the growing text, which follows in a second delta unless it is empty (K2e, Q60)."""
    first: JsonObject = {"index": position, **call}
    second: JsonObject = {"index": position}
    for member, text in _GROWING.items():
        body = call.get(member)
        if isinstance(body, dict):
            first[member] = {**body, text: ""}
            if body.get(text):
                second[member] = {text: body[text]}
    yield first
    if len(second) > 1:
        yield second


def _opened(bodies: list[JsonObject]) -> Iterator[JsonObject]:
    for body in bodies:
        yield {**body, "arguments": ""}
        if body["arguments"]:
            yield {"arguments": body["arguments"]}


def _audio(audio: Json) -> Iterator[Json]:
    """Each member once: id, transcript and the like, then the data, then the end (Q56)."""
    if not isinstance(audio, dict):
        yield from [] if audio is None else [audio]
        return
    last = ("data", "expires_at")
    if first := {key: value for key, value in audio.items() if key not in last}:
        yield first
    yield from ({key: audio[key]} for key in last if key in audio)


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
