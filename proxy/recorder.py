"""The life of a call between request and log row: what the addon is told goes in, what to do comes out.

open() -> Exchange: answered from the store, refused, or to be forwarded
finish()            the upstream's answer is complete: is it worth storing? store it, log the call
fail()              there will be no complete answer: log the call
"""

import asyncio
import logging
import time
from dataclasses import dataclass, replace

from chatreel import explain
from chatreel.alarm import Alarm
from chatreel.api_errors import ApiError, Problem
from chatreel.decide import Action, Directives, Found, decide, found_of, mode_for
from chatreel.errors import Malformed, NotKeyable, StoreError
from chatreel.exchange import Answered, Asked, Exchange
from chatreel.http_caching import CacheStatus, age_header, request_directives
from chatreel.model import Identity, Mode, Outcome, Recording, Replayable, WireForm
from chatreel.pace import INSTANT
from chatreel.redact import kept_headers
from chatreel.replay import replay
from chatreel.reply import Reply, refusal
from chatreel.request import DEFAULT_KEYS, Keys, read_request, readable
from chatreel.session import Session
from chatreel.store import Call, Store
from chatreel.upstreams import Target
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Reading, Verdict, read

_LONG = 100_000
"""Bytes of a response that take long to read, about 7 ms: beyond it, others are served meanwhile."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Habits:
    """What is the same for all calls of a recorder."""

    speed: float = INSTANT
    """Of replayed streams: see `chatreel.pace`."""
    ask_usage: bool = True
    """Ask upstreams for usage at the end of each recorded stream."""
    record_errors: bool = False
    """Store errors of the upstream, too (Q6, Q75)."""
    keys: Keys = DEFAULT_KEYS


DEFAULT_HABITS = Habits()


class Recorder:
    """Everything that needs the store and the clock, for the calls of one session."""

    def __init__(self, store: Store, session: Session, habits: Habits = DEFAULT_HABITS) -> None:
        self.store = store
        self.session = session
        self._habits = habits
        self._unrecorded = Alarm(
            logger,
            logging.CRITICAL,
            "NOTHING IS BEING RECORDED: %s",
            "answers are being recorded again; %d were not",
        )
        self._unread = Alarm(
            logger,
            logging.WARNING,
            "the store cannot be read, so nothing is replayed: %s",
            "the store can be read again; %d times it could not",
        )
        self._without_usage: set[tuple[str, str]] = set()
        """Origin and model of the upstreams that refuse to be asked for usage."""

    async def open(self, asked: Asked) -> Exchange:
        """Decide what happens to a request. Never raises `StoreError`: a store that fails is a miss nobody records."""
        directives, malformed = request_directives(asked.cache_control)
        if malformed:
            logger.warning("Cache-Control: %r of a request is malformed and was ignored", malformed)
        mode = mode_for(self.session.mode, directives)
        exchange = Exchange(asked, Action.FORWARD, mode)
        if mode is Mode.PASSTHROUGH:
            exchange.body = readable(asked.body)
            return exchange
        try:
            exchange.body = read_request(asked.body)
            exchange.tenant = self._habits.keys.tenant(asked.credentials, asked.target.query, exchange.body)
            exchange.identity = self._habits.keys.identify(exchange, exchange.body)
        except Malformed as error:
            exchange.reason = str(error)
            return self._refuse(exchange, ApiError(Problem.BAD_REQUEST, f"chatreel cannot read this request: {error}"))
        except NotKeyable as error:
            exchange.body = readable(asked.body)
            exchange.reason = str(error)
            exchange.found = Found.UNKEYABLE
            exchange.action = decide(mode, directives, exchange.found)
            if exchange.action is Action.REFUSE:
                return self._refuse(
                    exchange, ApiError(Problem.NOT_KEYABLE, f"this request has no safe cache key: {error}")
                )
            return exchange
        return await self._look_up(exchange, exchange.identity, directives)

    def usage_refused(self, exchange: Exchange) -> None:
        """The upstream answered once it was no longer asked for usage: it will not be asked again."""
        self._without_usage.add((exchange.upstream, exchange.model))

    def turn_away(self, target: Target, error: ApiError) -> Reply:
        """Refuse a call whose body is not even looked at."""
        exchange = Exchange(Asked(target, b""), Action.REFUSE, self.session.mode, reason=error.message)
        return self._refuse(exchange, error).reply or refusal(error)

    async def finish(self, exchange: Exchange, answered: Answered) -> CacheStatus | ApiError:
        """The upstream's answer is there, whole. When this returns, what is worth storing is stored.

        An `ApiError` takes the answer's place where the client asked to record and the store could not.
        """
        try:
            status = await self._store(exchange, answered)
        except StoreError as error:
            self._unrecorded.ring(error)
            exchange.reason = f"not stored: {error}"
            if exchange.mode is Mode.RECORD:
                problem = ApiError(Problem.NOT_STORED, f"the answer came, but could not be recorded: {error}")
                self._log(exchange, Outcome.FAILED, status=problem.status)
                return problem
            status = replace(self.forward_status(exchange), detail="store-failed")
        outcome = Outcome.RECORDED if status.stored else Outcome.PASSED
        self._log(exchange, outcome, status=answered.status)
        return status

    def fail(self, exchange: Exchange, reason: str, *, status: int | None = None) -> None:
        """There will be no complete answer. `status`: what the client got, if anything."""
        exchange.reason = reason
        self._log(exchange, Outcome.FAILED, status=status)

    def forward_status(self, exchange: Exchange) -> CacheStatus:
        """What can be said of a forwarded call before its answer is complete."""
        key = exchange.identity.key if exchange.identity else ""
        if exchange.action is Action.RECORD:
            fwd = "request" if exchange.mode is Mode.RECORD else exchange.found.value
            return CacheStatus(fwd=fwd, key=key, detail="recording")
        return CacheStatus(
            fwd="bypass", detail="unkeyable" if exchange.found is Found.UNKEYABLE else exchange.mode.value
        )

    async def _look_up(self, exchange: Exchange, identity: Identity, directives: Directives) -> Exchange:
        try:
            found = await self._find(identity, exchange.form)
            self._unread.rest()
        except StoreError as error:
            self._unread.ring(error)
            found = None
        age = time.time() - found.recorded_at if found else None
        exchange.found = found_of(age, directives)
        exchange.action = decide(self.session.mode, directives, exchange.found)
        if exchange.action is Action.REPLAY and found:
            return self._replay(exchange, found)
        if exchange.action is Action.REFUSE:
            exchange.reason = await self._explain_miss(identity)
            return self._refuse(exchange, ApiError(Problem.NO_RECORDING, exchange.reason))
        exchange.adds_usage = self._adds_usage(exchange)
        return exchange

    def _adds_usage(self, exchange: Exchange) -> bool:
        asked = (exchange.upstream, exchange.model)
        wanted = self._habits.ask_usage and exchange.streams and not exchange.wants_usage
        return wanted and exchange.action is Action.RECORD and asked not in self._without_usage

    async def _find(self, identity: Identity, form: WireForm) -> Replayable | None:
        takes = await self.store.takes(self.session.cassette, identity.key)
        if not takes:
            return None
        return await self.store.replayable(self.session.choose_take(identity.key, takes, form).id)

    def _replay(self, exchange: Exchange, recording: Replayable) -> Exchange:
        answer = replay(recording, exchange.form, include_usage=exchange.wants_usage, speed=self._habits.speed)
        detail = "converted" if answer.converted else ""
        status = CacheStatus(hit=True, key=recording.key, detail=detail)
        age = ("age", age_header(recording.recorded_at, time.time()))
        exchange.reply = answer.with_headers(("cache-status", str(status)), age)
        exchange.recording_id = recording.id
        self.session.served(recording.key, exchange.form)
        self._log(exchange, Outcome.HIT, status=answer.status, saved=recording.duration - exchange.elapsed)
        return exchange

    def _refuse(self, exchange: Exchange, error: ApiError) -> Exchange:
        exchange.action = Action.REFUSE
        exchange.reply = refusal(error)
        self._log(exchange, Outcome.REFUSED, status=error.status)
        return exchange

    async def _explain_miss(self, identity: Identity) -> str:
        cassette = self.session.cassette
        try:
            neighbours = await self.store.near(cassette, identity.document, explain.CANDIDATES)
            recorded = await self.store.count(cassette)
            stale = await self.store.keyed_otherwise()
        except StoreError as error:
            return f"the store cannot be read: {error}"
        candidates = [neighbour.document for neighbour in neighbours]
        return explain.miss_message(identity, candidates, recorded_count=recorded, stale=stale)

    async def _store(self, exchange: Exchange, answered: Answered) -> CacheStatus:
        status = self.forward_status(exchange)
        if exchange.action is not Action.RECORD or exchange.identity is None:
            return status
        reading = await _read(answered)
        complete = reading.verdict is Verdict.COMPLETE
        if not complete and not (self._habits.record_errors and reading.verdict is Verdict.ERROR):
            exchange.reason = reading.reason
            return replace(status, detail=f"not-stored-{reading.verdict.value}")
        recording = Recording(
            identity=exchange.identity,
            upstream=exchange.upstream,
            path=exchange.path,
            query=exchange.query,
            tenant=exchange.tenant,
            model=exchange.model,
            recorded_at=exchange.started_at,
            request=exchange.asked.body,
            status=answered.status,
            headers=kept_headers(answered.headers),
            form=reading.form,
            body=answered.body,
            pieces=answered.pieces,
            completion=dumps(reading.completion) if complete else b"",
            usage_added=exchange.adds_usage,
            cassette=self.session.cassette,
        )
        stored = await self.store.add(recording)
        self._unrecorded.rest()
        exchange.recording_id = stored.id
        return replace(status, stored=True, detail="")

    def _log(self, exchange: Exchange, outcome: Outcome, *, status: int | None, saved: float = 0.0) -> None:
        if exchange.logged:
            return
        exchange.logged = True
        latency = exchange.elapsed
        self.session.tally.count(outcome, seconds_saved=saved)
        call = Call(
            call_id=exchange.call_id,
            started_at=exchange.started_at,
            outcome=outcome,
            reason=exchange.reason,
            mode=exchange.mode,
            cassette=self.session.cassette,
            upstream=exchange.upstream,
            path=exchange.path,
            query=exchange.query,
            tenant=exchange.tenant,
            model=exchange.model,
            stream=exchange.streams,
            status=status,
            key=exchange.identity.key if exchange.identity else None,
            recording_id=exchange.recording_id,
            latency=latency,
            first_piece=exchange.first_piece,
            request=exchange.asked.body if outcome is Outcome.REFUSED and exchange.identity else None,
        )
        self.store.log(call)
        said = f"{call.reason}\nAll of it: chatreel explain {call.call_id}" if call.request else call.reason
        logger.info("%-9s %s %s %.0f ms %s", outcome, status or "---", call.model or "-", latency * 1e3, said)


async def _read(answered: Answered) -> Reading:
    if len(answered.body) < _LONG:
        return read(answered.body, status=answered.status)
    return await asyncio.to_thread(read, answered.body, status=answered.status)
