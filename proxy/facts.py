"""What an answer says about itself, for the log: tokens, timing, how it ended. A pure function of what is recorded.

It is worked out once for each recording, off the hot path: a hit's facts are those of the recording it was served from.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate
from typing import Final, Protocol

from chatreel.model import Json, JsonObject, Piece, WireForm
from chatreel.tokens import Tokens, tokens_of_completion
from chatreel.wire.choices import entries
from chatreel.wire.codec import dumps, loads_object
from chatreel.wire.reading import Reading, Verdict, read
from chatreel.wire.spoken import Spoken, spoken

_NANO: Final = 10**9
_USAGE: Final = ("usage", "x_groq", "timings")
"""Members of a completion that count tokens; `chatreel.tokens` reads those of the choices, too."""


class Answer(Protocol):
    """A recording, or as much of one as a hit needs."""

    @property
    def id(self) -> int: ...
    @property
    def recorded_at(self) -> float: ...
    @property
    def status(self) -> int: ...
    @property
    def form(self) -> WireForm: ...
    @property
    def body(self) -> bytes: ...
    @property
    def pieces(self) -> tuple[Piece, ...]: ...
    @property
    def completion(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What follows from an answer. `None`: it does not say, or there was none. Times in seconds after the request."""

    model_served: str | None = None
    """As the answer names it."""
    finish_reason: str | None = None
    """Of all choices; if they differ, each once, with commas."""
    error_type: str | None = None
    """What the API calls the error it reported; `truncated` or `corrupt` if the answer was that."""
    chunks: int | None = None
    """Events of a stream with anything of the answer in them, reasoning apart."""
    first_content: float | None = None
    """Arrival of the first of them."""
    last_content: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_prompt_tokens: int | None = None
    audio_completion_tokens: int | None = None
    service_tier: str | None = None
    reported_cost: int | None = None
    """Billionths of a USD, as the server itself says."""
    usage: str | None = None
    """JSON, as reported: what all of these numbers come from."""
    answered: bool = False
    """Whether there is a completion, or the beginning of one: then somebody may have to be paid."""

    @property
    def tokens(self) -> Tokens:
        """As prices want them."""
        return Tokens(
            prompt=self.prompt_tokens,
            completion=self.completion_tokens,
            cached=self.cached_tokens,
            cache_write=self.cache_write_tokens,
            reasoning=self.reasoning_tokens,
            audio_prompt=self.audio_prompt_tokens,
            audio_completion=self.audio_completion_tokens,
            tier=self.service_tier or "",
        )


NO_FACTS: Final = Facts()


def facts_of(answer: Answer, said: Spoken | None = None) -> Facts:
    """The facts of a recording. Raises nothing: what cannot be read says nothing.

    `said`: what its stream says, if it has just been read.
    """
    if not answer.completion:
        return facts_of_bytes(answer.status, answer.body, answer.pieces)
    if answer.form is WireForm.SSE and said is None:
        said = spoken(answer.body)
    return _facts(_object(answer.completion), said, answer.pieces)


def facts_of_bytes(status: int, body: bytes, pieces: tuple[Piece, ...]) -> Facts:
    """The facts of an answer that was not recorded, or is an error. Raises nothing."""
    reading = read(body, status=status)
    said = reading.spoken if reading.form is WireForm.SSE else None
    return replace(_facts(reading.completion, said, pieces), error_type=_error_type(reading))


def prompt_digest(document: bytes) -> str | None:
    """64 bits of a digest over the messages of a canonical document: what is asked, without the parameters.

    `None` if there are no messages.
    """
    body = (_object(document) or {}).get("body")
    messages = body.get("messages") if isinstance(body, dict) else None
    return blake2b(dumps(messages), digest_size=8).hexdigest() if messages else None


def _facts(completion: JsonObject | None, said: Spoken | None, pieces: tuple[Piece, ...]) -> Facts:
    """`said`: what was said in events, if it was a stream."""
    told = completion or {}
    tokens = tokens_of_completion(told)
    return Facts(
        model_served=_text(told.get("model")),
        finish_reason=_finish_reason(told),
        chunks=said.events if said else None,
        first_content=_arrival(said.first, pieces) if said else None,
        last_content=_arrival(said.last, pieces) if said else None,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        reasoning_tokens=tokens.reasoning,
        audio_prompt_tokens=tokens.audio_prompt,
        audio_completion_tokens=tokens.audio_completion,
        service_tier=tokens.tier or None,
        reported_cost=None if tokens.cost is None else int((tokens.cost * _NANO).to_integral_value()),
        usage=_usage(told),
        answered=completion is not None,
    )


def _arrival(position: int, pieces: tuple[Piece, ...]) -> float | None:
    """When so many bytes of the body had come; `None` for none."""
    ends = accumulate(piece.size for piece in pieces)
    reached = (piece.at for piece, end in zip(pieces, ends, strict=True) if end >= position)
    return next(reached, None) if position else None


def _finish_reason(completion: JsonObject) -> str | None:
    reasons = [_text(choice.get("finish_reason")) for choice in entries(completion.get("choices"))]
    return ",".join(dict.fromkeys(filter(None, reasons))) or None


def _usage(completion: JsonObject) -> str | None:
    """As it was reported: the object under `usage` as it is; if others count as well, each under its name."""
    said: JsonObject = {name: value for name in _USAGE if (value := completion.get(name))}
    inside: list[Json] = [usage for choice in entries(completion.get("choices")) if (usage := choice.get("usage"))]
    if inside:
        said["choices"] = inside
    if not said:
        return None
    return dumps(said["usage"] if said.keys() == {"usage"} else said).decode()


def _error_type(reading: Reading) -> str | None:
    if reading.verdict is Verdict.COMPLETE:
        return None
    error = reading.error
    if isinstance(error, dict):
        names = (_text(error.get(name)) for name in ("type", "code", "status"))
        if found := next(filter(None, names), None):
            return found
    return f"http_{reading.status}" if reading.status >= 400 else reading.verdict.value


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _object(text: bytes) -> JsonObject | None:
    try:
        return loads_object(text)
    except ValueError:
        return None
