"""Recordings and refusals as answers: what a client gets without an upstream being asked for it."""

import time

from chatreel.api_errors import ApiError, Problem
from chatreel.decide import Action, Found, why_forwarded
from chatreel.errors import StoreError
from chatreel.exchange import Exchange
from chatreel.explain import CANDIDATES, miss_message
from chatreel.generations import Generations
from chatreel.http_caching import CacheStatus, age_header
from chatreel.model import Identity, Outcome, Replayable, WireForm
from chatreel.pace import INSTANT
from chatreel.recorder.logbook import Logbook, warn
from chatreel.replay import Ready, at_pace, header_lines, make_ready, message_head, status_of
from chatreel.reply import Reply, refusal
from chatreel.store import Store

type Message = tuple[bytes, bytes]
"""Head and body of an HTTP/1.1 response."""

_HIT = CacheStatus(hit=True)


class Answering:
    """Each answer is logged as it is made."""

    def __init__(self, store: Store, logbook: Logbook, memory: int) -> None:
        """`memory`: bytes of answers that are kept ready."""
        self._store = store
        self._logbook = logbook
        self._ready: Generations[tuple[int, WireForm, bool], Ready] = Generations(memory, lambda one: one.size)
        """By the identity of the recording, which is nobody else's as long as the answer made of it is kept."""

    def hit(self, exchange: Exchange, recording: Replayable) -> None:
        """Serve a recording."""
        if exchange.found is not Found.HIT:
            warn(exchange.session, _too_old(recording, exchange))
            exchange.session.journal.aged.add(recording.id)
        ttl = exchange.session.options.freshness.ttl
        status = _HIT if ttl is None else CacheStatus(hit=True, ttl=int(recording.recorded_at + ttl - time.time()))
        self._serve(exchange, recording, status, Outcome.HIT)

    def is_plain(self, exchange: Exchange, recording: Replayable) -> bool:
        """Whether the answer that a recording makes goes out as a head and a body, and nothing else has to be known."""
        exchange.ready = self.made_ready(recording, exchange.form, include_usage=exchange.wants_usage)
        return bool(exchange.ready.head)

    def message(self, exchange: Exchange) -> Message | None:
        """The response to a call that was answered at once."""
        ready, reply = exchange.ready, exchange.reply
        if ready is None or reply is None:
            return None
        more = header_lines(reply.headers[len(ready.reply.headers) :])
        return message_head(ready, more), reply.body

    def coalesced(self, exchange: Exchange, recording: Replayable) -> None:
        """Serve what another call has just recorded, whose answer was waited for."""
        exchange.session.repeats.served(recording.key, exchange.form)
        fwd = why_forwarded(exchange.session.mode, Action.RECORD, exchange.found)
        self._serve(exchange, recording, CacheStatus(fwd=fwd, collapsed=True), Outcome.COALESCED)

    def refuse(self, exchange: Exchange, error: ApiError) -> None:
        """Refuse a call, whatever was found."""
        exchange.action = Action.REFUSE
        exchange.reply = refusal(error)
        exchange.code = error.problem.value.code
        self._logbook.write(exchange, Outcome.REFUSED, status=error.status)

    async def refuse_found(self, exchange: Exchange, identity: Identity, takes: int) -> None:
        """Refuse a call because of what was found. `takes`: how many there are of its key."""
        if exchange.found is Found.USED_UP:
            problem, reason = Problem.OUT_OF_TAKES, _out_of_takes(identity, takes)
        elif exchange.found is Found.TOO_OLD:
            problem, reason = Problem.TOO_OLD, _refused_for_age(identity, exchange)
        else:
            problem, reason = Problem.NO_RECORDING, await self._miss(exchange, identity)
        exchange.reason = reason
        self.refuse(exchange, ApiError(problem, reason))

    def _serve(self, exchange: Exchange, recording: Replayable, status: CacheStatus, outcome: Outcome) -> None:
        ready = exchange.ready
        if ready is None or ready.recording is not recording:
            ready = self.made_ready(recording, exchange.form, include_usage=exchange.wants_usage)
        speed = exchange.session.options.speed
        answer = ready.reply if speed == INSTANT else at_pace(ready, exchange.form, speed)
        exchange.action = Action.REPLAY
        exchange.recording_id = recording.id
        exchange.answer = recording
        exchange.ready = ready
        exchange.reply = _with_headers(answer, ready, status)
        saved = recording.duration - exchange.elapsed if outcome is Outcome.HIT else 0.0
        self._logbook.write(exchange, outcome, status=answer.status, saved=saved)

    def made_ready(self, recording: Replayable, form: WireForm, *, include_usage: bool) -> Ready:
        """A recording as an answer, made but once."""
        key = (id(recording), form, include_usage)
        known = self._ready.get(key)
        if known is None:
            known = make_ready(recording, form, include_usage=include_usage)
            self._ready.put(key, known)
        return known

    async def _miss(self, exchange: Exchange, identity: Identity) -> str:
        session = exchange.session
        try:
            neighbours = await session.recordings.near(identity.document, CANDIDATES)
            recorded = await session.recordings.count()
            stale = not session.cassette and await self._store.keyed_otherwise()
        except StoreError as error:
            return f"the store cannot be read: {error}"
        message = miss_message(
            identity, [neighbour.document for neighbour in neighbours], recorded_count=recorded, stale=stale
        )
        if session.cassette and not recorded:
            return f"There is nothing in the cassette {session.cassette} yet.\n{message}"
        return message


def _with_headers(answer: Reply, ready: Ready, status: CacheStatus) -> Reply:
    said = ready.hit if status is _HIT else str(status_of(status, ready.recording, answer))
    more = (("cache-status", said), ("age", age_header(ready.recording.recorded_at, time.time())))
    return Reply(answer.status, answer.headers + more, answer.body, answer.converted, answer.parts)


def _out_of_takes(identity: Identity, takes: int) -> str:
    recorded = "the one take of it has" if takes == 1 else f"all {takes} takes of it have"
    return (
        f"This request (key {identity.key[:15]}) was recorded, but {recorded} been served in this session, and "
        "`repeats` is `strict`. Record the additional call, or set `repeats` to `last`."
    )


def _refused_for_age(identity: Identity, exchange: Exchange) -> str:
    return (
        f"The recording of this request (key {identity.key[:15]}) is older than `max_age` allows "
        f"({exchange.session.options.freshness.max_age:,.0f} s). Record it anew with `--mode record`."
    )


def _too_old(recording: Replayable, exchange: Exchange) -> str:
    where = exchange.session.cassette or "the store"
    days = (time.time() - recording.recorded_at) / 86_400
    return f"recording {recording.id} in {where} is {days:,.1f} days old, which is older than `max_age` allows"
