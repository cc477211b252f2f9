"""A session remembers its calls within bounds, and what a verdict names to the end."""

from typing import Any

from chatreel.journal import BYTES, CALLS, Entry, Journal
from chatreel.model import Outcome


def entry(number: int, outcome: Outcome = Outcome.HIT, **more: Any) -> Entry:
    members: dict[str, Any] = {
        "call_id": str(number),
        "status": 200,
        "model": "m",
        "stream": False,
        "key": "k",
        "take": 1,
        "latency": 0.1,
        "reason": "",
        "code": "",
        "sent": b"{}",
        "recording_id": number,
    }
    return Entry(outcome=outcome, **members | more)


def test_the_newest_calls_are_kept_and_all_that_was_used() -> None:
    journal = Journal(keeps_calls=True)
    for number in range(CALLS + 5):
        journal.add(entry(number))
    assert [journal.calls[0].call_id, journal.calls[-1].call_id] == ["5", str(CALLS + 4)]
    assert len(journal.calls) == CALLS
    assert journal.used == set(range(CALLS + 5))


def test_large_requests_push_older_ones_out_but_never_the_last() -> None:
    journal = Journal(keeps_calls=True)
    for number in range(3):
        journal.add(entry(number, sent=b"x" * (BYTES // 2)))
    assert [one.call_id for one in journal.calls] == ["1", "2"]
    journal.add(entry(9, sent=b"x" * (BYTES + 1)))
    assert [one.call_id for one in journal.calls] == ["9"]


def test_the_first_refusals_and_failures_are_kept_whatever_comes_after() -> None:
    journal = Journal(keeps_calls=True)
    journal.add(entry(0, Outcome.REFUSED))
    journal.add(entry(1, Outcome.FAILED))
    for number in range(2, 2 * CALLS):
        journal.add(entry(number, Outcome.REFUSED))
    assert journal.refusals[0].call_id == "0"
    assert [one.call_id for one in journal.failures] == ["1"]
    assert len(journal.refusals) == CALLS


def test_where_nobody_may_ask_for_calls_none_are_kept() -> None:
    journal = Journal(keeps_calls=False)
    journal.add(entry(1))
    journal.add(entry(2, Outcome.REFUSED))
    assert not journal.calls
    assert not journal.used
    assert len(journal.refusals) == 1


def test_a_warning_is_kept_once() -> None:
    journal = Journal(keeps_calls=False)
    assert [journal.warn("a"), journal.warn("a"), journal.warn("b")] == [True, False, True]
    assert journal.warnings == ("a", "b")
