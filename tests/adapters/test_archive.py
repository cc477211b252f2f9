"""Looking after a store says and does the same on every engine."""

from typing import Any

import pytest

from chatreel.keeping.verifying import verify
from chatreel.model import Outcome, Recording
from chatreel.request import DEFAULT_KEYS
from chatreel.selection import Selection, parse_subject
from chatreel.store import Store
from chatreel.store.archive import Archive
from chatreel.store.shrinking import Shrunk
from support.stores import add, call, genuine, use

T = 1.79e9


@pytest.fixture
def filled(store: str) -> str:
    """Five recordings a second apart, two of them takes of one key; the first was used last."""
    texts = ["same", "same", "three", "four", "five"]
    made = [genuine(text, recorded_at=T + number) for number, text in enumerate(texts)]
    made[4] = genuine("five", recorded_at=T + 4, model="other", cassette="tests/a")
    add(store, *made)

    async def log(opened: Any) -> None:
        opened.calls.add(call("a", recording_id=1, started_at=T, outcome=Outcome.RECORDED, latency=2.0))
        opened.calls.add(call("b", recording_id=1, started_at=T + 100, latency=0.5, spared=2.0))
        opened.calls.add(
            call("c", recording_id=None, outcome=Outcome.REFUSED, started_at=T + 1, request=b'{"refused":1}')
        )

    use(store, log)
    return store


def ids(archive: Archive, **chosen: Any) -> list[int]:
    return [listed.id for page in archive.pages(Selection(**chosen)) for listed, _ in page]


def test_lists_and_conditions(filled: str) -> None:
    with Archive(filled) as archive:
        assert ids(archive) == [5, 4, 3, 2, 1]
        assert ids(archive, model="oth*") == [5]
        assert ids(archive, model="OTH*") == []
        assert ids(archive, cassette="", since=T + 1, until=T + 3) == [3, 2]
        assert ids(archive, upstreams=("https://h",), model="m") == [4, 3, 2, 1]
        assert archive.count(Selection(model="m")) == 4
        [(_, use)] = [entry for page in archive.pages(Selection(until=T + 1)) for entry in page]
        assert (use.takes, use.hits, use.last_used) == (2, 1, T + 100)


def test_growth_counts_recordings_and_what_was_said_by_day(store: str) -> None:
    made = add(store, *(genuine(text, recorded_at=T + at) for text, at in (("a", 0), ("bb", 1), ("c", 3 * 86_400))))
    first, second, third = (len(one.request) + len(one.body) for one in made)
    day = T // 86_400 * 86_400
    with Archive(store) as archive:
        assert archive.growth() == [(day, 2, first + second), (day + 3 * 86_400, 1, third)]


def test_what_is_like_a_document_is_found_without_a_proxy(store: str) -> None:
    near, _other, alike = add(
        store, genuine("What is the capital of Norway?"), genuine("Hi"), genuine("What is the capital of Peru?")
    )
    with Archive(store) as archive:
        found = [one.id for one in archive.near("", near.identity.document, 5)]
        assert found[:2] == [near.id, alike.id]
        assert archive.near("another cassette", near.identity.document, 5) == []


def test_pages_go_on_where_the_last_one_ended(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatreel.store.listing.PAGE", 2)
    with Archive(filled) as archive:
        assert ids(archive) == [5, 4, 3, 2, 1]


def test_a_recording_is_found_by_the_start_of_its_key(filled: str) -> None:
    key = genuine("same").identity.key
    with Archive(filled) as archive:
        assert archive.find(parse_subject(key[:12])) == archive.find(parse_subject(key[3:20])) == [1, 2]
        recording, use, number = archive.load(2)
        assert (recording.identity.key, use.takes, number) == (key, 2, 2)


def test_what_the_log_came_to(filled: str) -> None:
    with Archive(filled) as archive:
        hits = [one for one in archive.alike(0.0) if one.outcome is Outcome.HIT]
        assert [(one.model, one.upstream, one.day, one.latencies) for one in hits] == [
            ("m", "https://h", int((T + 100) // 86_400), [0.5])
        ]
        assert Outcome.RECORDED in {one.outcome for one in archive.alike(0.0)}
        assert Outcome.RECORDED not in {one.outcome for one in archive.alike(T + 1)}
        assert archive.seconds_saved(0.0) == archive.seconds_saved(T + 50) == 1.5
        totals = archive.totals()
        assert totals.recordings == 5
        assert 0 < totals.stored <= totals.content
        assert totals.size > 0


def test_a_sound_store_is_verified(filled: str) -> None:
    with Archive(filled) as archive:
        report = verify(archive, DEFAULT_KEYS)
    assert (report.recordings, report.faults, report.keyed_otherwise, report.orphans) == (5, [], 0, 0)


def test_what_is_removed_is_gone_with_all_that_only_it_had(filled: str) -> None:
    with Archive(filled) as archive:
        before = archive.totals().payloads
        first = archive.remove([1])
        assert (first.ids, first.payloads) == ((1,), 0), "the other take has the same payloads"
        second = archive.remove([2, 99])
        assert second.ids == (2,)
        assert archive.totals().payloads == before - second.payloads
        assert archive.remove_calls(T + 50) == 2
        assert archive.totals().payloads < before - second.payloads
        assert archive.orphans() == []
        archive.sweep_marks()
        assert ids(archive) == [5, 4, 3]


def test_the_least_recently_used_come_first(filled: str) -> None:
    with Archive(filled) as archive:
        by_age = archive.candidates(Selection(), by_use=False)
        by_use = archive.candidates(Selection(cassette=""), by_use=True)
        assert [one.id for one in by_age] == [1, 2, 3, 4, 5]
        assert [one.id for one in by_use] == [2, 3, 4, 1]
        assert all(one.size > 0 for one in by_use)
        assert archive.chosen_ids(Selection(until=T + 50), by_use=True) == [2, 3, 4, 5]


def test_space_is_given_back_as_far_as_the_engine_can(filled: str) -> None:
    with Archive(filled) as archive:
        archive.remove([1, 2, 3, 4, 5])
        assert archive.rewrite() is (Shrunk.BY_SERVER if "postgresql" in filled else Shrunk.DONE)
        list(archive.shrink())
        assert archive.integrity() == []


def test_a_store_is_held_to_a_size_by_the_least_recently_used(filled: str) -> None:
    async def work(store: Store) -> tuple[list[int], bool]:
        await store.replayable(3)
        gone: list[int] = []
        while removed := (await store.evict(1))[0].ids:
            gone += removed
        return sorted(gone), (await store.evict(10**12))[1]

    assert use(filled, work) == ([1, 2, 4], False), "neither what is served nor what is of a cassette"
    with Archive(filled) as archive:
        assert sorted(ids(archive)) == [3, 5]


def test_one_that_serves_notices_what_another_has_removed(filled: str) -> None:
    key = genuine("same").identity.key

    async def work(store: Store) -> tuple[int, int, int]:
        before = await store.takes("", key)
        with Archive(filled) as archive:
            archive.remove([1])
        unnoticed = await store.takes("", key)
        await store.notice_removals()
        return len(before), len(unnoticed), len(await store.takes("", key))

    assert use(filled, work) == (2, 2, 1)


def test_what_is_added_while_others_remove_is_whole(filled: str) -> None:
    made: list[Recording] = [genuine(f"new {number}") for number in range(20)]

    async def work(store: Store) -> list[int]:
        added = []
        with Archive(filled) as archive:
            for number, recording in enumerate(made):
                added.append((await store.add(recording)).id)
                if number % 4 == 0:
                    archive.remove([added[-1]])
        return added

    added = use(filled, work)
    with Archive(filled) as archive:
        assert set(ids(archive)) == {1, 2, 3, 4, 5, *(one for number, one in enumerate(added) if number % 4)}
        assert verify(archive, DEFAULT_KEYS).faults == []
