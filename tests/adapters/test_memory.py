"""What is kept in memory takes no more than it is counted as, and all of it has bounds."""

import tracemalloc
from collections.abc import Callable

import orjson
import pytest

from chatreel.canonical import identify
from chatreel.exchange import Asked
from chatreel.model import JsonObject, Mode, Piece, WireForm
from chatreel.recorder import Recorder
from chatreel.recorder.habits import Habits
from chatreel.recordings import StoreRecordings
from chatreel.session import Session
from chatreel.store import Store
from chatreel.store.in_use import InUse
from chatreel.store.series import Base, Series
from chatreel.upstreams import Upstreams
from chatreel.wire.codec import dumps
from support.stores import genuine, opened, use

MANY = 500


def taken[T](make: Callable[[], T]) -> tuple[T, int]:
    """What is made, and bytes of memory that it takes as long as it is kept."""
    make()  # modules, and whatever else is made once
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = make()
        return made, tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [10, 1_000, 30_000])
def test_json_that_is_kept_takes_its_own_size(size: int) -> None:
    """What orjson writes takes up to ten times as much."""
    body: JsonObject = {"model": "m", "messages": [{"role": "user", "content": "a" * size}], "tools": [{"name": "b"}]}
    identity = {"upstream": "https://h", "path": "/v1/chat/completions", "query": "", "body": body}
    documents, memory = taken(lambda: [identify(**identity).document for _ in range(50)])  # type: ignore[arg-type]
    assert memory < 50 * (len(documents[0]) + 500)
    texts, memory = taken(lambda: [dumps(body) for _ in range(50)])
    assert memory < 50 * (len(texts[0]) + 100)


@pytest.mark.parametrize("pieces", [1, 100])
def test_recordings_take_no_more_than_they_count_as(store: str, pieces: int) -> None:
    def stream(number: int) -> bytes:
        return b"".join(b"data: " + orjson.dumps({"n": number, "piece": n}) + b"\n\n" for n in range(pieces))

    async def work(one: Store) -> tuple[int, int]:
        made = [
            genuine(
                f"question {number}",
                answer=stream(number),
                pieces=tuple(Piece(number + n / 7, 1_000 + n) for n in range(pieces)),
                headers=tuple((f"x-header-{n}", f"value {number}") for n in range(5)),
                completion=dumps({"n": number}),
                status=200,
            )
            for number in range(50)
        ]
        ids = [(await one.add(recording)).id for recording in made]
        one._remembered._answers.clear()

        async def read() -> None:
            for number in ids:
                await one.replayable(number)

        await read()
        one._remembered._answers.clear()
        tracemalloc.start()
        try:
            await read()
            return tracemalloc.get_traced_memory()[0], one._remembered._answers.size
        finally:
            tracemalloc.stop()

    memory, counted = use(store, work, memory=50_000_000)
    assert counted > 0
    assert memory < counted


def test_requests_as_they_were_read_take_no_more_than_they_count_as(store: str) -> None:
    target = Upstreams.parse(("https://h/v1",)).target("/v1/chat/completions")
    assert target

    async def work(one: Store) -> tuple[int, int]:
        opening = Recorder(one, Habits(memory=100_000_000))._opening

        def read(first: int) -> None:
            for number in range(first, first + MANY):
                tools = [{"type": "function", "function": {"name": f"f{n}", "parameters": {}}} for n in range(5)]
                said = [{"role": "user", "content": f"question {number}, {'and so on ' * 20}"}] * 3
                body = orjson.dumps({"model": "m", "messages": said, "tools": tools, "seed": number})
                for _ in range(2):  # what comes but once is not remembered
                    opening._understand(Asked(target, body))

        read(0)
        before = opening._understood.size
        tracemalloc.start()
        try:
            read(MANY)
            return tracemalloc.get_traced_memory()[0], opening._understood.size - before
        finally:
            tracemalloc.stop()

    memory, counted = use(store, work)
    assert memory < counted


def test_a_series_takes_no_more_than_it_counts_as() -> None:
    def made() -> list[Series]:
        bases = [
            Base(bytes([n % 256] * 32), b"a" * (1_000 + n), Base(bytes(32), b"b" * (1_000 + n))) for n in range(MANY)
        ]
        return [Series.beginning_with(base) for base in bases]

    several, memory = taken(made)
    assert memory < sum(one.size for one in several)


def test_the_takes_of_keys_are_forgotten_once_they_are_many(store: str) -> None:
    """They count as a tenth of the memory."""

    async def work(one: Store) -> int:
        made = [genuine(f"question {number}") for number in range(60)]
        for recording in made:
            await one.add(recording)
        most = 0
        for recording in made:
            assert len(await one.takes("", recording.identity.key)) == 1
            most = max(most, len(one._remembered._takes))
        return most

    assert use(store, work, memory=100_000) == 25


def test_only_lately_used_recordings_are_known_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording is spared for ten seconds at least, and for twenty at most."""
    now = [0.0]
    monkeypatch.setattr("chatreel.store.in_use.time.monotonic", lambda: now[0])
    in_use = InUse()
    for number in range(6):
        in_use.add(number)
        now[0] += 9.0
        known = in_use.all()
        assert number in known
        assert len(known) <= 3


def test_a_session_that_takes_the_newest_remembers_no_keys(store: str) -> None:
    with opened(store) as one:
        session = Session(Mode.CACHE, StoreRecordings(one))
        for number in range(10):
            session.repeats.served(f"key {number}", WireForm.JSON)
        assert not any(session.repeats._turns.values())
