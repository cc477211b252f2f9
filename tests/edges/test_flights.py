"""Identical calls in flight, without an engine: who leads, who waits, and what several proxies on one store do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from chatreel.errors import StoreError
from chatreel.exchange import Answered, Asked, Exchange
from chatreel.flights import Flights
from chatreel.model import Mode, Outcome, Piece
from chatreel.recorder import Recorder
from chatreel.recordings import StoreRecordings
from chatreel.session import Session
from chatreel.store import Store
from chatreel.upstreams import Upstreams
from chatreel.wire.codec import dumps
from support import replies
from support.calls import question
from support.stores import take, use

TARGET = Upstreams.parse(("https://h",)).target("/v1/chat/completions")
assert TARGET is not None
CHAT = TARGET


@dataclass
class Leases:
    """What several proxies on one store agree with: one owner a key."""

    owners: dict[str, str] = field(default_factory=dict)
    broken: bool = False
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody was told to wait."""
    released: asyncio.Event = field(default_factory=asyncio.Event)


class SharedRecordings(StoreRecordings):
    """A store that others write to, too."""

    def __init__(self, store: Store, leases: Leases) -> None:
        super().__init__(store)
        self.leases = leases

    @property
    def shared(self) -> bool:
        return True

    async def acquire(self, key: str, owner: str, seconds: float) -> bool:
        assert seconds > 0
        if self.leases.broken:
            raise StoreError("the network is down")
        mine = self.leases.owners.setdefault(key, owner) == owner
        if mine:
            self.leases.released.clear()
        else:
            self.leases.refused.set()
        return mine

    async def release(self, key: str, owner: str) -> None:
        if self.leases.owners.get(key) == owner:
            del self.leases.owners[key]
            self.leases.released.set()


@dataclass
class Proxies:
    """Two proxies on one store, as far as a recorder and a session make one."""

    leases: Leases
    recorders: list[Recorder]
    sessions: list[Session]

    async def open(self, number: int) -> Exchange:
        return await self.recorders[number].open(asked(), self.sessions[number])

    async def finish(self, number: int, exchange: Exchange, reply: replies.Reply) -> None:
        body = reply.body
        answer = Answered(reply.status, tuple(reply.headers.items()), body, (Piece(0.5, len(body)),))
        await self.recorders[number].finish(exchange, answer)

    def outcomes(self) -> list[dict[Outcome, int]]:
        return [dict(session.tally.outcomes) for session in self.sessions]


def asked(text: str = "Hi") -> Asked:
    return Asked(CHAT, dumps(question(text)))


def with_proxies[T](store: str, work: Callable[[Proxies], Awaitable[T]], leases: Leases | None = None) -> T:
    async def run(opened: Store) -> T:
        agreed = leases or Leases()
        recorders = [Recorder(opened) for _ in range(2)]
        return await work(
            Proxies(agreed, recorders, [Session(Mode.CACHE, SharedRecordings(opened, agreed)) for _ in range(2)])
        )

    return use(store, run)


def test_one_proxy_asks_for_both_and_the_other_serves_what_it_recorded(store: str) -> None:
    async def work(proxies: Proxies) -> list[dict[Outcome, int]]:
        leader = await proxies.open(0)
        assert leader.reply is None
        follower = asyncio.create_task(proxies.open(1))
        await proxies.leases.refused.wait()
        assert not follower.done()
        await proxies.finish(0, leader, replies.completion("shared"))
        exchange = await follower
        assert exchange.reply
        assert b"shared" in exchange.reply.body
        assert "fwd=miss; collapsed; key=" in dict(exchange.reply.headers)["cache-status"]
        return proxies.outcomes()

    assert with_proxies(store, work) == [{Outcome.RECORDED: 1}, {Outcome.COALESCED: 1}]


def test_if_that_one_fails_the_other_takes_over(store: str) -> None:
    async def work(proxies: Proxies) -> None:
        leader = await proxies.open(0)
        follower = asyncio.create_task(proxies.open(1))
        await proxies.leases.refused.wait()
        await proxies.finish(0, leader, replies.error(500))
        exchange = await follower
        assert exchange.reply is None
        await proxies.finish(1, exchange, replies.completion())
        await proxies.leases.released.wait()
        assert not proxies.leases.owners

    with_proxies(store, work)


def test_without_a_word_from_the_others_each_asks_for_itself(store: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work(proxies: Proxies) -> list[bool]:
        return [(await proxies.open(number)).reply is None for number in (0, 1)]

    assert with_proxies(store, work, Leases(broken=True)) == [True, True]
    assert "other proxies cannot be asked" in caplog.text


def test_a_flight_lands_once_and_whoever_comes_late_has_its_result() -> None:
    recording = take().replayable

    async def work() -> None:
        flights = Flights()
        flight = flights.lead("k")
        assert flights.of("k") is flight
        flight.land(recording)
        flight.land(None)
        assert await flight.wait(1) is recording
        assert flights.of("k") is None
        assert flights.landings == 1

    asyncio.run(work())


def test_a_flight_that_does_not_land_is_not_waited_for_for_ever() -> None:
    async def work() -> object:
        return await Flights().lead("k").wait(0.01)

    assert asyncio.run(work()) is None


def test_an_old_flight_that_lands_does_not_end_the_one_after_it() -> None:
    async def work() -> None:
        flights = Flights()
        old, new = flights.lead("k"), flights.lead("k")
        old.land(None)
        assert flights.of("k") is new

    asyncio.run(work())
