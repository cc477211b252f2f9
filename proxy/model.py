"""The values everything else speaks in: plain, frozen, without behaviour that needs a clock, a socket or a database.

Those that each hit makes are named tuples: to make a frozen dataclass takes four times as long.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import orjson

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
"""Anything that JSON can say. `dict` keeps the order in which the members travelled."""

type JsonObject = dict[str, Json]


class Mode(StrEnum):
    """What to do with a request that is, or is not, recorded. VCR's names are accepted: see `chatreel.decide`."""

    CACHE = "cache"
    REPLAY = "replay"
    RECORD = "record"
    ONCE = "once"
    PASSTHROUGH = "passthrough"


class WireForm(StrEnum):
    """How a response travels."""

    JSON = "json"
    SSE = "sse"


class Outcome(StrEnum):
    """What became of a call; one of these stands in its log row."""

    HIT = "hit"
    RECORDED = "recorded"
    COALESCED = "coalesced"
    PASSED = "passed"
    REFUSED = "refused"
    FAILED = "failed"


SERVED: Final = frozenset({Outcome.HIT, Outcome.COALESCED})
"""Outcomes of calls that a recording answered: the upstream was not paid for them."""

UPSTREAM: Final = frozenset({Outcome.RECORDED, Outcome.PASSED, Outcome.FAILED})
"""Outcomes of calls that somebody was paid for, if there was an answer."""


class Piece(NamedTuple):
    """Bytes of a response body that arrived together."""

    at: float
    """Seconds from the moment the request went upstream."""
    size: int
    """Bytes."""


class Identity(NamedTuple):
    """What makes two requests the same call: the key, and the document it is the digest of."""

    key: str
    """`v1:` and 64 hexadecimal digits: SHA-256 over `document`."""
    document: bytes
    """The canonical document, UTF-8 JSON: `{"v", "upstream", "path", "query", "body"}`."""


class Take(NamedTuple):
    """One of the recordings that a key holds, as far as choosing among them goes."""

    id: int
    form: WireForm
    is_error: bool = False
    """Errors are JSON, whatever the client asked for."""


class Replayable(NamedTuple):
    """What a hit needs of a recording: its answer, and neither request nor document. Members as in `Recording`."""

    id: int
    key: str
    recorded_at: float
    status: int
    headers: tuple[tuple[str, str], ...]
    form: WireForm
    body: bytes
    pieces: tuple[Piece, ...]
    completion: bytes
    asked_usage: bool
    """Whether `body` is a stream that reports usage at its end because the client or chatreel asked for it (Q28)."""
    edited: bool = False

    @property
    def duration(self) -> float:
        """Seconds from the request going upstream to the last byte of the answer."""
        return _duration(self.pieces)


@dataclass(frozen=True, slots=True)
class Recording:
    """One stored exchange. `body` is what the upstream sent, byte for byte, after content decoding."""

    identity: Identity
    upstream: str
    """Origin of the API that answered, as in `https://api.openai.com`."""
    path: str
    model: str
    """The model asked for, as the request spelled it; empty if it named none."""
    recorded_at: float
    """Seconds since the epoch."""
    request: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    """Response headers worth keeping, lower-case names."""
    form: WireForm
    body: bytes
    pieces: tuple[Piece, ...]
    """Arrival of `body`; the sizes add up to its length."""
    completion: bytes
    """The one `chat.completion` object that `body` amounts to, UTF-8 JSON; empty if it is an error."""
    usage_added: bool = False
    """Whether `body` reports usage only because chatreel asked for it: the client did not, and did not get it (Q28)."""
    query: str = ""
    """As it travelled, less what carries credentials."""
    tenant: str | None = None
    """Keyed hash of the request's credentials; `None` where recordings are shared."""
    cassette: str = ""
    id: int = 0
    """Row of the store; 0 before it is stored."""
    edited: bool = False
    """Whether the answer was changed by hand since it was recorded, in the text of a cassette."""

    @property
    def duration(self) -> float:
        """Seconds from the request going upstream to the last byte of the answer."""
        return _duration(self.pieces)

    @property
    def asked_usage(self) -> bool:
        """As in `Replayable`."""
        return self.form is WireForm.SSE and (self.usage_added or _asks_for_usage(self.request))

    @property
    def replayable(self) -> Replayable:
        """What a hit needs of it."""
        return Replayable(
            id=self.id,
            key=self.identity.key,
            recorded_at=self.recorded_at,
            status=self.status,
            headers=self.headers,
            form=self.form,
            body=self.body,
            pieces=self.pieces,
            completion=self.completion,
            asked_usage=self.asked_usage,
            edited=self.edited,
        )


def _duration(pieces: tuple[Piece, ...]) -> float:
    return pieces[-1].at if pieces else 0.0


def _asks_for_usage(request: bytes) -> bool:
    """As `chatreel.wire.asking` says it of a request that has been read."""
    if b"include_usage" in request:
        with suppress(ValueError, KeyError, TypeError):
            return orjson.loads(request)["stream_options"]["include_usage"] is True
    return False


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What a recording is compared by."""

    id: int
    key: str
    model: str
    recorded_at: float
    document: bytes
