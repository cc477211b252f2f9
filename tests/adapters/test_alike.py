"""The row of a hit, put together from what it has in common with others and what is its own, is the row of its call."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.facts import Facts
from chatreel.store import Call
from chatreel.store.alike import Hit, Like
from chatreel.store.call import Charge
from chatreel.store.lines import as_line
from support.database import rows
from support.stores import call, opened

TIMES = st.floats(allow_nan=False, allow_infinity=False)


def completed(row: Call) -> Call:
    return replace(row, facts=Facts(model_served="m", prompt_tokens=3), charge=Charge(cost=0, saved=7))


@given(st.uuids(), TIMES, TIMES, st.none() | st.integers(1, 2**40), st.text(), st.none() | TIMES)
def test_it_is_the_same_line_and_the_same_columns(
    call_id: object, started_at: float, latency: float, take: int | None, model: str, answered_at: float | None
) -> None:
    whole = call(str(call_id), started_at=started_at, latency=latency, take=take, model=model, spared=0.5)
    like = Like(replace(whole, call_id="another", started_at=1.0, latency=2.0, take=1), completed, answered_at)
    hit = Hit(like, str(call_id), started_at, latency, take)
    assert hit.line == as_line(whole, answered_at)
    like.completed()
    assert hit.values == completed(whole).values
    assert hit.call == completed(whole)


def test_it_is_completed_once_for_all_and_each_is_told(store: str) -> None:
    done: list[str] = []
    told: list[int | None] = []

    def complete(row: Call) -> Call:
        done.append(row.call_id)
        return completed(row)

    with opened(store) as other:
        like = Like(call("a"), complete, None)
        for name in "abc":
            other.calls.note(Hit(like, name, 5.0, 0.25, 2), lambda row: told.append(row.charge.saved))
        other.calls.add(call("d"))
    found = rows(store, "SELECT call_id, started_at, latency, take, saved, model_served FROM calls ORDER BY call_id")
    assert found[:3] == [(name, 5.0, 0.25, 2, 7, "m") for name in "abc"]
    assert found[3][0] == "d"
    assert (done, told) == (["a"], [7, 7, 7])


def test_what_cannot_be_completed_is_written_as_it_is(store: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_row: Call) -> Call:
        raise ValueError("planted")

    with opened(store) as other:
        other.calls.note(Hit(Like(call("a"), broken, None), "a", 5.0, 0.25, None), lambda _: None)
    assert rows(store, "SELECT call_id, saved FROM calls") == [("a", None)]
    assert "not complete" in caplog.text
