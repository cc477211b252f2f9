"""What a scripted upstream got and what it answers: requests, replies, and answers in the API's shape.

Everything here is deterministic: the same arguments give the same bytes, ids and `created` included.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

CREATED = 1_700_000_000
"""`created` of every answer, seconds since the epoch."""

MODEL = "gpt-4o-mini"

USAGE: dict[str, int] = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}

PATIENCE = 30.0
"""Seconds after which a gate that nobody opens, or a call that does not come, is taken for a mistake of the test."""

type Gate = Event | Callable[[], object]
"""Something to wait for: an event that gets set, or a callable that returns."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    """Without the query."""
    query: str
    headers: Mapping[str, str]
    """Lower-case names; the values of a repeated name are joined with `, `."""
    body: bytes
    """After transfer decoding."""
    connection: int = 0
    """Which TCP connection it came on, counted from 1."""

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError` if it is not."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. With `pieces` the body goes out chunked: one HTTP chunk and one write per piece."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Sequence[bytes] | None = None
    gap: float = 0.0
    """Seconds between two pieces."""
    gates: Sequence[Gate | None] = ()
    """`gates[k]` is waited for before `pieces[k]` goes out; one gate more holds back the end of the body."""
    interim: Sequence[int] = ()
    """Statuses of responses that come before this one, as in 103."""
    hold: Gate | None = None
    """Waited for before the status line goes out, but after what is interim."""
    cut: bool = False
    """Reset the connection after the last piece instead of ending the body."""

    def __post_init__(self) -> None:
        """Refuse what cannot be sent as asked."""
        if self.pieces is None and (self.gap or self.gates or self.cut):
            raise ValueError("gap, gates and cut need pieces")
        if self.pieces is not None and self.body:
            raise ValueError("give a body or pieces, not both")
        if not all(self.pieces or [b"-"]):
            raise ValueError("an empty piece would end the chunked body")


def wait_at(gate: Gate | None) -> None:
    """Return once `gate` is open; None is always open. Raises `TimeoutError` if an event is not set in time."""
    if not isinstance(gate, Event):
        if gate is not None:
            gate()
    elif not gate.wait(PATIENCE):
        raise TimeoutError(f"Nobody opened a gate within {PATIENCE} s.")


def digest(*parts: object) -> str:
    """24 hexadecimal digits that stand for `parts`."""
    return hashlib.sha256(dumps(parts)).hexdigest()[:24]


def dumps(value: object) -> bytes:
    """Compact JSON, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(value: object) -> bytes:
    """`value` as one server-sent event."""
    return b"data: " + dumps(value) + b"\n\n"


def completion(
    text: str | None = "Hello.",
    *,
    model: str = MODEL,
    tool_calls: Sequence[tuple[str, str]] = (),
    usage: Mapping[str, Any] | None = USAGE,
    headers: Mapping[str, str] | None = None,
    hold: Gate | None = None,
    **more: Any,
) -> Reply:
    """A 200 with one `chat.completion`. `tool_calls` are (name, arguments); `more` sets further top-level members."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if tool_calls:
        message |= {"content": text or None, "tool_calls": _calls(tool_calls)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(tool_calls)}
    body = _envelope("chat.completion", model, (text, tool_calls)) | {"choices": [choice]}
    body |= ({"usage": dict(usage)} if usage is not None else {}) | more
    return Reply(headers={"content-type": "application/json"} | dict(headers or {}), body=dumps(body), hold=hold)


def stream(
    texts: Sequence[str] = ("Hel", "lo."),
    *,
    model: str = MODEL,
    tool_calls: Sequence[tuple[str, str]] = (),
    usage: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    gap: float = 0.0,
    gates: Sequence[Gate | None] = (),
    hold: Gate | None = None,
    cut: bool = False,
    **more: Any,
) -> Reply:
    """A 200 that streams `chat.completion.chunk` events, one piece each.

    In order: the role, `texts`, the tool calls, the finish reason, `usage` the way `include_usage` has it sent (Q28),
    `[DONE]`. With `cut` the stream breaks off after the texts. `more` sets further top-level members of each chunk.
    """
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "" if texts or not tool_calls else None}]
    deltas += [{"content": text} for text in texts]
    if cut:
        choices, tail = [_choice(delta) for delta in deltas], []
    else:
        deltas += [delta for k, call in enumerate(_calls(tool_calls)) for delta in _call_deltas(k, call)]
        choices = [*(_choice(delta) for delta in deltas), _choice({}, _finish(tool_calls))]
        tail = [b"data: [DONE]\n\n"]
    envelope = _envelope("chat.completion.chunk", model, ("".join(texts) or None, tool_calls))
    extra = {} if usage is None else {"usage": None}
    events = [event(envelope | {"choices": [choice]} | extra | more) for choice in choices]
    if usage is not None and not cut:
        events.append(event(envelope | {"choices": [], "usage": dict(usage)} | more))
    return Reply(
        headers={"content-type": "text/event-stream; charset=utf-8"} | dict(headers or {}),
        pieces=[*events, *tail],
        gap=gap,
        gates=gates,
        hold=hold,
        cut=cut,
    )


def error(
    status: int,
    message: str = "The scripted upstream says no.",
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error in the API's shape, `{"error": {message, type, param, code}}`."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")
    body = {"message": message, "type": "server_error" if status >= 500 else kind, "param": param, "code": code}
    return Reply(
        status=status, headers={"content-type": "application/json"} | dict(headers or {}), body=dumps({"error": body})
    )


def answer_to(body: Mapping[str, Any]) -> str:
    """The text that `echo` answers with: the last message, and a digest of all that could change the answer."""
    asked = {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}
    last = body["messages"][-1].get("content")
    said = last if isinstance(last, str) else dumps(last).decode()
    return f"You said: {said} [{digest(dict(sorted(asked.items())))[:8]}]"


def echo(request: Request) -> Reply:
    """The answer of an upstream that was told nothing: `answer_to` the request, in the wire form it asked for."""
    if request.method != "POST" or not request.path.endswith("/chat/completions"):
        return error(404, f"Unknown request URL: {request.method} {request.path}.", code="unknown_url")
    try:
        body = request.json()
        text = answer_to(body)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return error(400, "The body is not a chat completion request.")
    model = str(body.get("model", MODEL))
    if not body.get("stream"):
        return completion(text, model=model)
    asked = (body.get("stream_options") or {}).get("include_usage")
    middle = len(text) // 2
    return stream((text[:middle], text[middle:]), model=model, usage=USAGE if asked else None)


def _envelope(kind: str, model: str, seed: object) -> dict[str, Any]:
    return {"id": f"chatcmpl-{digest(model, seed)}", "object": kind, "created": CREATED, "model": model}


def _choice(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _finish(tool_calls: Sequence[object]) -> str:
    return "tool_calls" if tool_calls else "stop"


def _calls(tool_calls: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{digest(k, name, arguments)}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for k, (name, arguments) in enumerate(tool_calls)
    ]


def _call_deltas(index: int, call: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The call opened, then its arguments in two halves, as the API streams them (Q61)."""
    arguments: str = call["function"]["arguments"]
    opened = {"index": index, **call, "function": {**call["function"], "arguments": ""}}
    halves = [half for half in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]) if half]
    return [{"tool_calls": [opened]}] + [
        {"tool_calls": [{"index": index, "function": {"arguments": half}}]} for half in halves
    ]
