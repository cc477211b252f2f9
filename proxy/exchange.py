"""One call on its way, and the two halves of it that come from outside."""

import time
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from secrets import token_hex
from typing import NamedTuple

from chatreel.canonical import without_credentials
from chatreel.decide import Action, Found
from chatreel.facts import NO_FACTS, Facts
from chatreel.flights import Flight
from chatreel.model import Identity, Json, JsonObject, Mode, Piece, Replayable, WireForm
from chatreel.replay import Ready
from chatreel.reply import Reply
from chatreel.request import Kept
from chatreel.session import Session
from chatreel.store import Call
from chatreel.store.spool import Written
from chatreel.upstreams import Target
from chatreel.wire.asking import asking_for_usage, asks_for_usage
from chatreel.wire.spoken import Spoken
from chatreel.wire.stream_reader import StreamReader


class Asked(NamedTuple):
    """A chat completion request as it came from the client."""

    target: Target
    body: bytes
    cache_control: str = ""
    credentials: tuple[tuple[str, str], ...] = ()
    """Headers that carry a secret: hashed where recordings are not shared, and never stored or logged."""
    tags: tuple[str, ...] = ()
    """Values of the headers with tags: see `chatreel.tags`."""

    @property
    def query(self) -> str:
        """Less what carries credentials."""
        query = self.target.query
        return without_credentials(query) if query else ""

    def __repr__(self) -> str:
        return f"Asked({self.target.path}, {len(self.body)} bytes)"


@dataclass(slots=True, eq=False)
class Understood:
    """What a request says, which follows from its bytes, its target and its credentials, and from nothing else."""

    body: JsonObject
    tenant: str | None
    identity: Identity
    question: "Question"

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return 5_000 + 8 * len(self.identity.document)


class Question(NamedTuple):
    """What requests have in common that get the same answer and the same row, however they are spelled."""

    key: str
    target: Target
    tenant: str | None
    model: Json
    form: WireForm
    """That the answer has to have."""
    wants_usage: bool


_PROCESS = token_hex(4)
_numbers = count(int(token_hex(4), 16))


def new_call_id() -> str:
    """A UUID that begins with the time (RFC 9562, section 5.7), as text.

    Random ones would cost each call a wait for the kernel, and an index of the store a page for each row.
    """
    number = next(_numbers) & 0xFFF_FFFF_FFFF
    return f"{_beginning(int(time.time() * 1e3), number >> 32)}{number & 0xFFFF_FFFF:08x}"


@lru_cache(maxsize=2)
def _beginning(milliseconds: int, high: int) -> str:
    """What is the same for ids of one moment; `high`: the upper digits of the number."""
    at = f"{milliseconds:012x}"
    return f"{at[:8]}-{at[8:]}-7{high:03x}-8{_PROCESS[:3]}-{_PROCESS[3:7]}"


@dataclass
class Exchange:
    """One call on its way.

    What is not known at its beginning stays an attribute of the class until it is: to make one costs a hit a third.
    """

    asked: Asked
    session: Session
    action: Action
    mode: Mode
    """Its own treatment: that of its session, as its directives change it."""
    call_id: str = field(default_factory=new_call_id)
    started_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    body: JsonObject = field(default_factory=dict)
    understood: Understood | None = field(default=None, init=False)
    """What it says, before anything was taken out of it."""
    tenant: str | None = field(default=None, init=False)
    """Whose request it is: see `chatreel.request.Keys`."""
    identity: Identity | None = field(default=None, init=False)
    """Of what is kept, once that is known: a request with a secret in it has the one that it has without."""
    kept: Kept | None = field(default=None, init=False)
    """What may be stored of the request; `None` as long as nobody had to know."""
    found: Found = field(default=Found.MISS, init=False)
    recording_id: int | None = field(default=None, init=False)
    """Served or made by this call."""
    answer: Replayable | None = field(default=None, init=False)
    """What is served, or was made."""
    answered: "Answered | None" = field(default=None, init=False)
    """What the upstream answered."""
    begun: StreamReader | None = field(default=None, init=False)
    """Who has read what has come of its stream so far."""
    said: Spoken | None = field(default=None, init=False)
    """What the stream says that was recorded."""
    facts: Facts = field(default=NO_FACTS, init=False)
    """What that says of itself, if it was not recorded: a recording can be asked later."""
    prompt: str | None = field(default=None, init=False)
    """Of a large request: see `chatreel.facts.prompt_digest`. Of others it is found out beside the hot path."""
    take: int | None = field(default=None, init=False)
    """Number of the take that is served, from 1."""
    replaces: int | None = field(default=None, init=False)
    """The recording in whose place the new one comes."""
    flight: Flight | None = field(default=None, init=False)
    """What others wait for: it has to land."""
    collapsed: bool | None = field(default=None, init=False)
    """Whether another's answer was waited for, and served."""
    reason: str = ""
    """Why it is not stored, refused or failed."""
    code: str = field(default="", init=False)
    """Of the error, if it is refused."""
    reply: Reply | None = field(default=None, init=False)
    """What the client gets without anybody being asked; `None` if the call goes upstream."""
    ready: Ready | None = field(default=None, init=False)
    """What `reply` was made of, if it is a recording."""
    first_piece: float | None = field(default=None, init=False)
    """Seconds until the first piece of the body came from upstream."""
    adds_usage: bool = field(default=False, init=False)
    """Whether the upstream is asked for usage that the client did not ask for (Q28)."""
    foretold: tuple[Call, Written] | None = field(default=None, init=False)
    """Its row, once no kill can take that and the recording any more; the client has the end of its answer then."""
    client_left: bool = field(default=False, init=False)
    """Whether nobody waits for the answer any more, and it goes on to be recorded."""
    logged: bool = field(default=False, init=False)

    def understand(self, understood: Understood) -> Identity:
        """Its request has been read; the identity that it has as it came."""
        self.understood = understood
        self.body, self.tenant, self.identity = understood.body, understood.tenant, understood.identity
        return understood.identity

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
        return self.asked.query

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


@dataclass(frozen=True, slots=True)
class Answered:
    """What the upstream answered, after content decoding."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    pieces: tuple[Piece, ...]
