"""Hits that hang on their recording and on nothing else, as nearly all do: the quick way to an answer.

What answers hang on besides is the same for nearly all that a client asks for: it is worked out once, and looked at
again when it changes. What makes an answer, and its row in the log, is remembered when the same is asked for a second
time, with everything that could make the next one come out otherwise: tests ask each question once, agents the same
over and over. Whatever depends on more (directives, the age of a recording, whose turn it is, who wants to know of the
call) goes the long way, through `chatreel.recorder.opening`.
"""

import time
from dataclasses import dataclass
from weakref import ref

from chatreel.annotate import QUARTER
from chatreel.decide import FOR_EVER, mode_for
from chatreel.exchange import Asked, Question, Understood, new_call_id
from chatreel.generations import Returning
from chatreel.http_caching import age_header, request_directives
from chatreel.model import Mode, Outcome, Take
from chatreel.pace import INSTANT
from chatreel.recorder.answering import Answering, Message
from chatreel.recorder.logbook import Logbook
from chatreel.repeats import taking_turns
from chatreel.replay import Ready, make_ready, message_head
from chatreel.session import Options, Session
from chatreel.store.alike import Hit, Like, Manner

_MOST_TERMS = 256
"""Sessions, models and the like whose terms are remembered."""


@dataclass(slots=True, eq=False)
class Terms:
    """What an answer hangs on besides its recording and its question."""

    session: ref[Session]
    mode: Mode
    """That of the session."""
    options: Options
    cache_control: str
    tags: tuple[str, ...]
    until: float
    """When what its calls have saved may change: seconds since the epoch."""
    manner: Manner
    """What the rows of its calls have in common."""

    def hold_for(self, asked: Asked, session: Session, now: float) -> bool:
        """Whether nothing has changed but what the recordings know."""
        return (
            self.session() is session
            and self.mode is session.mode
            and self.options is session.options
            and self.until > now
            and self.cache_control == asked.cache_control
            and self.tags == asked.tags
        )


@dataclass(slots=True, eq=False)
class PlainHit:
    """What an answer hung on. Requests that are compared with it ask the same: see `Question`."""

    terms: Terms
    takes: tuple[Take, ...]
    """All of the key."""
    take: Take
    """The one that is served, whoever's turn it is."""
    number: int
    """Among `takes`, from 1."""
    ready: ref[Ready]
    like: Like
    """What the rows of its calls have in common."""
    age: str = ""
    head: bytes = b""
    """Of the response, as long as `age` is its `Age`."""

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return 6_000

    def head_at(self, ready: Ready, now: float) -> bytes:
        """The head of the response."""
        age = age_header(ready.recording.recorded_at, now)
        if age != self.age:
            self.head, self.age = _head(ready, age), age
        return self.head


class PlainHits:
    """Those that were served last."""

    def __init__(self, answering: Answering, logbook: Logbook, memory: int) -> None:
        """`memory`: bytes of what is remembered."""
        self._answering = answering
        self._logbook = logbook
        self._known: Returning[Question, PlainHit] = Returning(memory, lambda one: one.size)
        self._terms: dict[tuple[object, ...], Terms] = {}

    def answer(self, asked: Asked, session: Session, understood: Understood, takes: tuple[Take, ...]) -> Message | None:
        """Serve a recording that is at hand; `None` if the request has to go the long way, and nothing has happened.

        `takes`: all of its key, not empty.
        """
        started, now = time.perf_counter(), time.time()
        question = understood.question
        hit = self._known.get(question)
        ready = None
        if hit and takes == hit.takes and hit.terms.hold_for(asked, session, now):
            ready = self._served_before(hit, session, question)
        if hit and ready:
            head, like, number = hit.head_at(ready, now), hit.like, hit.number
        else:
            found = self._found(asked, session, understood, takes, now)
            if found is None:
                return None
            ready, like, number = found
            head = _head(ready, age_header(ready.recording.recorded_at, now))
        session.repeats.served(question.key, question.form)
        latency = time.perf_counter() - started
        self._logbook.note(Hit(like, new_call_id(), now, latency, number), session, saved=like.duration - latency)
        return head, ready.reply.body

    def _found(
        self, asked: Asked, session: Session, understood: Understood, takes: tuple[Take, ...], now: float
    ) -> tuple[Ready, Like, int] | None:
        """What is to be served, what its row is like, and its number among the takes; remembered if it comes again."""
        question = understood.question
        terms = self._terms_for(asked, session, question, now)
        among, _ = taking_turns(takes, question.form)
        returns = self._known.returns(question)
        ready = self._ready(among, session, question, returns=returns) if terms else None
        if terms is None or ready is None:
            return None
        like, number = Like(terms.manner, ready.recording, understood.identity.document), takes.index(among[0]) + 1
        if returns:
            self._known.put_at_once(question, PlainHit(terms, takes, among[0], number, ref(ready), like))
        return ready, like, number

    def _served_before(self, hit: PlainHit, session: Session, question: Question) -> Ready | None:
        """What was served, if that is still what would be."""
        ready = hit.ready()
        recording = session.recordings.replayable_at_once(hit.take.id) if ready else None
        if ready is None or recording is not ready.recording:
            return None
        known = self._answering.made_ready(recording, question.form, include_usage=question.wants_usage)
        return ready if known is ready else None

    def _terms_for(self, asked: Asked, session: Session, question: Question, now: float) -> Terms | None:
        """On what an answer hangs besides; `None` if that is more than is looked at here."""
        manner = (session.id, asked.cache_control, asked.tags, question[1:])
        terms = self._terms.get(manner)
        if terms is None or not terms.hold_for(asked, session, now):
            if not _is_plain(asked, session):
                return None
            if len(self._terms) >= _MOST_TERMS:
                self._terms.clear()
            terms = self._terms[manner] = self._new_terms(asked, session, question, now)
        return terms

    def _new_terms(self, asked: Asked, session: Session, question: Question, now: float) -> Terms:
        return Terms(
            session=ref(session),
            mode=session.mode,
            options=session.options,
            cache_control=asked.cache_control,
            tags=asked.tags,
            until=(now // QUARTER + 1) * QUARTER,
            manner=self._logbook.manner(asked, session, question, now),
        )

    def _ready(self, among: tuple[Take, ...], session: Session, question: Question, *, returns: bool) -> Ready | None:
        """The take that is served, whoever's turn it is, if that hangs on nothing else.

        It has to be at hand, and to go out as a head and a body. `returns`: whether that was asked for before.
        """
        if len(among) != 1 or among[0].is_error:
            return None
        recording = session.recordings.replayable_at_once(among[0].id)
        if recording is None or not recording.completion:
            return None
        make = self._answering.made_ready if returns else make_ready
        ready = make(recording, question.form, include_usage=question.wants_usage)
        return ready if ready.head else None


def _is_plain(asked: Asked, session: Session) -> bool:
    """Whether answers hang on nothing but terms."""
    directives, malformed = request_directives(asked.cache_control)
    options = session.options
    if malformed or directives.max_age is not None or mode_for(session.mode, directives) is not session.mode:
        return False
    if options.freshness != FOR_EVER or options.speed != INSTANT or session.is_strict:
        return False
    return not session.journal.wants(Outcome.HIT)


def _head(ready: Ready, age: str) -> bytes:
    return message_head(ready, f"cache-status: {ready.hit}\r\nage: {age}\r\n")
