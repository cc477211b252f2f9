"""A call from its request to its end.

open() -> Exchange: answered from the recordings, refused, or to be forwarded
finish()            the upstream's answer is complete: is it worth storing? store it, log the call
fail()              there will be no complete answer: log the call
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

from chatreel.alarm import Alarm
from chatreel.annotate import Annotator
from chatreel.api_errors import ApiError, Problem
from chatreel.budget import Unknown, Verdict
from chatreel.decide import Action
from chatreel.errors import StoreError
from chatreel.exchange import Answered, Asked, Exchange
from chatreel.http_caching import CacheStatus
from chatreel.model import Mode, Outcome
from chatreel.recorder import storing
from chatreel.recorder.answering import Answering, Message
from chatreel.recorder.habits import DEFAULT_HABITS, Habits
from chatreel.recorder.logbook import Logbook
from chatreel.recorder.opening import Opening
from chatreel.recorder.plain_hits import PlainHits
from chatreel.reply import Reply, refusal
from chatreel.session import Session
from chatreel.store import Store
from chatreel.upstreams import Target

_SOON = 0.03
"""Seconds after which a stream that goes on leaves time: its first pieces, and those of others, come before."""

logger = logging.getLogger(__name__)


class Recorder:
    """Everything that needs the store and the clock, for the calls of all sessions."""

    def __init__(self, store: Store, habits: Habits = DEFAULT_HABITS) -> None:
        """`store`: where calls are logged; each session knows its own recordings."""
        self._habits = habits
        self._store = store
        self._logbook = Logbook(
            store, Annotator(habits.prices, habits.keys.redactor), habits.tags, habits.keys.redactor
        )
        self._answering = Answering(store, self._logbook, habits.memory)
        hits = PlainHits(self._answering, self._logbook, habits.memory // 8)
        self._opening = Opening(self._answering, hits, habits)
        self._unrecorded = Alarm(
            logger, logging.CRITICAL, "NOTHING IS BEING RECORDED: %s", "answers are being recorded again; %d were not"
        )
        self._without_usage: set[tuple[str, str]] = set()
        """Origin and model of the upstreams that refuse to be asked for usage."""

    def at_once(self, asked: Asked, session: Session) -> Message | None:
        """Answer a request whose recording is at hand, all at once and as it would be answered by `open`.

        Head and body of an HTTP/1.1 response, which may go out once `keep` is called. `None` if it takes more than
        that, and then nothing has happened.
        """
        return self._opening.at_once(asked, session)

    def keep(self) -> None:
        """Save from a kill the rows of all that was answered at once."""
        self._store.calls.keep()

    async def open(self, asked: Asked, session: Session) -> Exchange:
        """Decide what happens to a request. Never raises `StoreError`: a store that fails is a miss nobody records."""
        exchange = await self._opening.open(asked, session)
        if exchange.reply is None and session.allowances:
            await self._hold_to_budgets(exchange)
        exchange.adds_usage = self._adds_usage(exchange)
        return exchange

    def usage_refused(self, exchange: Exchange) -> None:
        """The upstream answered once it was no longer asked for usage: it will not be asked again."""
        self._without_usage.add((exchange.upstream, exchange.model))

    def turn_away(self, target: Target, session: Session, error: ApiError) -> Reply:
        """Refuse a call whose body is not even looked at."""
        exchange = Exchange(Asked(target, b""), session, Action.REFUSE, session.mode, reason=error.message)
        self._answering.refuse(exchange, error)
        return exchange.reply or refusal(error)

    def streams(self, exchange: Exchange, news: Callable[[], bytes]) -> None:
        """The answer has begun, and comes piece by piece: there will be time before its end.

        `news`: what of its body has come since it was called last.
        """
        if exchange.action is Action.RECORD:
            loop = asyncio.get_running_loop()
            loop.call_later(_SOON, _prepare, exchange)
            loop.call_later(_SOON, storing.read_along, exchange, news)

    async def finish(
        self, exchange: Exchange, answered: Answered, release: Callable[[], None] | None = None
    ) -> CacheStatus | ApiError:
        """The upstream's answer is there, whole. When this returns, what is worth storing is stored.

        An `ApiError` takes the answer's place where the client asked to record and the store could not. `release`:
        called before that, if it can be, once no kill takes away what will be stored: the client may have all then.
        """
        exchange.answered = answered
        foretell = partial(self._logbook.foretell, exchange, answered.status, release) if release else None
        try:
            status = await storing.store(exchange, answered, self._habits.keys, foretell)
            if status.stored:
                self._unrecorded.rest()
            else:
                exchange.facts = await storing.facts(answered)
        except StoreError as error:
            exchange.answer = None
            exchange.facts = await storing.facts(answered)
            self._unrecorded.ring(error)
            exchange.session.journal.warn(f"nothing is being recorded: {error}")
            exchange.reason = f"{'not stored yet' if exchange.foretold else 'not stored'}: {error}"
            if exchange.mode is Mode.RECORD and not exchange.foretold:
                problem = ApiError(Problem.NOT_STORED, f"the answer came, but could not be recorded: {error}")
                self._logbook.write(exchange, Outcome.FAILED, status=problem.status)
                return problem
            status = self.forward_status(exchange)._replace(detail="store-failed")
        outcome = Outcome.RECORDED if status.stored else Outcome.PASSED
        if exchange.client_left:
            exchange.reason = "; ".join(filter(None, ("the client left before the end", exchange.reason)))
        self._logbook.write(exchange, outcome, status=None if exchange.client_left else answered.status)
        return status

    def fail(self, exchange: Exchange, reason: str, *, status: int | None = None) -> None:
        """There will be no complete answer. `status`: what the client got, if anything."""
        exchange.reason = f"the client left, and no answer came in time: {reason}" if exchange.client_left else reason
        self._logbook.write(exchange, Outcome.FAILED, status=status)

    def forward_status(self, exchange: Exchange) -> CacheStatus:
        """What can be said of a forwarded call before its answer is complete."""
        return storing.forward_status(exchange)

    async def _hold_to_budgets(self, exchange: Exchange) -> None:
        """Refuse a call that would go upstream where a budget is spent; those that are over have been priced."""
        tags = self._logbook.tags_of(exchange.asked, exchange.session)
        verdict = await self._store.calls.once_settled(lambda: self._verdict(exchange, tags))
        if verdict:
            exchange.reason = verdict.reason
            exchange.session.journal.warn(verdict.reason)
            self._answering.refuse(exchange, ApiError(Problem.BUDGET_SPENT, verdict.reason))

    def _verdict(self, exchange: Exchange, tags: Mapping[str, str]) -> Verdict | None:
        """Why it may not go there. Runs where rows are priced, so that nothing is counted meanwhile."""
        now, session = time.time(), exchange.session
        refusing = any(allowance.budget.unpriced is Unknown.REFUSE for allowance in session.allowances)
        url = exchange.upstream + exchange.path
        priced = not refusing or self._habits.prices.knows(exchange.model, url, now)
        return session.may_spend(tags, now, priced=priced)

    def _adds_usage(self, exchange: Exchange) -> bool:
        asked = (exchange.upstream, exchange.model)
        wanted = self._habits.ask_usage and exchange.streams and not exchange.wants_usage
        return wanted and exchange.action is Action.RECORD and asked not in self._without_usage


def _prepare(exchange: Exchange) -> None:
    if exchange.kept and exchange.answered is None and not exchange.logged:
        exchange.session.recordings.prepare(exchange.kept)
