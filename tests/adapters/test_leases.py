"""One of several proxies on a store fetches what all of them miss; the others wait until it has, or is gone."""

import asyncio
import time

from chatreel.store import Store
from support.database import rows
from support.stores import opened, use

LONG = 60.0


def test_one_leads_and_the_others_do_not(store: str) -> None:
    async def work(first: Store) -> list[bool]:
        with opened(store) as second:
            return [
                await first.acquire("", "k", "a", LONG),
                await second.acquire("", "k", "b", LONG),
                await first.acquire("", "k", "a", LONG),  # once more: it goes on leading
                await second.acquire("", "other", "b", LONG),
                await second.acquire("c", "k", "b", LONG),
            ]

    assert use(store, work) == [True, False, True, True, True]


def test_who_releases_a_key_makes_room_and_takes_nothing_from_others(store: str) -> None:
    async def work(one: Store) -> list[bool]:
        found = [await one.acquire("", "k", "a", LONG)]
        await one.release("", "k", "b")
        found.append(await one.acquire("", "k", "b", LONG))
        await one.release("", "k", "a")
        return [*found, await one.acquire("", "k", "b", LONG)]

    assert use(store, work) == [True, False, True]
    assert rows(store, "SELECT owner FROM leases") == [("b",)]


def test_a_lease_ends_by_itself_when_its_owner_is_gone(store: str) -> None:
    async def work(one: Store) -> bool:
        assert await one.acquire("", "k", "a", 0.2)
        deadline = time.monotonic() + 30
        while not await one.acquire("", "k", "b", LONG):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        return await one.acquire("", "k", "a", LONG)

    assert use(store, work) is False


def test_of_many_at_once_one_leads(store: str) -> None:
    async def work(first: Store) -> list[bool]:
        with opened(store) as second:
            return await asyncio.gather(
                *((first, second)[n % 2].acquire("", "k", str(n), LONG) for n in range(20)),
            )

    assert sum(use(store, work)) == 1


def test_only_a_server_is_shared_by_machines(store: str) -> None:
    with opened(store) as one:
        assert one.shared is ("://" in store)
