"""What another process adds to a store, or takes out of it, is seen within a second."""

import asyncio
from threading import Event
from typing import Any

import pytest

from chatreel.model import Take
from chatreel.store import Store, recordings
from support.database import rows
from support.stores import add, opened, take, use

SOON = 1.0
"""Seconds."""


async def seen_soon(one: Store) -> tuple[int, ...]:
    """The takes that are seen once so much time has passed."""
    one._others._watched_at -= SOON
    return tuple(take.id for take in await one.takes("", "k"))


def test_a_recording_of_another_process_is_seen_soon(store: str) -> None:
    async def work(one: Store) -> tuple[int, ...]:
        await one.add(take("k"))
        await one.takes("", "k")
        with opened(store) as other:
            await other.add(take("k"))
        return await seen_soon(one)

    assert use(store, work) == (1, 2)


def test_a_recording_that_another_process_has_deleted_is_not_served_any_more(store: str) -> None:
    async def work(one: Store) -> tuple[int, ...]:
        added = [await one.add(take("k")) for _ in range(2)]
        await one.takes("", "k")
        await one.replayable(added[1].id)
        rows(store, "DELETE FROM recordings WHERE id = 2")
        return await seen_soon(one)

    assert use(store, work) == (1,)


def test_what_nobody_changes_is_not_read_again(file_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long: a hit costs no look-up."""
    add(file_store, take("k"))
    read = []

    async def work(one: Store) -> None:
        await one.takes("", "k")
        monkeypatch.setattr(recordings, "takes", lambda *_: read.append(1))
        for _ in range(4):
            one._others._watched_at -= 1  # as if a second had passed
            assert len(await one.takes("", "k")) == 1

    use(file_store, work)
    assert read == []


def test_what_was_read_before_a_change_is_not_remembered_after_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up has read, then somebody deletes, that is noticed, and only then the answer of the look-up arrives."""
    has_read, may_answer = Event(), Event()
    read = recordings.takes

    def slow(*args: Any) -> tuple[Take, ...]:
        found = read(*args)
        has_read.set()
        may_answer.wait(30)
        return found

    async def work(one: Store) -> list[tuple[Take, ...]]:
        monkeypatch.setattr(recordings, "takes", slow)
        looking = asyncio.create_task(one.takes("", "k"))
        await asyncio.to_thread(has_read.wait, 30)
        rows(store, "DELETE FROM recordings")
        one._others._watched_at -= 1  # as if a second had passed
        await one._others.notice()
        may_answer.set()
        return [await looking, await one.takes("", "k")]

    add(store, take("k"))
    before, after = use(store, work)
    assert (len(before), after) == (1, ())
