"""Recordings as the proxy would have made them, without a proxy."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatreel import canonical
from chatreel.model import Json, JsonObject, Piece, Recording
from chatreel.request import DEFAULT_KEYS, Keys
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Verdict, read
from chatreel.wire.rechunk import rechunk
from chatreel.wire.sse import DONE, encode

UPSTREAM = "https://api.example"
PATH = "/v1/chat/completions"
KEYED_BY = canonical.keyed_by(DEFAULT_KEYS.options)
MONDAY = 1_785_000_000.0


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request went."""

    upstream: str = UPSTREAM
    path: str = PATH
    query: str = ""
    tenant: str | None = None


def ask(text: str = "Hello", **members: Json) -> JsonObject:
    """A request of one message."""
    body: JsonObject = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
    return body | members


def completion(text: str = "Hi there.", **members: Json) -> JsonObject:
    """What answers it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_785_000_000,
        "model": "gpt-4o-mini",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        **members,
    }


def events(*texts: str) -> list[bytes]:
    """A stream, as its events."""
    head: JsonObject = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_785_000_000,
        "model": "gpt-4o-mini",
    }
    said: list[JsonObject] = [{"content": text} for text in texts]
    deltas: list[JsonObject] = [{"role": "assistant", "content": ""}, *said, {}]
    choices: list[JsonObject] = [
        {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"} for delta in deltas
    ]
    return [*(encode(dumps({**head, "choices": [choice]})) for choice in choices), encode(DONE)]


def in_events(body: bytes) -> tuple[Piece, ...]:
    """Arrival of a stream, an event every 20 ms."""
    blocks = [block + b"\n\n" for block in body.split(b"\n\n") if block]
    return tuple(Piece(round(0.3 + 0.02 * number, 6), len(block)) for number, block in enumerate(blocks))


def recorded(
    request: JsonObject,
    body: bytes,
    *,
    at: float = MONDAY,
    status: int = 200,
    pieces: Sequence[Piece] | None = None,
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),),
    keys: Keys = DEFAULT_KEYS,
    usage_added: bool = False,
) -> Recording:
    """An exchange as it would stand in a store."""
    reading = read(body, status=status)
    model = request.get("model")
    return Recording(
        identity=keys.identify(Route(), request),
        upstream=UPSTREAM,
        path=PATH,
        model=model if isinstance(model, str) else "",
        recorded_at=at,
        request=dumps(request),
        status=status,
        headers=headers,
        form=reading.form,
        body=body,
        pieces=tuple(pieces) if pieces is not None else (Piece(0.5, len(body)),),
        completion=dumps(reading.completion) if reading.verdict is Verdict.COMPLETE else b"",
        usage_added=usage_added,
    )


def said(text: str, answer: str, *, at: float = MONDAY, stream: bool = False, **members: Json) -> Recording:
    """A question and its answer, as JSON or as a stream."""
    if not stream:
        return recorded(ask(text, **members), dumps(completion(answer)), at=at)
    body = rechunk(completion(answer), include_usage=False)
    return recorded(
        ask(text, stream=True, **members),
        body,
        at=at,
        pieces=in_events(body),
        headers=(("content-type", "text/event-stream"),),
    )
