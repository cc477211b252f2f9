"""What the store knows of a call, and what it says when it does not."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chatreel.canonical import KeyOptions, keyed_by
from chatreel.config import Settings, load_settings
from chatreel.dashboards.call.reading import open_call
from chatreel.formats import cassette
from chatreel.model import Outcome, Recording
from chatreel.store.archive import Archive
from support.calls import ask, question
from support.database import rows
from support.log import NOON, answered, logged
from support.program import running_chatreel
from support.stores import add, genuine
from support.upstream import Upstream

CALL = str(UUID(int=1))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(store=str(tmp_path / "store.db"))


def test_a_call_that_was_recorded_has_its_recording(settings: Settings) -> None:
    [recording] = add(settings.store, genuine("Hi", recorded_at=NOON))
    logged(settings.store, [answered(CALL, key=recording.identity.key, recording_id=recording.id)])
    found = open_call(settings, CALL)
    assert found.recording == recording
    assert (found.request, found.missing) == (recording.request, "")


def test_a_miss_is_compared_with_what_had_been_recorded_before_it(settings: Settings) -> None:
    before, own, _after = add(
        settings.store,
        genuine("What is the capital of Norway?", recorded_at=NOON - 60),
        genuine("What is the capital of Sweden?", recorded_at=NOON + 1),
        genuine("What is the capital of Sweden, then?", recorded_at=NOON + 60),
    )
    logged(settings.store, [answered(CALL, key=own.identity.key, recording_id=own.id)])
    nearest = open_call(settings, CALL).nearest
    assert nearest
    assert nearest.recording.id == before.id
    [difference] = nearest.differences
    assert (difference.pointer, difference.asked, difference.recorded) == (
        "/body/messages/0/content",
        "What is the capital of Sweden?",
        "What is the capital of Norway?",
    )


def test_a_refused_call_has_the_request_that_was_kept_and_what_is_nearest(settings: Settings) -> None:
    [recorded] = add(settings.store, genuine("Hello there", recorded_at=NOON - 60))
    request = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello you"}]}).encode()
    refused = answered(CALL, Outcome.REFUSED, recording_id=None, request=request, reason="There is no recording.")
    logged(settings.store, [refused])
    found = open_call(settings, CALL)
    assert (found.recording, found.request, found.missing) == (None, request, "There is no recording.")
    assert found.nearest
    assert found.nearest.recording.id == recorded.id


def test_a_hit_is_not_compared_with_anything(settings: Settings) -> None:
    one, _ = add(settings.store, genuine("Hi", recorded_at=NOON - 60), genuine("Ho", recorded_at=NOON - 50))
    logged(settings.store, [answered(CALL, Outcome.HIT, key=one.identity.key, recording_id=one.id)])
    assert open_call(settings, CALL).nearest is None


def test_a_recording_that_was_removed_is_missed(settings: Settings) -> None:
    [recording] = add(settings.store, genuine("Hi"))
    logged(settings.store, [answered(CALL, key=recording.identity.key, recording_id=recording.id)])
    with Archive(settings.store) as archive:
        archive.remove([recording.id])
    found = open_call(settings, CALL)
    assert found.recording is None
    assert "no longer in this store" in found.missing


@pytest.mark.long
def test_what_was_said_is_read_from_the_cassette_of_a_call(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a" / "test_a.json"
    with (
        Upstream() as upstream,
        running_chatreel(
            *("--upstream", upstream.url, "--mode", "cache", "--store", settings.store, "--cassette", str(path))
        ) as proxy,
    ):
        for directive in ("", "no-cache", "", "only-if-cached"):
            text = "How deep is the lake?" if directive == "only-if-cached" else "How deep is the fjord?"
            ask(proxy.base_url, question(text), cache_control=directive)
    ids = [str(row[0]) for row in rows(settings.store, "SELECT call_id FROM calls ORDER BY id")]
    before = path.read_bytes()
    first, again, hit, refused = (open_call(settings, call_id) for call_id in ids)
    assert first.recording
    assert again.recording
    assert hit.recording
    assert b"fjord" in (first.request or b"")
    assert (first.recording.recorded_at < again.recording.recorded_at, first.missing, again.missing) == (True, "", "")
    assert hit.recording in (first.recording, again.recording)
    assert (refused.recording, b"lake" in (refused.request or b"")) == (None, True)
    assert refused.nearest
    assert refused.nearest.differences[0].recorded == "How deep is the fjord?"
    assert path.read_bytes() == before


def kept(path: Path, *some: Recording) -> None:
    path.write_bytes(cassette.dump(some, keyed_by(KeyOptions())))


@pytest.mark.parametrize(
    ("outcome", "more", "place"),
    [
        (Outcome.RECORDED, {"started_at": NOON + 1}, 1),
        (Outcome.HIT, {"take": 3}, 2),
        (Outcome.HIT, {"take": 4}, None),
        (Outcome.COALESCED, {"started_at": NOON + 1.5}, 1),
        (Outcome.RECORDED, {"started_at": NOON + 9}, None),
    ],
)
def test_of_several_takes_in_a_cassette_the_one_is_shown_that_is_meant(
    settings: Settings, tmp_path: Path, outcome: Outcome, more: dict[str, Any], place: int | None
) -> None:
    path = tmp_path / "test_a.json"
    takes = [genuine("Hi", recorded_at=NOON + number) for number in range(3)]
    kept(path, *takes)
    key = takes[0].identity.key
    logged(settings.store, [answered(CALL, outcome, cassette=str(path), recording_id=None, key=key, **more)])
    found = open_call(settings, CALL)
    shown = found.recording.recorded_at if found.recording else None
    assert shown == (None if place is None else takes[place].recorded_at)
    assert ("no longer has what was said" in found.missing) is (place is None)


def test_a_cassette_that_is_gone_or_is_none_is_named(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "test_a.json"
    logged(settings.store, [answered(CALL, cassette=str(path), recording_id=None, key="v1:1")])
    missing = open_call(settings, CALL).missing
    assert (str(path) in missing, "not there any more" in missing) == (True, True)
    path.write_text("{}")
    assert str(path) in open_call(settings, CALL).missing


def test_a_call_that_is_not_in_the_log_of_the_store_says_so(settings: Settings) -> None:
    logged(settings.store, [answered(CALL)])
    assert "no longer has this call" in open_call(settings, str(UUID(int=2))).missing


def test_a_store_that_is_gone_or_was_never_named_is_a_message(settings: Settings) -> None:
    assert "there is no store at" in open_call(settings, CALL).missing
    assert "chatreel dashboard --store" in open_call(None, CALL).missing


def test_reading_a_call_changes_nothing_in_the_store(settings: Settings) -> None:
    [recording] = add(settings.store, genuine("Hi", recorded_at=NOON))
    logged(settings.store, [answered(CALL, key=recording.identity.key, recording_id=recording.id)])
    path = Path(settings.store)
    before = path.read_bytes(), sorted(path.parent.iterdir())
    open_call(settings, CALL)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before
