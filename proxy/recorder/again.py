"""A hit that comes again: what was decided for one is decided for the next, as long as all that it hung on is the same.

Tests and agents ask the same over and over, and to decide takes longer than to answer. So the last hit of a request is
remembered with everything that could make the next one come out otherwise; if any of that has changed, or cannot be
told, the request goes the long way, through `chatreel.recorder.opening`, which is the only one that decides.
"""

from dataclasses import dataclass
from weakref import ref

from chatreel.decide import FOR_EVER
from chatreel.exchange import Alike, Asked, Exchange
from chatreel.http_caching import age_header, request_directives
from chatreel.model import Mode, Outcome, Take, WireForm
from chatreel.repeats import taking_turns
from chatreel.replay import Ready, message_head
from chatreel.session import Options, Session


@dataclass(slots=True, eq=False)
class Again:
    """What a hit hung on. Requests that are compared with it say the same already, by their bytes and their target."""

    session: ref[Session]
    mode: Mode
    """That of the session."""
    options: Options
    cache_control: str
    tags: tuple[str, ...]
    key: str
    takes: tuple[Take, ...]
    """All of the key."""
    take: Take
    """The one that is served, whoever's turn it is."""
    number: int
    """Among `takes`, from 1."""
    form: WireForm
    ready: ref[Ready]
    wants_usage: bool
    alike: Alike
    duration: float
    """Seconds that the upstream took."""
    age: str = ""
    head: bytes = b""
    """Of the response, as long as `age` is its `Age`."""

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return 6_000

    def is_for(self, asked: Asked, session: Session, now: float) -> bool:
        """Whether nothing has changed but what the recordings know."""
        return (
            self.session() is session
            and self.mode is session.mode
            and self.options is session.options
            and self.alike.until > now
            and self.cache_control == asked.cache_control
            and self.tags == asked.tags
        )

    def head_at(self, ready: Ready, now: float) -> bytes:
        """The head of the response."""
        age = age_header(ready.recording.recorded_at, now)
        if age != self.age:
            self.head = message_head(ready, (("cache-status", ready.hit), ("age", age)))
            self.age = age
        return self.head


def again(exchange: Exchange, takes: tuple[Take, ...]) -> Again | None:
    """What a hit hung on that was answered the long way; `None` where the next one might come out otherwise.

    `takes`: those of its key.
    """
    session, understood, ready = exchange.session, exchange.understood, exchange.ready
    among, _ = taking_turns(takes, exchange.form)
    if not (understood and understood.alike and ready and len(among) == 1 and not among[0].is_error):
        return None
    directives, _ = request_directives(exchange.asked.cache_control)
    ages = session.options.freshness != FOR_EVER or directives.max_age is not None
    if ages or session.is_strict or session.journal.wants(Outcome.HIT):
        return None
    return Again(
        session=ref(session),
        mode=session.mode,
        options=session.options,
        cache_control=exchange.asked.cache_control,
        tags=exchange.asked.tags,
        key=understood.identity.key,
        takes=takes,
        take=among[0],
        number=takes.index(among[0]) + 1,
        form=exchange.form,
        ready=ref(ready),
        wants_usage=exchange.wants_usage,
        alike=understood.alike,
        duration=ready.recording.duration,
    )
