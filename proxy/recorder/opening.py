"""The beginning of a call: its request is read, looked up and decided on."""

import asyncio
import logging
import time

from chatreel.alarm import Alarm
from chatreel.api_errors import ApiError, Problem
from chatreel.decide import Action, Directives, Found, decide, is_shared, mode_for
from chatreel.errors import Malformed, NotKeyable, StoreError
from chatreel.exchange import Asked, Exchange, Question, Understood
from chatreel.facts import prompt_digest
from chatreel.flights import PATIENCE, ROUNDS
from chatreel.generations import Returning
from chatreel.http_caching import request_directives
from chatreel.model import Identity, Mode, Take, WireForm
from chatreel.pace import INSTANT
from chatreel.recorder.answering import Answering, Message
from chatreel.recorder.habits import Habits
from chatreel.recorder.looking import Lookup, give_back, look_up, look_up_at_once
from chatreel.recorder.plain_hits import PlainHits
from chatreel.request import Kept, Where, read_request, readable
from chatreel.session import Session
from chatreel.upstreams import Target
from chatreel.wire.asking import asks_for_usage

LEASE = 120.0
"""Seconds for which one of several proxies asks for all of them; one that dies keeps the others waiting for so long."""

_POLL = 0.1
"""Seconds between two looks at what another proxy has recorded."""

_LARGE = 2**20
"""Bytes of a request whose messages are let go of once they have been read: an upstream may take minutes."""

_SHORT = 8_192
"""Bytes of a request in which secrets are looked for at once, which takes less than a thread does to begin."""

_COMMON = 2**18
"""Bytes of a request that is remembered as it was read."""

_REPLAYING = frozenset({Mode.CACHE, Mode.REPLAY})

logger = logging.getLogger(__name__)


type _Said = tuple[bytes, Target, tuple[tuple[str, str], ...]]


def _said(asked: Asked) -> _Said:
    return (asked.body, asked.target, asked.credentials)


class Opening:
    """Between a request and the decision what happens to it."""

    def __init__(self, answering: Answering, plain_hits: PlainHits, habits: Habits) -> None:
        self._answering = answering
        self._plain_hits = plain_hits
        self._habits = habits
        self._unread = Alarm(
            logger,
            logging.WARNING,
            "the store cannot be read, so nothing is replayed: %s",
            "the store can be read again; %d times it could not",
        )
        self._releasing: set[asyncio.Future[None]] = set()
        """A loop forgets tasks that nobody holds."""
        self._understood: Returning[_Said, Understood] = Returning(habits.memory * 3 // 8, lambda one: one.size)
        """Some hits come again, and a miss is read on both ways."""

    def at_once(self, asked: Asked, session: Session) -> Message | None:
        """Answer a request whose recording is at hand, all at once and as it would be answered by `open`.

        `None` if it takes more than that, and then nothing has happened: it is for `open` to decide.
        """
        if session.mode not in _REPLAYING:
            return None
        try:
            understood = self._understand(asked)
        except (Malformed, NotKeyable):
            return None
        message = self._message(asked, session, understood)
        if message is None and len(asked.body) <= _COMMON:
            self._understood.put_at_once(_said(asked), understood)  # `open` comes next
        return message

    def _message(self, asked: Asked, session: Session, understood: Understood) -> Message | None:
        takes = session.recordings.takes_at_once(understood.identity.key)
        if not takes:
            return None
        if message := self._plain_hits.answer(asked, session, understood, takes):
            return message
        exchange = self._hit(asked, session, understood, takes)
        return self._answering.message(exchange) if exchange else None

    def _hit(self, asked: Asked, session: Session, understood: Understood, takes: tuple[Take, ...]) -> Exchange | None:
        """A call that a recording has answered which is at hand; `None` if there is more to it."""
        directives, malformed = request_directives(asked.cache_control)
        mode = mode_for(session.mode, directives)
        if malformed or mode not in _REPLAYING or session.options.speed != INSTANT:
            return None
        exchange = Exchange(asked, session, Action.FORWARD, mode)
        identity = exchange.understand(understood)
        lookup = look_up_at_once(exchange, identity, directives, takes, self._answering.is_plain)
        return exchange if lookup and self._replay(exchange, identity, directives, lookup) else None

    async def open(self, asked: Asked, session: Session) -> Exchange:
        """Decide what happens to a request. Never raises `StoreError`: a store that fails is a miss nobody records."""
        directives, malformed = request_directives(asked.cache_control)
        if malformed:
            logger.warning("Cache-Control: %r of a request is malformed and was ignored", malformed)
        mode = mode_for(session.mode, directives)
        exchange = Exchange(asked, session, Action.FORWARD, mode)
        if mode is Mode.PASSTHROUGH:
            exchange.body = readable(asked.body)
            return exchange
        try:
            identity = await self._kept_identity(exchange, exchange.understand(self._understand(asked)))
            await self._settle(exchange, identity, directives)
        except Malformed as error:
            exchange.reason = str(error)
            problem = ApiError(Problem.BAD_REQUEST, f"chatreel cannot read this request: {error}")
            self._answering.refuse(exchange, problem)
        except NotKeyable as error:
            self._without_key(exchange, directives, str(error))
        return exchange

    def _understand(self, asked: Asked) -> Understood:
        """Raises `Malformed` or `NotKeyable`."""
        said = _said(asked)
        understood = self._understood.get(said)
        if understood is None:
            target, keys, body = asked.target, self._habits.keys, read_request(asked.body)
            tenant = keys.tenant(asked.credentials, target.query, body)
            identity = keys.identify(Where(target.upstream.origin, target.path, asked.query, tenant), body)
            form = WireForm.SSE if body.get("stream") is True else WireForm.JSON
            question = Question(identity.key, target, tenant, body.get("model"), form, asks_for_usage(body))
            understood = Understood(body, tenant, identity, question)
            if len(asked.body) <= _COMMON:
                self._understood.put(said, understood)
        return understood

    async def _kept_identity(self, exchange: Exchange, identity: Identity) -> Identity:
        """The identity to look for. To look for secrets takes longer than all else: a hit goes without.

        What is recorded under the identity that a request has as it came was a request without secrets, so this is one.
        """
        if exchange.mode is Mode.RECORD or not await self._is_recorded(exchange, identity):
            await self._keep(exchange)
        return exchange.identity or identity

    async def _is_recorded(self, exchange: Exchange, identity: Identity) -> bool:
        try:
            return bool(await exchange.session.recordings.takes(identity.key))
        except StoreError:
            return False

    async def _keep(self, exchange: Exchange) -> None:
        """Find out what may be stored of a request. Raises `NotKeyable`."""
        if exchange.kept is not None:
            return
        raw = exchange.asked.body
        kept = self._kept(exchange) if len(raw) <= _SHORT else await asyncio.to_thread(self._kept, exchange)
        exchange.kept, exchange.identity = kept, kept.identity
        if len(raw) > _LARGE:
            await self._lighten(exchange, kept.identity.document)

    def _kept(self, exchange: Exchange) -> Kept:
        return self._habits.keys.keep(exchange, exchange.body, exchange.asked.body, exchange.identity)

    async def _lighten(self, exchange: Exchange, document: bytes) -> None:
        """Let go of what was read, and find out now what its row in the log would need it for."""
        exchange.understood = None
        if "stream_options" not in exchange.body:  # which the body may be written anew for
            exchange.body = {name: child for name, child in exchange.body.items() if not isinstance(child, list)}
        exchange.prompt = await asyncio.to_thread(prompt_digest, document)

    def _without_key(self, exchange: Exchange, directives: Directives, reason: str) -> None:
        exchange.body = readable(exchange.asked.body)
        exchange.identity = None
        exchange.reason = reason
        exchange.found = Found.UNKEYABLE
        exchange.action = decide(exchange.session.mode, directives, exchange.found)
        if exchange.action is Action.REFUSE:
            problem = ApiError(Problem.NOT_KEYABLE, f"this request has no safe cache key: {reason}")
            self._answering.refuse(exchange, problem)

    async def _settle(self, exchange: Exchange, identity: Identity, directives: Directives) -> None:
        """Answer or refuse the call, or have it go upstream: alone, or as the one that others wait for."""
        session = exchange.session
        flights = session.flights
        deadline = time.monotonic() + PATIENCE
        for rounds_left in reversed(range(ROUNDS + 1)):
            landings = flights.landings
            if await self._answer(exchange, identity, directives):
                return
            if not is_shared(exchange.mode, exchange.action, strict=session.is_strict):
                return
            ahead = flights.of(identity.key)
            if ahead is None:
                await self._lead(exchange, identity, directives, look_again=flights.landings != landings)
                return
            if not rounds_left or (left := deadline - time.monotonic()) <= 0:
                return
            exchange.collapsed = False
            if recording := await ahead.wait(left):
                self._answering.coalesced(exchange, recording)
                return

    async def _lead(self, exchange: Exchange, identity: Identity, directives: Directives, *, look_again: bool) -> None:
        """Go upstream for all who ask the same meanwhile, unless somebody else has recorded it just now."""
        exchange.flight = exchange.session.flights.lead(identity.key)
        try:
            if look_again and await self._answer(exchange, identity, directives):
                return
            if exchange.session.recordings.shared:
                await self._lead_all(exchange, identity, directives)
        except BaseException:
            exchange.flight.land(None)
            raise

    async def _lead_all(self, exchange: Exchange, identity: Identity, directives: Directives) -> None:
        """The same among all proxies on one store. Without the store, every proxy is on its own."""
        recordings = exchange.session.recordings
        deadline = time.monotonic() + PATIENCE
        try:
            while not await recordings.acquire(identity.key, exchange.call_id, LEASE):
                if time.monotonic() > deadline:
                    return
                exchange.collapsed = False
                await asyncio.sleep(_POLL)
                lookup = await look_up(exchange, identity, directives)
                give_back(exchange, identity, lookup)
                if lookup.recording and lookup.found is Found.HIT:
                    self._answering.coalesced(exchange, lookup.recording)
                    return
            self._release_later(exchange, identity.key)
            await self._answer(exchange, identity, directives)  # it may have come between the look and the lease
        except StoreError as error:
            logger.warning("other proxies cannot be asked: %s", error)

    def _release_later(self, exchange: Exchange, key: str) -> None:
        async def release() -> None:
            try:
                await exchange.session.recordings.release(key, exchange.call_id)
            except StoreError as error:  # the lease runs out by itself
                logger.warning("other proxies have to wait: %s", error)

        def landed() -> None:
            task = asyncio.ensure_future(release())
            self._releasing.add(task)
            task.add_done_callback(self._releasing.discard)

        if exchange.flight:
            exchange.flight.when_landed(landed)

    async def _answer(self, exchange: Exchange, identity: Identity, directives: Directives) -> bool:
        """Decide by what is recorded; whether that has answered the call."""
        try:
            lookup = await look_up(exchange, identity, directives)
            self._unread.rest()
        except StoreError as error:
            self._unread.ring(error)
            lookup = Lookup(Found.MISS)
        if self._replay(exchange, identity, directives, lookup):
            return True
        await self._keep(exchange)
        if exchange.action is Action.REFUSE:
            await self._answering.refuse_found(exchange, identity, lookup.takes)
            return True
        if lookup.recording and lookup.found is Found.EXPIRED:
            exchange.replaces = lookup.recording.id
        return False

    def _replay(self, exchange: Exchange, identity: Identity, directives: Directives, lookup: Lookup) -> bool:
        """Decide; whether a recording has answered the call."""
        exchange.found = lookup.found
        exchange.action = decide(exchange.session.mode, directives, lookup.found)
        if exchange.action is Action.REPLAY and lookup.recording and lookup.choice:
            exchange.take = lookup.choice.number
            self._answering.hit(exchange, lookup.recording)
            return True
        give_back(exchange, identity, lookup)
        return False
