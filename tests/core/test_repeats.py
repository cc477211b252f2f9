"""Which take comes next: counted per session, key and wire form."""

from chatreel.model import Take, WireForm
from chatreel.repeats import Repeats

JSON, SSE = WireForm.JSON, WireForm.SSE


def in_order() -> Repeats:
    return Repeats(in_order=True)


def turn(repeats: Repeats, key: str, ids: tuple[int, ...]) -> int:
    """The take that is served next, of takes that are all JSON, to a client that wants JSON."""
    return repeats.take_turn(key, tuple(Take(number, JSON) for number in ids), JSON).take.id


def test_where_both_wire_forms_were_recorded_each_has_its_own_turns() -> None:
    repeats = in_order()
    takes = (Take(1, SSE), Take(2, JSON), Take(3, SSE))
    chosen = [repeats.take_turn("k", takes, form) for form in (SSE, JSON, SSE, JSON)]
    assert [choice.take.id for choice in chosen] == [1, 2, 3, 2]
    assert [choice.number for choice in chosen] == [1, 2, 3, 2]
    assert [choice.is_repeat for choice in chosen] == [False, False, False, True]


def test_where_only_the_other_form_was_recorded_its_order_is_kept_whatever_is_asked_for() -> None:
    repeats = in_order()
    takes = (Take(1, SSE), Take(2, SSE))
    assert [repeats.take_turn("k", takes, form).take.id for form in (SSE, JSON)] == [1, 2]


def test_an_error_before_a_stream_comes_before_it_again() -> None:
    repeats = in_order()
    takes = (Take(1, JSON, is_error=True), Take(2, SSE), Take(3, JSON))
    assert [repeats.take_turn("k", takes, SSE).take.id for _ in range(3)] == [1, 2, 2]
    assert [repeats.take_turn("k", takes, JSON).take.id for _ in range(3)] == [1, 3, 3]


def test_the_newest_is_that_of_the_form_asked_for() -> None:
    repeats = Repeats(in_order=False)
    takes = (Take(1, JSON), Take(2, JSON), Take(3, SSE))
    chosen = [repeats.take_turn("k", takes, form) for form in (JSON, SSE, JSON)]
    assert [(choice.take.id, choice.number) for choice in chosen] == [(2, 2), (3, 3), (2, 2)]
    assert not any(choice.is_repeat for choice in chosen), "the newest is served as often as it is asked for"


def test_takes_come_in_recorded_order_and_then_the_last_one_again() -> None:
    repeats = in_order()
    assert [turn(repeats, "k", (3, 5, 9)) for _ in range(5)] == [3, 5, 9, 9, 9]


def test_each_key_counts_by_itself() -> None:
    repeats = in_order()
    turns = [turn(repeats, key, takes) for key, takes in [("a", (1, 2)), ("b", (3, 4)), ("a", (1, 2))]]
    assert turns == [1, 3, 2]


def test_a_take_that_was_added_meanwhile_comes_after_those_that_were_there() -> None:
    repeats = in_order()
    assert [turn(repeats, "k", takes) for takes in [(1,), (1,), (1, 2), (1, 2, 3)]] == [1, 1, 2, 3]


def test_a_take_that_could_not_be_served_keeps_its_turn() -> None:
    repeats = in_order()
    turn(repeats, "k", (1, 2))
    turn(repeats, "k", (1, 2))
    repeats.give_back("k", JSON)
    assert turn(repeats, "k", (1, 2)) == 2


def test_two_calls_at_the_same_time_do_not_get_the_same_take() -> None:
    """The turn is over when the take is chosen, not when it has been read and sent."""
    repeats = in_order()
    takes = (Take(1, JSON), Take(2, JSON))
    one, other = (repeats.take_turn("k", takes, JSON) for _ in range(2))
    assert (one.take.id, other.take.id) == (1, 2)


def test_what_was_recorded_for_a_call_has_had_its_turn() -> None:
    repeats = in_order()
    repeats.served("k", JSON)
    assert repeats.take_turn("k", (Take(1, JSON),), JSON).is_repeat
    assert turn(repeats, "k", (1, 2, 3)) == 3


def test_two_sessions_do_not_share_their_turns() -> None:
    first, second = in_order(), in_order()
    turn(first, "k", (1, 2))
    assert turn(second, "k", (1, 2)) == 1


def test_the_newest_take_is_served_each_time_where_order_does_not_matter() -> None:
    repeats = Repeats(in_order=False)
    assert [turn(repeats, "k", takes) for takes in [(1, 2), (1, 2), (1, 2, 7)]] == [2, 2, 7]
