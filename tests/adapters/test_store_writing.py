"""One thread writes, in batches: what fails, fails alone, and what waits is written before the end."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from chatreel.errors import StoreError
from chatreel.facts import Facts
from chatreel.model import Mode, Outcome, Recording
from chatreel.store import Call, Store
from chatreel.store.call import Charge
from chatreel.store.usual import packed_usage
from support.database import fill_up, rows
from support.stores import add, call, opened, take, use


@contextmanager
def busy(store: Store) -> Iterator[None]:
    """The writer is kept busy until the end of the block, so that what is written meanwhile comes into one batch."""
    entered, gate = threading.Event(), threading.Event()

    def keep_busy(_: object) -> None:
        entered.set()
        gate.wait(30)

    store._threads.writer.submit(keep_busy)
    # Until it is busy it might take what comes into the batch it is beginning, and what is cancelled after that counts.
    assert entered.wait(30)
    try:
        yield
    finally:
        gate.set()


async def add_together(store: Store, *recordings: Recording) -> list[asyncio.Task[Recording]]:
    """Additions that have reached the writer's queue."""
    tasks = [asyncio.create_task(store.add(recording)) for recording in recordings]
    await asyncio.sleep(0)
    return tasks


UNWRITABLE: dict[str, Any] = {"model": "\udc80"}
"""No UTF-8: no database takes it."""


def test_a_write_that_fails_does_not_take_its_batch_with_it(store: str) -> None:
    async def work(opened_store: Store) -> list[Recording | BaseException]:
        with busy(opened_store):
            tasks = await add_together(
                opened_store, take("a"), take("x", **UNWRITABLE), take("b"), take("x", **UNWRITABLE), take("c")
            )
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = use(store, work)
    assert [type(result) for result in results] == [Recording, StoreError, Recording, StoreError, Recording]
    assert rows(store, "SELECT key FROM recordings ORDER BY id") == [("a",), ("b",), ("c",)]


def test_what_is_done_in_advance_and_fails_disturbs_nothing(store: str) -> None:
    async def work(opened_store: Store) -> Recording:
        opened_store._threads.writer.aside(lambda: 1 / 0)
        with busy(opened_store):
            opened_store._threads.writer.aside(lambda: 1 / 0)
            [task] = await add_together(opened_store, take("a"))
        return await task

    assert use(store, work).id == 1


def test_a_failed_write_leaves_nothing_behind(store: str) -> None:
    with pytest.raises(StoreError, match="store failed"):
        add(store, take("x", body=b"never", **UNWRITABLE))
    assert rows(store, "SELECT count(*) FROM payloads") == [(0,)]


def test_an_error_of_the_database_does_not_repeat_what_was_to_be_written(store: str) -> None:
    use(store, lambda opened_store: opened_store.count(""))
    fill_up(store)
    with pytest.raises(StoreError, match="the store failed: the disk is full") as raised:
        add(store, take(body=b"my secret", model="my secret"))
    assert "secret" not in str(raised.value)
    assert "secret" not in str(raised.value.__cause__)


def test_a_caller_that_gives_up_does_not_stop_the_writer(store: str) -> None:
    async def work(opened_store: Store) -> list[Recording]:
        with busy(opened_store):
            given_up, *waiting = await add_together(opened_store, take("given up"), take("a"), take("b"))
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
        return [*await asyncio.gather(*waiting), await opened_store.add(take("c"))]

    assert [recording.identity.key for recording in use(store, work)] == ["a", "b", "c"]
    assert rows(store, "SELECT key FROM recordings ORDER BY id") == [("a",), ("b",), ("c",)]


def test_closing_writes_what_waits(store: str) -> None:
    async def work(opened_store: Store) -> None:
        with busy(opened_store):
            for n in range(600):  # more than one batch
                opened_store.calls.add(call(str(n)))
            await add_together(opened_store, take("a"))

    use(store, work)
    assert rows(store, "SELECT count(*) FROM calls") == [(600,)]
    assert rows(store, "SELECT key FROM recordings") == [("a",)]


def test_a_closed_store_leaves_nothing_open(file_store: str) -> None:
    """The file alone: no journal beside it, and no thread."""
    before = {thread.name for thread in threading.enumerate()}
    add(file_store, take())
    assert [path.name for path in Path(file_store).parent.iterdir()] == ["store.db"]
    assert {thread.name for thread in threading.enumerate()} <= before


CALLS = [
    call("hit", stream=True),
    call("miss", outcome=Outcome.RECORDED, first_piece=0.25, latency=1.5),
    call(
        "tagged",
        session="s",
        take=2,
        session_name="test_a",
        tags='{"team":"é"}',
        upstream_time=1.25,
        spared=0.5,
        miss_reason="stale",
        prompt="0123456789abcdef",
        facts=Facts(model_served="m-1", finish_reason="stop", chunks=3, prompt_tokens=7, usage="{}", reported_cost=5),
        charge=Charge(cost=2**53 + 1, saved=0, price_source="override", unpriced="because"),
    ),
    call(
        "none",
        outcome=Outcome.FAILED,
        reason="the café's upstream broke off",
        mode=Mode.RECORD,
        cassette="c",
        status=None,
        key=None,
        recording_id=None,
    ),
]


def test_a_row_of_the_log_says_all_that_the_call_said(store: str) -> None:
    with opened(store) as opened_store:
        for one in CALLS:
            opened_store.calls.add(one)
    apart = {"facts": Facts, "charge": Charge}
    own = [field.name for field in fields(Call) if field.name not in apart]
    assert rows(store, f"SELECT {', '.join(own)} FROM calls ORDER BY id") == values(CALLS, own)
    for member, kind in apart.items():
        names = [field.name for field in fields(kind) if field.name not in ("answered", "usage")]
        holders = [getattr(one, member) for one in CALLS]
        assert rows(store, f"SELECT {', '.join(names)} FROM calls ORDER BY id") == values(holders, names)
    usages = [bytes(usage) if usage else None for (usage,) in rows(store, "SELECT usage FROM calls ORDER BY id")]
    assert usages == [one.facts.usage and packed_usage(one.facts.usage) for one in CALLS]


def values(holders: list[Any], names: list[str]) -> list[tuple[Any, ...]]:
    return [tuple(getattr(holder, name) for name in names) for holder in holders]


def test_what_takes_time_to_find_out_is_added_to_a_row_beside_all_else(store: str) -> None:
    """A row that cannot be completed is written as it is: the call did happen."""

    def fail(_call: Call) -> Call:
        raise ValueError("no")

    with opened(store) as opened_store:
        opened_store.calls.add(call("a"), lambda one: replace(one, session_name=threading.current_thread().name))
        opened_store.calls.add(call("b"), fail)
        opened_store.calls.add(call("c"), lambda one: replace(one, session_name="c"))
    [a, b, c] = rows(store, "SELECT call_id, session_name FROM calls ORDER BY id")
    assert a[1].startswith("chatreel-store-clerk")
    assert (b, c) == (("b", None), ("c", "c"))


def test_every_outcome_and_mode_can_be_logged(store: str) -> None:
    with opened(store) as opened_store:
        for outcome in Outcome:
            opened_store.calls.add(call(outcome, outcome=outcome))
        for mode in Mode:
            opened_store.calls.add(call(mode, mode=mode))
    assert {outcome for (outcome,) in rows(store, "SELECT outcome FROM calls")} == set(Outcome)
    assert {mode for (mode,) in rows(store, "SELECT mode FROM calls")} == set(Mode)


@pytest.mark.parametrize(
    "bad", [call("1", reason="my secret"), call("2", reason="my secret\udc80")], ids=["logged before", "no text"]
)
def test_a_row_that_cannot_be_written_costs_a_warning_and_itself(
    store: str, bad: Call, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), opened(store) as opened_store, busy(opened_store):
        for one in (call("1"), bad, call("3")):
            opened_store.calls.add(one)
    assert rows(store, "SELECT call_id FROM calls ORDER BY id") == [("1",), ("3",)]
    assert "could not be written" in caplog.text
    assert "secret" not in caplog.text
