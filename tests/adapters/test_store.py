"""What is added comes back equal, nothing is stored twice, and what is damaged is a StoreError that names it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from tempfile import TemporaryDirectory
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatreel.errors import StoreError
from chatreel.model import Identity, Piece, Recording, Replayable, Take, WireForm
from chatreel.store import Store, recordings
from support.database import rows
from support.stores import add, document, load, opened, take, use

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
BYTES = st.binary(max_size=300) | st.integers(0, 5_000).map(lambda size: b"ab" * size)
MICROSECONDS = st.integers(0, 10**10).map(lambda number: number / 1e6)
DOCUMENTS = st.builds(document, TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=3))
ASKING = b'{"stream_options":{"include_usage":true}}'
RECORDINGS = st.builds(
    Recording,
    identity=st.builds(Identity, TEXT, DOCUMENTS),
    upstream=TEXT,
    path=TEXT,
    query=TEXT,
    tenant=st.none() | TEXT,
    model=TEXT,
    recorded_at=st.floats(0, 1e11),
    request=BYTES,
    status=st.integers(100, 999),
    headers=st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple),
    form=st.sampled_from(WireForm),
    body=BYTES,
    pieces=st.lists(st.builds(Piece, MICROSECONDS, st.integers(0, 2**40)), max_size=8).map(tuple),
    completion=BYTES,
    cassette=TEXT,
)


@pytest.fixture(scope="module")
def grown(new_store: Callable[[], str]) -> str:
    """A store that many examples are added to."""
    return new_store()


@settings(deadline=None, max_examples=40)
@given(st.lists(RECORDINGS, min_size=1, max_size=4))
def test_what_is_added_comes_back_equal(grown: str, several: list[Recording]) -> None:
    """From the disk, in another process's place: a new store with nothing in memory."""
    added = add(grown, *several)

    async def again(store: Store) -> list[Recording]:
        return [await store.load(recording.id) for recording in added]

    assert use(grown, again) == added
    assert [replace(recording, id=0) for recording in added] == several


@pytest.mark.parametrize(
    ("recorded", "asked_usage"),
    [
        (take(), False),
        (take(request=ASKING), False),
        (take(form=WireForm.SSE), False),
        (take(form=WireForm.SSE, usage_added=True), True),
        (take(form=WireForm.SSE, request=ASKING), True),
        (take(form=WireForm.SSE, request=b'{"stream_options":{"include_usage":1}}'), False),
        (take(form=WireForm.SSE, request=b'"include_usage"'), False),
        (take(form=WireForm.SSE, request=b"include_usage"), False),
    ],
)
def test_what_is_hot_is_the_same_as_what_is_on_disk(store: str, recorded: Recording, asked_usage: bool) -> None:
    async def work(opened_store: Store) -> list[Replayable]:
        added = await opened_store.add(recorded)
        return [await opened_store.replayable(added.id) for _ in range(2)]

    hot, again = use(store, work)
    assert again is hot
    assert hot == replace(recorded, id=1).replayable
    assert hot.asked_usage is asked_usage
    assert use(store, lambda opened_store: opened_store.replayable(1)) == hot


def test_a_hit_reads_neither_request_nor_document(store: str) -> None:
    """Both are damaged, and the answer is served all the same."""
    add(store, take())
    rows(
        store,
        "DELETE FROM payloads WHERE id IN (SELECT request FROM recordings UNION SELECT document FROM recordings)",
    )
    assert use(store, lambda opened_store: opened_store.replayable(1)) == take(id=1).replayable
    with pytest.raises(StoreError, match="has lost 2 payloads"):
        load(store, 1)


async def ids(store: Store, cassette: str, key: str) -> tuple[int, ...]:
    """Of the takes of a key."""
    return tuple(one.id for one in await store.takes(cassette, key))


def test_a_take_knows_its_wire_form(store: str) -> None:
    add(store, take("k"), take("k", form=WireForm.SSE))

    async def work(opened_store: Store) -> tuple[Take, ...]:
        return await opened_store.takes("", "k")

    assert use(store, work) == (Take(1, WireForm.JSON), Take(2, WireForm.SSE))


def test_the_takes_of_a_key_are_in_the_order_of_recording(store: str) -> None:
    add(store, take("a"), take("b"), take("a"))

    async def work(opened_store: Store) -> list[tuple[int, ...]]:
        found = [await ids(opened_store, "", key) for key in ("a", "b", "none", "a")]
        await opened_store.add(take("a"))
        await opened_store.add(take("a", cassette="other"))
        return [*found, await ids(opened_store, "", "a"), await ids(opened_store, "other", "a")]

    assert use(store, work) == [(1, 3), (2,), (), (1, 3), (1, 3, 4), (5,)]


def test_a_key_without_takes_is_looked_up_again(store: str) -> None:
    """Another process may have recorded it."""

    async def work(opened_store: Store) -> list[tuple[int, ...]]:
        before = await ids(opened_store, "", "k")
        with opened(store) as other:
            await other.add(take("k"))
        return [before, await ids(opened_store, "", "k")]

    assert use(store, work) == [(), (1,)]


def test_a_take_that_comes_in_while_another_is_looked_up_is_not_forgotten(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up has read, but its answer arrives only when the newer take is stored."""
    has_read, may_answer = Event(), Event()

    def slow(*args: Any) -> tuple[Take, ...]:
        found = recordings.takes(*args)
        has_read.set()
        may_answer.wait(30)
        return found

    async def work(opened_store: Store) -> list[tuple[int, ...]]:
        monkeypatch.setattr(
            "chatreel.store.store.recordings",
            SimpleNamespace(takes=slow, insert_all=recordings.insert_all, Memory=recordings.Memory),
        )
        looking_up = asyncio.create_task(opened_store.takes("", "k"))
        await asyncio.to_thread(has_read.wait, 30)
        await opened_store.add(take("k"))
        may_answer.set()
        return [tuple(one.id for one in await looking_up), await ids(opened_store, "", "k")]

    add(store, take("k"))
    assert use(store, work) == [(1,), (1, 2)]


def test_each_content_is_stored_once(store: str) -> None:
    add(store, take("a"), take("b"), take("c", request=b"{}"))
    assert rows(store, "SELECT count(*) FROM recordings") == [(3,)]
    assert rows(store, "SELECT count(*), count(DISTINCT digest) FROM payloads") == [(4, 4)]


def test_large_contents_are_compressed_and_small_or_dense_ones_are_not(store: str) -> None:
    dense = bytes(range(256))
    add(store, take(body=b"abc" * 10_000, completion=dense))
    found = rows(store, "SELECT size, codec, length(data) FROM payloads ORDER BY size")
    assert [codec for _, codec, _ in found] == ["raw", "raw", "raw", "z1"]
    assert all(stored <= size for size, _, stored in found)
    assert found[-1][0] == 30_000
    assert found[-1][2] < 1_000


def test_recordings_are_counted_by_cassette(store: str) -> None:
    add(store, take("a"), take("a"), take("a", cassette="c"))

    async def work(opened_store: Store) -> list[int]:
        return [await opened_store.count(cassette) for cassette in ("", "c", "d")]

    assert use(store, work) == [2, 1, 0]


@pytest.mark.parametrize(
    ("damage", "values", "complaint"),
    [
        ("UPDATE payloads SET data = ? WHERE id = ?", (b"\0",), "has another digest"),
        ("UPDATE payloads SET data = ?, codec = 'zstd' WHERE id = ?", (b"\x28\xb5\x2f\xfd",), "is damaged"),
        ("UPDATE payloads SET codec = 'lzma' WHERE id = ?", (), "cannot read"),
        ("DELETE FROM payloads WHERE id = ?", (), "has lost 1 payloads"),
    ],
)
def test_a_damaged_payload_is_named(store: str, damage: str, values: tuple[bytes, ...], complaint: str) -> None:
    add(store, take())
    ((payload,),) = rows(store, "SELECT body FROM recordings")
    rows(store, damage, *values, payload)
    with pytest.raises(StoreError, match=complaint) as raised:
        load(store, 1)
    assert f"payload {payload} " in str(raised.value) or f"is {payload}" in str(raised.value)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), text=st.binary(min_size=130, max_size=400).map(lambda text: text + text))
def test_no_flipped_bit_is_ever_served(data: st.DataObject, text: bytes) -> None:
    with TemporaryDirectory() as folder:
        location = f"{folder}/store.db"
        (added,) = add(location, take(body=text))
        ((payload, stored),) = rows(
            location, "SELECT payloads.id, data FROM payloads JOIN recordings ON recordings.body = payloads.id"
        )
        at, bit = data.draw(st.integers(0, len(stored) - 1)), data.draw(st.integers(0, 7))
        damaged = stored[:at] + bytes([stored[at] ^ 1 << bit]) + stored[at + 1 :]
        rows(location, "UPDATE payloads SET data = ? WHERE id = ?", damaged, payload)
        with suppress(StoreError):
            assert load(location, 1) == added


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pieces", b"\0"),
        ("pieces", bytes.fromhex("28b52ffd2003190000616263")),
        ("headers", "["),
        ("headers", "[[1]]"),
        ("headers", "[7]"),
        ("form", "morse"),
    ],
)
def test_a_damaged_row_is_named(store: str, column: str, value: Any) -> None:
    add(store, take())
    rows(store, f"UPDATE recordings SET {column} = ?", value)
    with pytest.raises(StoreError, match="recording 1 is damaged"):
        load(store, 1)


def test_a_recording_that_is_not_there_is_a_store_error(store: str) -> None:
    with pytest.raises(StoreError, match="store failed"):
        load(store, 7)


def test_memory_holds_what_fits_and_no_more(store: str) -> None:
    """A recording that no memory could hold is read from the disk each time, the small ones stay."""

    async def work(opened_store: Store) -> list[bool]:
        small = [await opened_store.add(take(f"s{n}", body=b"x" * 1_000)) for n in range(10)]
        large = await opened_store.add(take("large", body=b"x" * 50_000))
        ids = [recording.id for recording in (small[0], small[-1], large)]
        kept = [opened_store._remembered.answer(recording_id) for recording_id in ids]
        assert [(await opened_store.replayable(recording_id)).id for recording_id in ids] == ids
        return [recording is not None for recording in kept]

    assert use(store, work, memory=10_000) == [False, True, False]


@pytest.mark.parametrize("memory", [0, 1, 999])
def test_a_store_without_memory_works(store: str, memory: int) -> None:
    async def work(opened_store: Store) -> Replayable:
        return await opened_store.replayable((await opened_store.add(take())).id)

    assert use(store, work, memory=memory) == take(id=1).replayable


def test_ids_only_ever_grow(store: str) -> None:
    add(store, take("a"), take("b"))
    rows(store, "DELETE FROM recordings")
    assert add(store, take("c"))[0].id == 3
