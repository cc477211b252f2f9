"""While recordings come fast a process of its own writes them, and nothing else is different."""

import asyncio
import logging
import os
import random
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatreel.errors import StoreError
from chatreel.model import Piece, Recording, WireForm
from chatreel.store import Store
from chatreel.store.place import StoreFile
from chatreel.store.scribe import Haste, Scribe, Task
from support.database import fill_up, locked, rows
from support.scribes import is_alive, kill, scribes_of
from support.stores import MEGABYTE, genuine, opened, take
from support.waiting import eventually

HASTY = Haste(fast=1, lasting=1, idle=600, again=600)
"""The first recording has the process start."""

SPOILT = Task("/nowhere/store.db", StoreFile(Path("/nowhere/store.db")), "", 0)
"""Of a process that nobody waits for."""

UNWRITABLE = "\udc80"
"""No UTF-8: no database takes it as a model."""


def use[T](location: str, work: Callable[[Store], Awaitable[T]], haste: Haste = HASTY) -> T:
    """What some work on a store comes to; the store is closed then."""

    async def run() -> T:
        with closing(Store(location, memory_limit=MEGABYTE, haste=haste)) as store:
            async with asyncio.timeout(300):  # what waits for ever fails
                return await work(store)

    return asyncio.run(run())


async def scribe_of(store: Store) -> int:
    """The process that writes; recordings of a cassette of their own have it begin."""
    while not (store._scribe.is_writing and (found := scribes_of(os.getpid()))):
        await store.add(take("before", cassette="before"))
        await asyncio.sleep(0.01)
    [pid] = found
    return pid


def kill_for_good(*pids: int) -> None:
    """Until then it could still be handed something, of which nobody would know what became of it."""
    kill(*pids)
    assert eventually(lambda: not any(map(is_alive, pids)))


async def added(store: Store, *several: Recording) -> list[Recording | BaseException]:
    """What becomes of recordings that come together."""
    return await asyncio.gather(*map(store.add, several), return_exceptions=True)


def all_sorts() -> Iterator[Recording]:
    """As a proxy might have them."""
    rng = random.Random(7)
    yield genuine("plain")
    yield genuine("plain")
    yield genuine("of a tenant", tenant="t", query="a=1", usage_added=True, cassette="named")
    yield genuine("an error", answer=b'{"error":{"message":"no"}}', status=429)
    yield take("headers", headers=(("content-type", "text/plain"), ("x-request-id", "é")))
    yield take("large", body=rng.randbytes(5_000_000))
    yield take("nothing", body=b"", pieces=())
    for n in range(5):
        events = [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % rng.randrange(10**n) for _ in range(120)]
        pieces = tuple(Piece(at / 64, len(event)) for at, event in enumerate(events))
        yield take(f"stream {n}", form=WireForm.SSE, body=b"".join(events), pieces=pieces, completion=b'{"id":"1"}')


def test_what_the_process_writes_is_what_the_thread_writes(file_store: str, tmp_path: Path) -> None:
    async def by_process(store: Store) -> list[Recording]:
        await scribe_of(store)
        return [await store.load((await store.add(one)).id) for one in all_sorts()]

    async def by_thread(store: Store) -> list[Recording]:
        return [await store.load((await store.add(one)).id) for one in all_sorts()]

    written = [replace(one, id=0) for one in use(file_store, by_process)]
    assert written == [*all_sorts()]
    other = str(tmp_path / "other.db")
    assert written == [replace(one, id=0) for one in use(other, by_thread, Haste())]
    kept = "SELECT DISTINCT digest, size FROM payloads p JOIN recordings r ON p.id = {} WHERE key <> 'before'"
    for column in ("r.request", "r.document"):
        assert sorted(rows(file_store, kept.format(column))) == sorted(rows(other, kept.format(column)))


def test_few_recordings_have_no_process_started(file_store: str) -> None:
    async def work(store: Store) -> list[int]:
        await added(store, *(take(f"{n}") for n in range(9)))
        return scribes_of(os.getpid())

    assert use(file_store, work, Haste(fast=10, lasting=1, idle=600, again=600)) == []


def test_a_burst_that_does_not_last_has_no_process_started() -> None:
    now = 0.0
    scribe = Scribe(SPOILT, Haste(fast=10, lasting=2), clock=lambda: now)
    for now, recordings in ((0.1, 99), (0.9, 99), (1.0, 9), (1.9, 0), (2.1, 99), (9.0, 99), (9.5, 99)):
        scribe.notice(recordings)
        assert scribe.patience is None, now
    now = 10.0
    scribe.notice(10)
    assert scribe.patience is not None
    scribe.close()


def test_a_server_has_its_recordings_written_by_the_thread(postgres_store: str) -> None:
    async def work(store: Store) -> list[int]:
        await added(store, *(take(f"{n}") for n in range(9)))
        return scribes_of(os.getpid())

    assert use(postgres_store, work) == []


def test_one_of_several_workers_has_no_process(file_store: str) -> None:
    async def work() -> list[int]:
        with closing(Store(file_store, memory_limit=MEGABYTE, haste=HASTY, worker="1:")) as store:
            await added(store, *(take(f"{n}") for n in range(9)))
            return scribes_of(os.getpid())

    assert asyncio.run(work()) == []


def test_the_process_is_gone_some_time_after_the_last_recording_and_comes_again(file_store: str) -> None:
    async def work(store: Store) -> None:
        first = await scribe_of(store)
        assert await asyncio.to_thread(eventually, lambda: not scribes_of(os.getpid()))
        assert not is_alive(first)
        assert await scribe_of(store) != first

    use(file_store, work, Haste(fast=1, lasting=1, idle=1.0, again=600))
    assert scribes_of(os.getpid()) == []


def test_rows_of_the_log_do_not_keep_the_process(file_store: str) -> None:
    async def work(store: Store) -> None:
        await scribe_of(store)

        async def log() -> None:
            while True:
                await store._threads.write(lambda _: None)

        logging_on = asyncio.create_task(log())
        assert await asyncio.to_thread(eventually, lambda: not scribes_of(os.getpid()))
        logging_on.cancel()

    use(file_store, work, Haste(fast=1, lasting=1, idle=1.0, again=600))


def test_takes_of_a_key_stay_in_order_whoever_writes_them(file_store: str) -> None:
    bodies = [b"%d" % n for n in range(60)]

    async def work(store: Store) -> list[bytes]:
        for n, body in enumerate(bodies):
            if n == 20:
                await scribe_of(store)
            if n == 40:
                kill_for_good(*scribes_of(os.getpid()))
            await store.add(take("k", body=body))
        return [(await store.load(one.id)).body for one in await store.takes("", "k")]

    assert use(file_store, work) == bodies


def test_a_recording_that_cannot_be_written_fails_alone(file_store: str) -> None:
    async def work(store: Store) -> list[Recording | BaseException]:
        await scribe_of(store)
        bad = take("bad", model=UNWRITABLE)
        return await added(store, take("a"), bad, take("b"), bad, take("c"))

    results = use(file_store, work)
    assert [type(result) for result in results] == [Recording, StoreError, Recording, StoreError, Recording]
    assert "the store failed: " in str(results[1])
    assert sorted(rows(file_store, "SELECT key FROM recordings WHERE cassette = ''")) == [("a",), ("b",), ("c",)]


def test_a_full_disk_is_the_error_that_it_always_is(file_store: str) -> None:
    async def work(store: Store) -> None:
        await scribe_of(store)
        fill_up(file_store)
        with pytest.raises(StoreError, match="the store failed: the disk is full"):
            await store.add(take("secret"))
        assert len(scribes_of(os.getpid())) == 1

    use(file_store, work)


async def why_not(store: Store) -> str:
    """What it says when it cannot store."""
    with pytest.raises(StoreError) as raised:
        await store.add(take("a"))
    return str(raised.value)


def test_a_store_that_was_deleted_or_replaced_is_not_written_to_by_the_process(file_store: str) -> None:
    file = Path(file_store)
    aside = file.with_name("aside")

    def put_aside() -> None:
        file.rename(aside)

    def replace_by_nothing() -> None:
        file.write_bytes(b"")

    def put_back() -> None:
        assert file.read_bytes() == b""
        aside.rename(file)

    async def work(store: Store) -> None:
        await scribe_of(store)
        put_aside()
        assert "was deleted while it was in use" in await why_not(store)
        replace_by_nothing()
        assert "was replaced by another file" in await why_not(store)
        put_back()
        await store.add(take("again"))
        assert len(scribes_of(os.getpid())) == 1

    use(file_store, work)


def test_what_cannot_be_handed_over_costs_the_process_and_no_recording_but_that(file_store: str) -> None:
    async def work(store: Store) -> list[Recording | BaseException]:
        await scribe_of(store)
        unspeakable: Any = lambda: None  # noqa: E731 - nothing that could be pickled
        return await added(store, take("a"), take("bad", model=unspeakable), take("b"))

    results = use(file_store, work)
    assert [type(result) for result in results] == [Recording, StoreError, Recording]
    assert sorted(rows(file_store, "SELECT key FROM recordings WHERE cassette = ''")) == [("a",), ("b",)]


@pytest.mark.long
def test_a_store_that_others_lock_is_an_error_once_they_take_too_long(file_store: str) -> None:
    async def work(store: Store) -> None:
        await scribe_of(store)
        with locked(file_store):
            with pytest.raises(StoreError, match="database is locked"):
                await store.add(take("a"))
            with pytest.raises(StoreError, match="database is locked"):
                await store.add(take("at once"))
        await asyncio.sleep(1)
        await store.add(take("again"))

    use(file_store, work)
    assert rows(file_store, "SELECT key FROM recordings WHERE cassette = ''") == [("again",)]


def test_whoever_got_an_answer_is_in_the_store_once_though_the_process_was_killed(
    file_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(store: Store) -> tuple[set[str], dict[str, str]]:
        pid = await scribe_of(store)
        stored, failed = set[str](), dict[str, str]()

        async def client(number: int) -> None:
            for n in range(40):
                key = f"{number} {n}"
                try:
                    await store.add(take(key))
                    stored.add(key)
                except StoreError as error:
                    failed[key] = str(error)
                if len(stored) == 300:
                    kill(pid)

        await asyncio.gather(*map(client, range(16)))
        assert scribes_of(os.getpid()) == []  # nor does another one come at once
        return stored, failed

    stored, failed = use(file_store, work)
    assert len(stored) + len(failed) == 640
    assert len(failed) <= 16, failed
    assert all("whether this one is stored; it may be" in said for said in failed.values()), failed
    found = [key for (key,) in rows(file_store, "SELECT key FROM recordings WHERE cassette = ''")]
    assert len(found) == len(set(found))
    assert stored <= set(found) <= stored | failed.keys()
    assert "recordings are written without a process of its own" in caplog.text
    assert "ended with code -9" in caplog.text


def test_a_process_that_cannot_be_started_is_said_and_costs_no_recording(
    file_store: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))

    async def work(store: Store) -> list[Recording | BaseException]:
        return await added(store, *(take(f"{n}") for n in range(9)))

    results = use(file_store, work)
    assert [type(result) for result in results] == [Recording] * 9
    assert caplog.text.count("recordings are written without a process of its own") == 1
    assert caplog.records[0].levelno == logging.WARNING


def test_a_process_that_ends_at_once_is_said_and_costs_no_recording(
    file_store: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def work(store: Store) -> None:
        while not caplog.text:
            await store.add(take("k"))

    use(file_store, work)
    assert "which ended with code 1: " in caplog.text


def test_closing_writes_what_waits_for_the_process(file_store: str) -> None:
    async def work(store: Store) -> None:
        await scribe_of(store)
        tasks = [asyncio.create_task(store.add(take(f"{n}"))) for n in range(600)]  # more than one batch
        await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)

    use(file_store, work)
    assert rows(file_store, "SELECT count(DISTINCT key), count(*) FROM recordings WHERE cassette = ''") == [(600, 600)]
    assert [path.name for path in Path(file_store).parent.iterdir()] == ["store.db"]
    assert scribes_of(os.getpid()) == []


def test_closing_leaves_no_process_that_was_about_to_start(file_store: str) -> None:
    async def work(store: Store) -> None:
        await store.add(take("k"))

    use(file_store, work)
    assert scribes_of(os.getpid()) == []
    with opened(file_store):
        pass
    assert rows(file_store, "SELECT key FROM recordings") == [("k",)]


def test_what_the_process_wrote_is_found_by_others(file_store: str) -> None:
    async def work(store: Store) -> None:
        await scribe_of(store)
        await store.add(take("k"))
        assert len(await store.takes("", "k")) == 1
        assert len(store.takes_at_once("", "k")) == 1

    use(file_store, work)
