"""The one table between the store and the network."""

from itertools import product

import pytest

from chatreel.decide import (
    ACTIONS,
    VCR_NAMES,
    Action,
    Directives,
    Found,
    Freshness,
    OnMaxAge,
    decide,
    found_of,
    is_shared,
    mode_at_start,
    mode_for,
    mode_named,
    why_forwarded,
)
from chatreel.model import Mode

MODES = [mode for mode in Mode if mode is not Mode.ONCE]
FLAGS = [False, True]
DIRECTIVES = [
    Directives(only_if_cached=cached, no_cache=cache, no_store=store, max_age=age)
    for cached, cache, store, age in product(FLAGS, FLAGS, FLAGS, [None, 0, 60])
]
FORWARDING = {Action.RECORD, Action.FORWARD}


@pytest.mark.parametrize(("mode", "directives", "found"), list(product(MODES, DIRECTIVES, Found)))
def test_no_mode_and_no_directive_breaks_the_laws(mode: Mode, directives: Directives, found: Found) -> None:
    action = decide(mode, directives, found)
    if mode is Mode.REPLAY or directives.only_if_cached:
        assert action not in FORWARDING
    else:
        assert action is not Action.REFUSE or found is Found.TOO_OLD, "only replay refuses, or whoever was told to"
    if mode is Mode.PASSTHROUGH and not (directives.no_cache or directives.only_if_cached):
        assert action is Action.FORWARD
    if directives.no_store:
        assert action is not Action.RECORD
    if directives.no_cache and not (mode is Mode.REPLAY or directives.only_if_cached):
        assert action is not Action.REPLAY
    if found is Found.UNKEYABLE:
        assert action in {Action.FORWARD, Action.REFUSE}
    if action is Action.REPLAY:
        assert found in {Found.HIT, Found.AGED, Found.EXPIRED}
    if is_shared(mode_for(mode, directives), action, strict=False):
        assert action is Action.RECORD
        assert directives == Directives(max_age=directives.max_age)
    assert not is_shared(mode_for(mode, directives), action, strict=True)


def test_the_table_has_an_entry_for_every_mode_at_start_and_nothing_else() -> None:
    assert set(ACTIONS) == set(product(MODES, Found))


@pytest.mark.parametrize(
    ("mode", "found", "action"),
    [
        (Mode.CACHE, Found.HIT, Action.REPLAY),
        (Mode.CACHE, Found.MISS, Action.RECORD),
        (Mode.CACHE, Found.STALE, Action.RECORD),
        (Mode.CACHE, Found.UNKEYABLE, Action.FORWARD),
        (Mode.CACHE, Found.AGED, Action.REPLAY),
        (Mode.CACHE, Found.EXPIRED, Action.RECORD),
        (Mode.CACHE, Found.TOO_OLD, Action.REFUSE),
        (Mode.CACHE, Found.USED_UP, Action.RECORD),
        (Mode.REPLAY, Found.EXPIRED, Action.REPLAY),
        (Mode.REPLAY, Found.TOO_OLD, Action.REFUSE),
        (Mode.REPLAY, Found.USED_UP, Action.REFUSE),
        (Mode.REPLAY, Found.HIT, Action.REPLAY),
        (Mode.REPLAY, Found.MISS, Action.REFUSE),
        (Mode.RECORD, Found.HIT, Action.RECORD),
        (Mode.RECORD, Found.MISS, Action.RECORD),
        (Mode.PASSTHROUGH, Found.HIT, Action.FORWARD),
    ],
)
def test_a_mode_does_what_it_is_called(mode: Mode, found: Found, action: Action) -> None:
    assert decide(mode, Directives(), found) is action


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("directives", DIRECTIVES)
def test_replay_can_be_tightened_never_loosened(mode: Mode, directives: Directives) -> None:
    treated = mode_for(mode, directives)
    assert (treated is Mode.REPLAY) == (directives.only_if_cached or mode is Mode.REPLAY)


@pytest.mark.parametrize(
    ("age", "max_age", "found"),
    [
        (None, None, Found.MISS),
        (None, 0, Found.MISS),
        (0.0, None, Found.HIT),
        (1e9, None, Found.HIT),
        (0.0, 0, Found.HIT),
        (0.001, 0, Found.STALE),
        (60.0, 60, Found.HIT),
        (60.001, 60, Found.STALE),
        (1e300, 2**31, Found.STALE),
    ],
)
def test_a_recording_is_stale_once_it_is_older_than_max_age(
    age: float | None, max_age: int | None, found: Found
) -> None:
    assert found_of(age, Directives(max_age=max_age)) is found


@pytest.mark.parametrize(
    ("age", "freshness", "found"),
    [
        (9.0, Freshness(ttl=10), Found.HIT),
        (11.0, Freshness(ttl=10), Found.STALE),
        (11.0, Freshness(max_age=10), Found.AGED),
        (11.0, Freshness(max_age=10, on_max_age=OnMaxAge.FAIL), Found.TOO_OLD),
        (11.0, Freshness(max_age=10, on_max_age=OnMaxAge.RECORD), Found.EXPIRED),
        (10.0, Freshness(max_age=10, on_max_age=OnMaxAge.FAIL), Found.HIT),
        (11.0, Freshness(ttl=10, max_age=10, on_max_age=OnMaxAge.FAIL), Found.STALE),
        (None, Freshness(ttl=10, max_age=10), Found.MISS),
    ],
)
def test_a_session_says_how_old_is_too_old_and_what_becomes_of_it(
    age: float | None, freshness: Freshness, found: Found
) -> None:
    assert found_of(age, Directives(), freshness) is found


def test_what_is_used_up_is_not_there_however_young_it_is() -> None:
    assert found_of(0.0, Directives(), used_up=True) is Found.USED_UP
    assert found_of(None, Directives(), used_up=True) is Found.MISS


@pytest.mark.parametrize(
    ("session_mode", "action", "found", "fwd"),
    [
        (Mode.CACHE, Action.RECORD, Found.MISS, "miss"),
        (Mode.CACHE, Action.RECORD, Found.STALE, "stale"),
        (Mode.CACHE, Action.RECORD, Found.EXPIRED, "stale"),
        (Mode.CACHE, Action.RECORD, Found.USED_UP, "miss"),
        (Mode.CACHE, Action.RECORD, Found.HIT, "request"),
        (Mode.RECORD, Action.RECORD, Found.HIT, "bypass"),
        (Mode.RECORD, Action.RECORD, Found.MISS, "bypass"),
        (Mode.PASSTHROUGH, Action.FORWARD, Found.MISS, "bypass"),
        (Mode.CACHE, Action.FORWARD, Found.UNKEYABLE, "bypass"),
    ],
)
def test_why_a_call_went_upstream_is_said_in_the_words_of_rfc_9211(
    session_mode: Mode, action: Action, found: Found, fwd: str
) -> None:
    assert why_forwarded(session_mode, action, found) == fwd


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((mode.value, mode) for mode in Mode),
        ("new_episodes", Mode.CACHE),
        ("none", Mode.REPLAY),
        ("all", Mode.RECORD),
        ("once", Mode.ONCE),
    ],
)
def test_modes_have_names_and_vcrs_names(name: str, mode: Mode) -> None:
    assert mode_named(name) is mode


@pytest.mark.parametrize("name", ["", "Cache", " cache", "sometimes", "rewrite"])
def test_an_unknown_mode_lists_the_names_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="is not a mode") as raised:
        mode_named(name)
    assert repr(name) in str(raised.value)
    assert all(known in str(raised.value) for known in [*Mode, *VCR_NAMES])


@pytest.mark.parametrize(("recorded_before", "mode"), [(False, Mode.CACHE), (True, Mode.REPLAY)])
def test_once_records_what_did_not_exist_and_replays_what_did(recorded_before: bool, mode: Mode) -> None:
    assert mode_at_start(Mode.ONCE, recorded_before=recorded_before) is mode


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("recorded_before", FLAGS)
def test_only_once_depends_on_what_was_there(mode: Mode, recorded_before: bool) -> None:
    assert mode_at_start(mode, recorded_before=recorded_before) is mode
