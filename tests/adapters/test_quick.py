"""What is read in the event loop's own thread is what the ordinary way reads, or nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatreel.model import Recording, WireForm
from chatreel.store import Store
from chatreel.store.quick import LARGEST
from support.database import rows
from support.replies import completion, stream
from support.stores import add, genuine, take, use

NUMBERED = st.tuples(st.sampled_from(WireForm), st.integers(0, 9))


def numbered(form: WireForm, number: int) -> Recording:
    """Alike enough for one to be stored as a difference to another."""
    reply = completion(f"It is {number}. " * 60) if form is WireForm.JSON else stream(["It ", f"is {number}."] * 30)
    return genuine(f"What is {number}?", answer=reply.body or b"".join(reply.pieces or ()))


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A store on SQLite: no other can be read so."""
    return str(tmp_path / "store.db")


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that many examples are added to."""
    return str(tmp_path_factory.mktemp("store") / "store.db")


@settings(deadline=None, max_examples=25)
@given(st.lists(NUMBERED, min_size=1, max_size=6))
def test_both_ways_read_the_same(grown: str, several: list[tuple[WireForm, int]]) -> None:
    added = add(grown, *(numbered(*one) for one in several))

    async def read(store: Store) -> None:
        for one in added:
            quick = store.takes_at_once("", one.identity.key)
            assert quick == await store.takes("", one.identity.key)
            assert one.id in {take.id for take in quick}
            assert store.replayable_at_once(one.id) == one.replayable

    use(grown, read, memory=0)
    use(grown, read)


def test_what_is_long_is_left_to_the_threads(grown: str) -> None:
    [long] = add(grown, take("long", body=b"x" * (LARGEST + 1)))

    async def read(store: Store) -> None:
        assert store.replayable_at_once(long.id) is None
        assert (await store.replayable(long.id)).body == long.body

    use(grown, read)


def test_what_is_damaged_is_left_to_those_who_can_say_so(file: str) -> None:
    [one] = add(file, numbered(WireForm.JSON, 1))
    rows(file, "UPDATE payloads SET data = x'00'")

    async def read(opened: Store) -> None:
        assert opened.replayable_at_once(one.id) is None

    use(file, read)


def test_what_others_add_is_seen_within_half_a_second(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatreel.store.others._TRUST", 0.0)

    async def read(opened: Store) -> None:
        first = await opened.add(take())
        assert [one.id for one in opened.takes_at_once("", "k")] == [first.id]
        with closing(Store(file, memory_limit=0)) as other:
            second = await other.add(take())
        assert [one.id for one in opened.takes_at_once("", "k")] == [first.id, second.id]

    use(file, read)


MEANWHILE = st.dictionaries(
    st.integers(5, 60), st.tuples(st.sampled_from(("ask", "add", "beside")), st.integers(0, 9)), max_size=6
)
"""What comes before the recording of that place is asked for, and how many places further on."""


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 90), min_size=60, max_size=60), MEANWHILE)
def test_what_is_read_in_advance_is_what_is_there(keys: list[int], meanwhile: dict[int, tuple[str, int]]) -> None:
    """Some keys have several takes, and more come while they are asked for in the order of recording."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatreel.store.others._TRUST", 0.0)
        file = f"{folder}/store.db"
        known: dict[str, list[int]] = {}
        for one in add(file, *(take(f"k{key}", body=b'{"n":%d}' % key) for key in keys)):
            known.setdefault(one.identity.key, []).append(one.id)

        async def work(opened: Store) -> None:
            def ask(key: str) -> None:
                takes = opened.takes_at_once("", key)
                assert [one.id for one in takes] == known[key]
                answer = opened.replayable_at_once(takes[-1].id)
                assert answer is not None
                assert (answer.id, answer.key) == (takes[-1].id, key)

            with closing(Store(file, memory_limit=0)) as other:
                for place, number in enumerate(keys):
                    what, far = meanwhile.get(place, ("", 0))
                    key = f"k{(keys * 2)[place + far]}"
                    if what in ("add", "beside"):
                        added = await (opened if what == "add" else other).add(take(key))
                        known[key].append(added.id)
                    elif what:
                        ask(key)
                    ask(f"k{number}")

        use(file, work)


def test_what_is_asked_for_in_order_is_read_many_at_a_time(file: str) -> None:
    added = add(file, *(take(f"k{number}", body=b'{"n":%d}' % number) for number in range(100)))

    async def read(opened: Store) -> int:
        quick = opened._quick
        assert quick is not None
        statements: list[str] = []
        opened.takes_at_once("", "nothing yet")
        quick._open().set_trace_callback(statements.append)
        for one in added:
            assert [take.id for take in opened.takes_at_once("", one.identity.key)] == [one.id]
            assert opened.replayable_at_once(one.id) == one.replayable
        return len(statements)

    assert use(file, read) < 20


def test_a_store_that_has_gone_gives_nothing_and_is_not_made_anew(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatreel.store.others._TRUST", 0.0)

    async def read(opened: Store) -> None:
        added = await opened.add(take())
        for path in Path(file).parent.glob("store.db*"):
            path.unlink()
        assert opened.takes_at_once("", "k") == ()
        assert opened._quick is not None
        opened._quick.close()
        assert opened._quick.replayable(added.id) is None

    use(file, read)
    assert not Path(file).exists()


def test_nobody_is_waited_for(file: str) -> None:
    """Whoever writes does not keep readers away; who has the file alone does, and then there is nothing."""
    [one] = add(file, take())

    async def read(opened: Store) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert opened.replayable_at_once(one.id) is not None
            writer.execute("ROLLBACK")

    use(file, read, memory=0)
