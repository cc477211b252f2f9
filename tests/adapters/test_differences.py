"""What repeats is stored as a difference, and comes back whatever else is deleted meanwhile."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from chatreel.canonical import identify
from chatreel.errors import StoreError
from chatreel.model import Recording
from chatreel.request import Kept
from chatreel.store import Store, payloads, recordings
from chatreel.store.bases import Bases
from chatreel.store.database import open_engine, store_url, writing
from chatreel.store.payloads import New
from chatreel.store.recordings import Memory
from chatreel.store.series import STRIDE, Base
from support.database import rows
from support.stores import add, call, load, opened, take, use

RNG = random.Random(4)
WORDS = ["".join(RNG.choices("abcdefghijklmnopqrst", k=RNG.randint(2, 9))) for _ in range(2_000)]


def text(words: int) -> str:
    return " ".join(RNG.choices(WORDS, k=words))


TOOLS = [{"type": "function", "function": {"name": f"tool_{n}", "description": text(40)}} for n in range(4)]
SYSTEM = {"role": "system", "content": text(300)}


def asked(body: Any, answer: str = "Yes.") -> Recording:
    """A recording of that request."""
    request = json.dumps(body).encode()
    return take(
        identity=identify(upstream="https://h", path="/v1/chat/completions", query="", body=json.loads(request)),
        request=request,
        body=json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}], "n": text(30)}).encode(),
        completion=json.dumps({"choices": [{"message": {"content": answer, "role": "assistant"}}]}).encode() * 4,
    )


def conversation(turns: int, opening: str = "Begin.") -> list[Recording]:
    messages: list[dict[str, str]] = [SYSTEM, {"role": "user", "content": opening}]
    found = []
    for _ in range(turns):
        found.append(asked({"model": "m", "tools": TOOLS, "messages": messages}, answer := text(60)))
        messages = [*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": text(40)}]
    return found


LYING = "SELECT p.digest, p.codec, p.data, b.digest FROM payloads p LEFT JOIN payloads b ON b.id = p.base ORDER BY 1"
"""All payloads, and what each is a difference to."""

TURNS = [*conversation(5), *conversation(3, "Begin otherwise.")]


@contextmanager
def engine_of(store: str) -> Iterator[Engine]:
    """Also where an example ends early."""
    engine = open_engine(store_url(store))
    try:
        yield engine
    finally:
        engine.dispose()


def sizes(store: str, column: str) -> list[tuple[int, int, bool]]:
    """Bytes stored and bytes of the content of that column, and whether it stands alone, in order of recording."""
    return rows(
        store,
        "SELECT length(p.data), p.size, p.base IS NULL FROM recordings r"
        f" JOIN payloads p ON p.id = r.{column} ORDER BY r.id",
    )


async def all_of(store: Store) -> list[Recording]:
    return [await store.load(number + 1) for number in range(await store.count(""))]


def test_a_turn_costs_what_was_said_in_it(store: str) -> None:
    turns = conversation(12)
    stored = add(store, *turns)
    assert use(store, all_of) == stored
    for column, share in (("request", 0.2), ("document", 0.03)):
        found = sizes(store, column)
        assert all(data < share * size for data, size, _ in found[4:]), (column, found)
        assert sum(alone for _, _, alone in found) == (column == "request")


def test_a_conversation_begins_with_a_difference_to_another_of_its_application(store: str) -> None:
    add(store, *conversation(1), *conversation(1, "Begin otherwise."))
    first, second = sizes(store, "request")
    assert second[0] < first[0] / 10


def test_answers_of_one_model_are_differences_to_one_of_them(store: str) -> None:
    """Not each to the one before: a hit must not have to read them all."""
    add(store, *conversation(5))
    bases = rows(store, "SELECT DISTINCT p.base FROM recordings r JOIN payloads p ON p.id = r.body")
    assert len(bases) == 2
    assert {base for (base,) in bases} == {
        None,
        *(base for (base,) in rows(store, "SELECT body FROM recordings WHERE id = 1")),
    }


def test_requests_that_were_refused_are_differences_to_each_other(store: str) -> None:
    with opened(store) as opened_store:
        for number, one in enumerate(conversation(4)):
            opened_store.calls.add(call(str(number), request=one.request))
    found = rows(store, "SELECT length(data), size, base IS NULL FROM payloads ORDER BY size")
    assert [bool(alone) for *_, alone in found] == [True, False, False, False]
    assert all(data < size / 5 for data, size, _ in found[1:])


def chain_length(store: str, payload: int) -> int:
    """Steps from a payload down to one that stands alone."""
    length = 0
    bases = dict(rows(store, "SELECT id, base FROM payloads"))
    while (below := bases[payload]) is not None:
        payload, length = below, length + 1
    return length


def test_the_last_of_a_thousand_turns_is_read_in_few_steps(file_store: str) -> None:
    store, bases = file_store, Bases()
    engine = open_engine(store_url(store))
    base = text(6_000).encode()
    made = [
        replace(
            take(), identity=take().identity._replace(document=b"D" + base[: n * 20]), request=request(base[: n * 20])
        )
        for n in range(1_000)
    ]
    with writing(engine) as connection:
        stored = [bases.put(connection, [one])[0][0] for one in made]
    assert max(chain_length(store, one) for one in stored[:: STRIDE - 1]) <= 2 * (STRIDE - 1 + 1_000 // STRIDE) + 1
    with engine.connect() as connection:
        started = time.process_time()
        assert payloads.get(connection, [stored[-1]]) == {stored[-1]: made[-1].identity.document}
        assert time.process_time() - started < 1
    engine.dispose()


def request(said: bytes) -> bytes:
    return json.dumps(
        {"messages": [{"role": "user", "content": "Begin."}, {"role": "user", "content": said.decode()}]}
    ).encode()


def test_garbage_goes_and_what_others_are_built_on_stays(store: str) -> None:
    stored = add(store, *conversation(6))
    rows(store, "DELETE FROM recordings WHERE id NOT IN (4)")
    with engine_of(store) as engine, writing(engine, alone=True) as connection:
        assert payloads.collect_garbage(connection) > 0
        assert payloads.collect_garbage(connection) == 0
    assert load(store, 4) == stored[3]
    rows(store, "DELETE FROM recordings")
    with engine_of(store) as engine, writing(engine, alone=True) as connection:
        payloads.collect_garbage(connection)
    assert rows(store, "SELECT count(*) FROM payloads") == [(0,)]


def test_a_base_that_others_have_deleted_is_not_built_on(store: str) -> None:
    first, *others = conversation(4)

    async def work(opened_store: Store) -> list[Recording]:
        stored = [await opened_store.add(first)]
        rows(store, "DELETE FROM recordings")
        rows(store, "DELETE FROM payloads")
        return [*stored, *[await opened_store.add(one) for one in others]]

    stored = use(store, work)
    assert [load(store, one.id) for one in stored[1:]] == stored[1:]
    assert [bool(alone) for *_, alone in sizes(store, "request")] == [True, False, False]


def test_a_base_that_was_stored_anew_in_another_way_is_not_mistaken(store: str) -> None:
    """The dictionary of a document has two parts, and the lower one follows from how its base is stored."""
    first, second, third = conversation(3)

    async def work(opened_store: Store) -> list[Recording]:
        await opened_store.add(first)
        await opened_store.add(second)
        rows(store, "DELETE FROM recordings")
        rows(store, "DELETE FROM payloads")
        with opened(store) as other:  # knows of no conversation: the second turn stands alone
            again = await other.add(second)
        return [again, await opened_store.add(third)]

    stored = use(store, work)
    assert [load(store, one.id) for one in stored] == stored


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("DELETE FROM payloads WHERE id = ?", "has lost payload {}"),
        ("UPDATE payloads SET codec = 'lzma' WHERE id = ?", "payload {} is stored as 'lzma'"),
        ("UPDATE payloads SET data = substr(data, 1, 9) WHERE id = ?", "payload {} is damaged"),
        ("UPDATE payloads SET base = id WHERE id = ?", "payload {} is damaged"),
    ],
)
def test_a_base_that_is_gone_or_damaged_is_named(store: str, damage: str, complaint: str) -> None:
    add(store, *conversation(3))
    [(payload,)] = rows(store, "SELECT request FROM recordings WHERE id = 1")
    rows(store, damage, payload)
    with pytest.raises(StoreError, match=complaint.format(payload)):
        load(store, 3)


def test_recordings_that_are_stored_together_lie_there_as_if_one_had_come_after_the_other(
    new_store: Callable[[], str],
) -> None:
    """Conversations that take turns, longer than a stride, and one of them is there twice."""
    several = [
        one for pair in zip(conversation(STRIDE + 2), conversation(STRIDE + 2, "Else."), strict=True) for one in pair
    ]
    several += several[:4]
    alone, together = new_store(), new_store()
    for store, step in ((alone, 1), (together, len(several))):
        memory = Memory()
        with engine_of(store) as engine, writing(engine) as connection:
            found = [
                number
                for at in range(0, len(several), step)
                for number in recordings.insert_all(connection, several[at : at + step], "x", memory)
            ]
            assert found == [*range(1, len(several) + 1)]
            loaded = [recordings.load(connection, number) for number in found]
        assert loaded == [replace(one, id=number) for number, one in enumerate(several, 1)]
    assert rows(together, LYING) == rows(alone, LYING)
    marked = "SELECT * FROM marks ORDER BY 1, 2"
    assert rows(together, marked) == rows(alone, marked)


def test_what_was_prepared_while_its_answer_came_lies_there_as_what_was_not(new_store: Callable[[], str]) -> None:
    prepared, unprepared = new_store(), new_store()
    turns = conversation(3)
    for store in (prepared, unprepared):
        memory = Memory()
        with engine_of(store) as engine:
            for turn in turns:
                if store is prepared:
                    where = (turn.upstream, turn.path, turn.query, turn.tenant)
                    recordings.prepare(memory, turn.cassette, Kept(turn.identity, *where, turn.model, turn.request))
                with writing(engine) as connection:
                    recordings.insert(connection, turn, "x", memory)
    assert rows(prepared, LYING) == rows(unprepared, LYING)
    assert [load(prepared, number) for number in (1, 2, 3)] == [replace(one, id=n) for n, one in enumerate(turns, 1)]


def test_a_content_that_is_there_already_is_left_as_it_is(store: str) -> None:
    stored = add(store, *conversation(3))
    before = rows(store, "SELECT digest, data, base FROM payloads ORDER BY digest")
    again = add(store, *(replace(one, id=0) for one in reversed(stored)))
    assert rows(store, "SELECT digest, data, base FROM payloads ORDER BY digest") == before
    assert [load(store, one.id) for one in again] == again


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_whatever_is_stored_and_deleted_in_whatever_order_the_rest_comes_back(grown: str, data: st.DataObject) -> None:
    """Two writers who know nothing of each other, and one who deletes."""
    with engine_of(grown) as engine:
        rows(grown, "DELETE FROM recordings")
        memories = [Memory(), Memory()]
        kept: dict[int, Recording] = {}
        for turn, writer, delete in data.draw(
            st.lists(st.tuples(st.integers(0, len(TURNS) - 1), st.integers(0, 1), st.booleans()), max_size=14)
        ):
            with writing(engine) as connection:
                number = recordings.insert(connection, TURNS[turn], "x", memories[writer])
            kept[number] = replace(TURNS[turn], id=number)
            if delete:
                gone = data.draw(st.sampled_from([*kept]))
                with writing(engine, alone=True) as connection:
                    connection.exec_driver_sql(f"DELETE FROM recordings WHERE id = {gone}")
                    payloads.collect_garbage(connection)
                del kept[gone]
        with engine.connect() as connection:
            assert {number: recordings.load(connection, number) for number in kept} == kept


@pytest.fixture(scope="module")
def grown(new_store: Callable[[], str]) -> str:
    """A store to use again and again."""
    return new_store()


def test_a_content_too_large_for_a_window_stands_alone(file_store: str) -> None:
    large = [bytes([n]) * 40_000_000 for n in range(2)]
    with engine_of(file_store) as engine, writing(engine) as connection:
        [first] = payloads.add(connection, [New(large[0])])
        [second] = payloads.add(connection, [New(large[1], Base(first.base.digest, large[0]))])
        assert second.base.below is None
        assert payloads.get(connection, [second.id]) == {second.id: large[1]}


def test_writers_at_once_on_one_store_lose_nothing(store: str) -> None:
    """Several stores open, as in several processes, all adding the same conversation."""
    turns = conversation(8)

    async def work(opened_store: Store) -> list[Recording]:
        with opened(store) as second, opened(store) as third:
            several = [one for turn in turns for one in (opened_store.add(turn), second.add(turn), third.add(turn))]
            return list(await asyncio.gather(*several))

    stored = use(store, work)
    assert len({one.id for one in stored}) == 24
    assert sorted(use(store, all_of), key=lambda one: one.id) == sorted(stored, key=lambda one: one.id)
