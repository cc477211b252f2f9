"""One call on its way, and the two halves of it that come from outside."""

import time
from dataclasses import dataclass, field
from itertools import count
from secrets import token_hex

from chatreel.canonical import without_credentials
from chatreel.decide import Action, Found
from chatreel.facts import NO_FACTS, Facts
from chatreel.flights import Flight
from chatreel.model import Identity, JsonObject, Mode, Piece, Replayable, WireForm
from chatreel.replay import Ready
from chatreel.reply import Reply
from chatreel.request import Kept
from chatreel.session import Session
from chatreel.upstreams import Target
from chatreel.wire.asking import asking_for_usage, asks_for_usage


@dataclass(frozen=True, slots=True)
class Asked:
    """A chat completion request as it came from the client."""

    target: Target
    body: bytes
    cache_control: str = ""
    credentials: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Headers that carry a secret: hashed where recordings are not shared, and never stored or logged."""
    tags: tuple[str, ...] = ()
    """Values of the headers with tags: see `chatreel.tags`."""


@dataclass(slots=True)
class Exchange:
    """One call on its way."""

    asked: Asked
    session: Session
    action: Action
    mode: Mode
    """Its own treatment: that of its session, as its directives change it."""
    call_id: str = field(default_factory=lambda: _new_id())
    started_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    body: JsonObject = field(default_factory=dict)
    tenant: str | None = None
    """Whose request it is: see `chatreel.request.Keys`."""
    identity: Identity | None = None
    """Of what is kept, once that is known: a request with a secret in it has the one that it has without."""
    kept: Kept | None = None
    """What may be stored of the request; `None` as long as nobody had to know."""
    found: Found = Found.MISS
    recording_id: int | None = None
    """Served or made by this call."""
    answer: Replayable | None = None
    """What is served, or was made."""
    answered: "Answered | None" = None
    """What the upstream answered."""
    facts: Facts = NO_FACTS
    """What that says of itself, if it was not recorded: a recording can be asked later."""
    take: int | None = None
    """Number of the take that is served, from 1."""
    replaces: int | None = None
    """The recording in whose place the new one comes."""
    flight: Flight | None = None
    """What others wait for: it has to land."""
    collapsed: bool | None = None
    """Whether another's answer was waited for, and served."""
    reason: str = ""
    """Why it is not stored, refused or failed."""
    code: str = ""
    """Of the error, if it is refused."""
    reply: Reply | None = None
    """What the client gets without anybody being asked; `None` if the call goes upstream."""
    ready: Ready | None = None
    """What `reply` was made of, if it is a recording."""
    first_piece: float | None = None
    """Seconds until the first piece of the body came from upstream."""
    adds_usage: bool = False
    """Whether the upstream is asked for usage that the client did not ask for (Q28)."""
    client_left: bool = False
    """Whether nobody waits for the answer any more, and it goes on to be recorded."""
    logged: bool = False

    @property
    def upstream(self) -> str:
        """Origin of the API it is for."""
        return self.asked.target.upstream.origin

    @property
    def path(self) -> str:
        return self.asked.target.path

    @property
    def query(self) -> str:
        """Less what carries credentials."""
        query = self.asked.target.query
        return without_credentials(query) if query else ""

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self.body.get("stream") is True

    @property
    def form(self) -> WireForm:
        """The wire form of the answer that the client expects."""
        return WireForm.SSE if self.body.get("stream") is True else WireForm.JSON

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for usage at the end of its stream (Q28)."""
        return asks_for_usage(self.body)

    @property
    def forwarded_body(self) -> bytes:
        """What the upstream gets."""
        return asking_for_usage(self.asked.body, self.body) if self.adds_usage else self.asked.body

    @property
    def model(self) -> str:
        """The model asked for; empty if the request names none, as Azure's may."""
        model = self.body.get("model")
        return model if isinstance(model, str) else ""

    @property
    def elapsed(self) -> float:
        """Seconds since the request was read."""
        return time.perf_counter() - self.started


_PROCESS = token_hex(4)
_numbers = count(int(token_hex(4), 16))


def _new_id() -> str:
    """A UUID that begins with the time (RFC 9562, section 5.7), as text.

    Random ones would cost each call a wait for the kernel, and an index of the store a page for each row.
    """
    at, number = f"{int(time.time() * 1e3):012x}", f"{next(_numbers) & 0xFFF_FFFF_FFFF:011x}"
    return f"{at[:8]}-{at[8:]}-7{number[:3]}-8{_PROCESS[:3]}-{_PROCESS[3:7]}{number[3:]}"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the upstream answered, after content decoding."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    pieces: tuple[Piece, ...]
