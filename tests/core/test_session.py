"""Repeats of one key are told apart by mode, and a session counts what happened."""

import pytest

from chatreel.model import Mode, Outcome, Take, WireForm
from chatreel.session import Session, Tally

JSON, SSE = WireForm.JSON, WireForm.SSE


def choose(session: Session, key: str, ids: tuple[int, ...]) -> int:
    """The next take, of takes that are all JSON, for a client that wants JSON."""
    return session.choose_take(key, tuple(Take(number, JSON) for number in ids), JSON).id


def turn(session: Session, key: str, ids: tuple[int, ...]) -> int:
    """Choose a take and serve it."""
    chosen = choose(session, key, ids)
    session.served(key, JSON)
    return chosen


def test_where_both_wire_forms_were_recorded_each_has_its_own_turns() -> None:
    session = Session(Mode.REPLAY)
    takes = (Take(1, SSE), Take(2, JSON), Take(3, SSE))
    order = [SSE, JSON, SSE, JSON]
    chosen = []
    for form in order:
        chosen.append(session.choose_take("k", takes, form).id)
        session.served("k", form)
    assert chosen == [1, 2, 3, 2]


def test_where_only_the_other_form_was_recorded_its_order_is_kept_whatever_is_asked_for() -> None:
    session = Session(Mode.REPLAY)
    takes = (Take(1, SSE), Take(2, SSE))
    assert session.choose_take("k", takes, SSE).id == 1
    session.served("k", SSE)
    assert session.choose_take("k", takes, JSON).id == 2


def test_the_newest_is_that_of_the_form_asked_for() -> None:
    session = Session(Mode.CACHE)
    takes = (Take(1, JSON), Take(2, JSON), Take(3, SSE))
    assert [session.choose_take("k", takes, form).id for form in (JSON, SSE)] == [2, 3]


def test_replay_hands_takes_out_in_recorded_order_and_then_the_last_one_again() -> None:
    session = Session(Mode.REPLAY)
    assert [turn(session, "k", (3, 5, 9)) for _ in range(5)] == [3, 5, 9, 9, 9]


def test_replay_counts_each_key_by_itself() -> None:
    session = Session(Mode.REPLAY)
    turns = [turn(session, key, takes) for key, takes in [("a", (1, 2)), ("b", (3, 4)), ("a", (1, 2))]]
    assert turns == [1, 3, 2]


def test_replay_goes_on_to_a_take_that_was_added_meanwhile() -> None:
    session = Session(Mode.REPLAY)
    assert [turn(session, "k", takes) for takes in [(1,), (1,), (1, 2), (1, 2, 3)]] == [1, 1, 2, 3]


def test_a_take_that_could_not_be_served_keeps_its_turn() -> None:
    session = Session(Mode.REPLAY)
    choose(session, "k", (1, 2))
    assert choose(session, "k", (1, 2)) == 1


def test_two_sessions_do_not_share_their_turns() -> None:
    first, second = Session(Mode.REPLAY), Session(Mode.REPLAY)
    turn(first, "k", (1, 2))
    assert choose(second, "k", (1, 2)) == 1


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.REPLAY])
def test_every_other_mode_serves_the_newest(mode: Mode) -> None:
    session = Session(mode)
    assert [turn(session, "k", takes) for takes in [(1, 2), (1, 2), (1, 2, 7)]] == [2, 2, 7]


def test_a_tally_counts_outcomes_and_adds_up_the_seconds_saved() -> None:
    tally = Tally()
    tally.count(Outcome.HIT, seconds_saved=1.5)
    tally.count(Outcome.HIT, seconds_saved=2.0)
    tally.count(Outcome.REFUSED)
    assert tally.calls == 3
    assert tally.outcomes == {Outcome.HIT: 2, Outcome.REFUSED: 1}
    assert tally.outcomes[Outcome.FAILED] == 0
    assert tally.seconds_saved == 3.5


def test_a_replay_slower_than_its_recording_costs_nothing() -> None:
    tally = Tally()
    tally.count(Outcome.HIT, seconds_saved=-9.0)
    assert (tally.calls, tally.seconds_saved) == (1, 0.0)
