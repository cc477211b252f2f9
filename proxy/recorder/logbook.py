"""What became of a call: told once to its session, to the log and to the terminal."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache, partial

import orjson

from chatreel.annotate import Annotator, Source, miss_reason, without_secrets
from chatreel.exchange import Asked, Exchange, Question
from chatreel.facts import NO_FACTS, Facts, prompt_digest
from chatreel.journal import Entry
from chatreel.model import SERVED, Outcome, Replayable, WireForm
from chatreel.redact import Redactor
from chatreel.session import Session
from chatreel.store import Call, Store
from chatreel.store.alike import Hit, Manner
from chatreel.store.foretelling import Foretold
from chatreel.store.spool import Written
from chatreel.tags import HEADER, as_json, tags_of

_LINES = 20
"""Calls of one of these outcomes that get a line on the terminal, in a second."""

_MANY = frozenset({Outcome.HIT, Outcome.RECORDED})
"""What goes well, and may be many."""

logger = logging.getLogger(__name__)


class Logbook:
    """Writes down each call once, however often it ends."""

    def __init__(
        self, store: Store, annotator: Annotator, tags: tuple[tuple[str, str], ...], redactor: Redactor
    ) -> None:
        """`tags`: of every call."""
        self._store = store
        self._redactor = redactor
        self._annotator = annotator
        self._tags = dict(tags)
        self._second = 0
        self._said: Counter[Outcome] = Counter()
        """Calls of this second."""

    def write(self, exchange: Exchange, outcome: Outcome, *, status: int | None, saved: float = 0.0) -> None:
        """`status`: what the client got, `None` if it got no response. `saved`: seconds."""
        if exchange.logged:
            return
        exchange.logged = True
        if exchange.flight:
            exchange.flight.land(None)  # whoever still waits shall not: this call brings nothing more
        session = exchange.session
        session.tally.count(outcome, seconds_saved=saved)
        call, written = self._foretold(exchange, outcome) or (self._row_of(exchange, outcome, status), None)
        complete, answered_at = self._completing(exchange)
        told = partial(self._tell, session)
        self._store.calls.add(call, lambda row: _told(complete(row), told), answered_at=answered_at, written=written)
        if session.journal.wants(outcome):
            session.journal.add(_entry(exchange, call))
        if logger.isEnabledFor(logging.INFO) and self._may_say(outcome, exchange.started):
            _say_soon(call)

    def foretell(self, exchange: Exchange, status: int, release: Callable[[], None]) -> Foretold:
        """The same before the recording is in the store that a call makes; `write` has to follow.

        `release`: called once neither the recording nor the row can be lost.
        """
        call = self._row_of(exchange, Outcome.RECORDED, status)

        def safe(written: Written) -> None:
            exchange.foretold = (call, written)
            release()

        return Foretold(call, safe)

    def note(self, hit: Hit, session: Session, *, saved: float) -> None:
        """The same of a hit that hangs on nothing but its recording; `Recorder.keep` has to follow."""
        session.tally.count(Outcome.HIT, seconds_saved=saved)
        self._store.calls.note(hit)
        if logger.isEnabledFor(logging.INFO) and self._may_say(Outcome.HIT, hit.started_at):
            _say(hit.call)

    def manner(self, asked: Asked, session: Session, question: Question, now: float) -> Manner:
        """What the rows of such hits have in common, as `write` would write them. `now`: seconds since the epoch.

        That follows from the session, the target and the tags, and from all of `question` but its key.
        """
        target, text, tags = asked.target, self._redactor.text, self.tags_of(asked, session)
        model = question.model
        call = Call(
            call_id="",
            started_at=now,
            outcome=Outcome.HIT,
            reason="",
            mode=session.mode,
            cassette=session.cassette,
            upstream=target.upstream.origin,
            path=text(target.path),
            query=text(asked.query),
            tenant=question.tenant,
            model=text(model) if isinstance(model, str) else "",
            stream=question.form is WireForm.SSE,
            status=None,
            key=None,
            recording_id=None,
            latency=0.0,
            first_piece=None,
            session=session.id,
            session_name=session.name or None,
            tags=as_json(tags) if tags else None,
        )
        return Manner(call, self._complete, partial(self._tell, session))

    def _complete(self, call: Call, recording: Replayable, document: bytes) -> Call:
        return self._annotator.complete_all(call, Source(recording, document))

    def _row_of(self, exchange: Exchange, outcome: Outcome, status: int | None) -> Call:
        return _row(exchange, outcome, status, self.tags_of(exchange.asked, exchange.session), self._redactor)

    @staticmethod
    def _foretold(exchange: Exchange, outcome: Outcome) -> tuple[Call, Written] | None:
        """The row that was told of before, if that is what has come of the call."""
        if exchange.foretold is None:
            return None
        call, written = exchange.foretold
        if outcome is Outcome.RECORDED:
            return replace(call, recording_id=exchange.recording_id), written
        written(1)  # another row comes in its place
        return None

    def _may_say(self, outcome: Outcome, now: float) -> bool:
        """Whether a call gets a line: nobody reads thousands in a second, and each line costs as much as a hit."""
        if int(now) != self._second:
            for known, count in self._said.items():
                if count > _LINES:
                    logger.info("%-9s %d more", known, count - _LINES)
            self._second = int(now)
            self._said.clear()
        if outcome not in _MANY:
            return True
        self._said[outcome] += 1
        return self._said[outcome] <= _LINES

    def tags_of(self, asked: Asked, session: Session) -> Mapping[str, str]:
        """Of a call: those of all calls, and its own."""
        if not asked.tags:
            return self._tags
        tags, malformed = tags_of(asked.tags)
        if malformed:
            said = self._redactor.text(malformed)
            warn(session, f"{HEADER}: {said!r} of a request is no tag, or one too many, and was left out")
        return self._tags | {self._redactor.text(name): self._redactor.text(value) for name, value in tags.items()}

    def _completing(self, exchange: Exchange) -> tuple[Callable[[Call], Call], float | None]:
        """How a row is completed beside the hot path, and when the recording was made that its call has got."""
        answer = exchange.answer
        document = exchange.identity.document if exchange.identity and not exchange.prompt else b""
        source = Source(answer, document, exchange.said) if answer else Source()
        return partial(self._annotator.complete, source=source), answer.recorded_at if answer else None

    def _tell(self, session: Session, completed: Call, times: int = 1) -> None:
        """Runs where rows are completed. The session is told what its calls cost, or would have, that are like one."""
        row = completed
        charge = completed.charge
        if completed.facts.answered or (row.outcome is Outcome.FAILED and charge.unpriced):
            amount = charge.saved if row.outcome in SERVED else charge.cost
            usd = None if amount is None else _usd(amount)
            tags = orjson.loads(row.tags) if row.tags else {}
            for budget in session.price(row.outcome, usd, tags, row.started_at + row.latency, times):
                text = f"{budget.of_unpriced}: {charge.unpriced}"
                if session.journal.warn(text):
                    logger.warning("%s", text)


def _told(completed: Call, told: Callable[[Call], None]) -> Call:
    told(completed)
    return completed


def _say_soon(call: Call) -> None:
    """A terminal takes its time, and a client waits for the end of its answer."""
    asyncio.get_running_loop().call_soon(_say, call)


def _say(call: Call) -> None:
    """A line on the terminal."""
    said = f"{call.reason}\nAll of it: chatreel explain {call.call_id}" if call.request else call.reason
    name = f"[{call.session_name}] " if call.session_name else ""
    milliseconds = call.latency * 1e3
    logger.info(
        "%-9s %s %s %.0f ms %s%s", call.outcome, call.status or "---", call.model or "-", milliseconds, name, said
    )


@lru_cache(maxsize=1_000)
def _usd(nanodollars: int) -> Decimal:
    return Decimal(nanodollars).scaleb(-9)


def warn(session: Session, text: str) -> None:
    """Say what is no error but should not go unseen, once for each session."""
    if session.journal.warn(text):
        logger.warning("%s", text)


def _row(exchange: Exchange, outcome: Outcome, status: int | None, tags: Mapping[str, str], redactor: Redactor) -> Call:
    """What a recording can tell later, it need not tell now. Nothing from outside gets in with a secret in it."""
    session, kept, identity, facts = exchange.session, exchange.kept, exchange.identity, exchange.facts
    pieces = exchange.answered.pieces if exchange.answered else ()
    served = exchange.answer if outcome in SERVED else None
    error = facts.error_type or exchange.code or ("failed" if outcome is Outcome.FAILED else None)
    document = identity.document if identity and not exchange.answer and not exchange.prompt else b""
    return Call(
        call_id=exchange.call_id,
        started_at=exchange.started_at,
        outcome=outcome,
        reason=redactor.text(exchange.reason),
        mode=exchange.mode,
        cassette=session.cassette,
        upstream=exchange.upstream,
        path=kept.path if kept else redactor.text(exchange.path),
        query=kept.query if kept else redactor.text(exchange.query),
        tenant=exchange.tenant,
        model=kept.model if kept else redactor.text(exchange.model),
        stream=exchange.streams,
        status=status,
        key=identity.key if identity else None,
        # The numbers of a cassette file are its own: in the store they would name other recordings.
        recording_id=None if session.cassette else exchange.recording_id,
        latency=exchange.elapsed,
        first_piece=exchange.first_piece,
        session=session.id,
        take=exchange.take,
        session_name=session.name or None,
        tags=as_json(tags) if tags else None,
        upstream_time=pieces[-1].at if pieces else None,
        spared=served.duration if served else None,
        miss_reason=None if served else miss_reason(outcome, exchange.mode, exchange.found),
        prompt=prompt_digest(document) if document else exchange.prompt,
        facts=NO_FACTS if facts is NO_FACTS and not error else _facts(facts, error, redactor),
        request=kept.request if outcome is Outcome.REFUSED and kept and identity else None,
    )


def _facts(facts: Facts, error: str | None, redactor: Redactor) -> Facts:
    return without_secrets(replace(facts, error_type=error), redactor)


def _entry(exchange: Exchange, call: Call) -> Entry:
    return Entry(
        call_id=call.call_id,
        outcome=call.outcome,
        status=call.status,
        model=call.model,
        stream=call.stream,
        key=call.key,
        take=exchange.take,
        latency=call.latency,
        reason=call.reason,
        code=exchange.code,
        sent=exchange.kept.request if exchange.kept else exchange.asked.body,
        recording_id=exchange.recording_id,
    )
