"""What the store knows of a call, and what it says when it does not."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from chatreel.config import Settings, load_settings
from chatreel.dashboards.call.reading import open_call
from chatreel.model import Outcome
from chatreel.store.archive import Archive
from support.log import NOON, answered, logged
from support.stores import add, genuine

CALL = str(UUID(int=1))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(store=str(tmp_path / "store.db"))


def test_a_call_that_was_recorded_has_its_recording(settings: Settings) -> None:
    [recording] = add(settings.store, genuine("Hi", recorded_at=NOON))
    logged(settings.store, [answered(CALL, key=recording.identity.key, recording_id=recording.id)])
    found = open_call(settings, CALL)
    assert found.shown
    assert found.shown.recording == recording
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
    assert (found.shown, found.request, found.missing) == (None, request, "There is no recording.")
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
    assert found.shown is None
    assert "no longer in this store" in found.missing


def test_a_call_of_a_cassette_says_which(settings: Settings) -> None:
    add(settings.store, genuine("Hi"))
    logged(settings.store, [answered(CALL, cassette="/c/test_a.json", recording_id=None)])
    assert "cassette /c/test_a.json" in open_call(settings, CALL).missing


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
