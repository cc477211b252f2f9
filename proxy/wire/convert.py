"""Answers to clients: a reading in the wire form that was asked for, converted if it was recorded in the other one."""

from dataclasses import dataclass
from typing import Final

from chatreel.errors import ChatreelError
from chatreel.model import JsonObject, Piece, WireForm
from chatreel.wire.api_errors import error_body, http_status
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Reading, Verdict
from chatreel.wire.rechunk import rechunk, with_ids
from chatreel.wire.sse import DONE, encode
from chatreel.wire.usage import with_usage, without_usage

JSON_TYPE: Final = "application/json"
SSE_TYPE: Final = "text/event-stream; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"


class NotConvertible(ChatreelError, ValueError):  # noqa: N818 - it names a property of the reading, not a fault of ours
    """A truncated or corrupt response: there is no other form of it that would tell the truth."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to the client."""

    status: int
    content_type: str
    body: bytes


def to_json(reading: Reading, seed: str) -> Answer:
    """The answer to a client that did not ask for a stream; a JSON body goes out as it came.

    An error in the middle of a stream becomes an HTTP error: of the status it names, 400..599, or else 502 (Q75).
    `seed` makes the ids that are missing: the cache key. Raises NotConvertible.
    """
    if reading.form is WireForm.JSON:
        return _verbatim(reading)
    if reading.verdict is Verdict.ERROR:
        status = reading.status if reading.status >= 300 else http_status(reading.error)
        return Answer(status, JSON_TYPE, dumps(error_body(reading.error, reading.reason)))
    return Answer(reading.status, JSON_TYPE, dumps(with_ids(_completion(reading), seed)))


def to_sse(reading: Reading, seed: str, include_usage: bool | None) -> Answer:
    """The answer to a client that asked for a stream; a stream goes out as it came, its usage apart.

    `include_usage`: True adds the usage chunk if usage is known, False takes usage out, None leaves a recorded stream
    alone (and is False for a converted one). Statuses that are no success go out as they came, as JSON (Q3); an error
    inside a 200 becomes the one event of a stream. `seed` as in `to_json`. Raises NotConvertible.
    """
    if reading.form is WireForm.SSE:
        return Answer(reading.status, SSE_TYPE, _recorded_stream(reading, include_usage))
    if not 200 <= reading.status <= 299:
        return _verbatim(reading)
    if reading.verdict is Verdict.ERROR:
        body = encode(dumps(error_body(reading.error, reading.reason))) + encode(DONE)
        return Answer(reading.status, SSE_TYPE, body)
    completion = with_ids(_completion(reading), seed)
    return Answer(reading.status, SSE_TYPE, rechunk(completion, include_usage=bool(include_usage)))


def spread(body: bytes, form: WireForm, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Arrival of a body that never arrived, in place of that of another: over the same time, a stream by its events."""
    times = [piece.at for piece in pieces] or [0.0]
    if form is WireForm.JSON:
        return (Piece(times[-1], len(body)),)
    blocks = [block + b"\n\n" for block in body.split(b"\n\n") if block]
    return tuple(Piece(times[place * len(times) // len(blocks)], len(block)) for place, block in enumerate(blocks))


def _verbatim(reading: Reading) -> Answer:
    is_json = reading.body.lstrip().startswith((b"{", b"["))
    return Answer(reading.status, JSON_TYPE if is_json else TEXT_TYPE, reading.body)


def _completion(reading: Reading) -> JsonObject:
    if reading.verdict is not Verdict.COMPLETE or reading.completion is None:
        raise NotConvertible(f"{reading.reason} It can only be sent as it was recorded.")
    return reading.completion


def _recorded_stream(reading: Reading, include_usage: bool | None) -> bytes:
    if include_usage is None or reading.verdict is not Verdict.COMPLETE or reading.completion is None:
        return reading.body
    if not include_usage:
        return without_usage(reading.body)
    return with_usage(reading.body, reading.completion.get("usage"))
