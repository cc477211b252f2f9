"""The row of a hit, put together from what it has in common with others and what is its own, is the row of its call."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from chatreel.facts import Facts
from chatreel.model import Piece
from chatreel.store import Call
from chatreel.store.alike import Hit, Like, Manner
from chatreel.store.bulk import Row, insert_all
from chatreel.store.call import PLAIN, Charge
from chatreel.store.lines import as_line
from chatreel.store.schema import metadata
from support.database import rows
from support.stores import call, opened, take

TIMES = st.floats(allow_nan=False, allow_infinity=False)


def like_of(
    row: Call,
    complete: Callable[[Call], Call],
    answered_at: float = 1.7e9,
    told: Callable[[Call, int], None] = lambda _row, _times: None,
) -> Like:
    """What rows have in common with one, which say of their recording what the row says."""
    manner = Manner(
        replace(row, status=None, key=None, recording_id=None, spared=None), lambda one, *_: complete(one), told
    )
    recording = replace(
        take(row.key or ""),
        id=row.recording_id or 0,
        status=row.status or 0,
        recorded_at=answered_at,
        pieces=(Piece(row.spared or 0.0, 1),),
    )
    return Like(manner, recording.replayable, b"")


def completed(row: Call) -> Call:
    return replace(row, facts=Facts(model_served="m", prompt_tokens=3), charge=Charge(cost=0, saved=7))


@given(st.uuids(), TIMES, TIMES, st.none() | st.integers(1, 2**40), st.text(), TIMES)
def test_it_is_the_same_line_and_the_same_columns(
    call_id: object, started_at: float, latency: float, take: int | None, model: str, answered_at: float
) -> None:
    whole = call(str(call_id), started_at=started_at, latency=latency, take=take, model=model, spared=0.5)
    like = like_of(replace(whole, call_id="another", started_at=1.0, latency=2.0, take=1), completed, answered_at)
    hit = Hit(like, str(call_id), started_at, latency, take)
    assert hit.line == as_line(whole, answered_at)
    like.completed()
    assert hit.values == completed(whole).values
    assert hit.call == completed(whole)


def test_it_is_completed_once_for_all_and_told_how_many_they_are(store: str) -> None:
    done: list[str] = []
    told: list[tuple[int | None, int]] = []

    def complete(row: Call) -> Call:
        done.append(row.call_id)
        return completed(row)

    with opened(store) as other:
        like = like_of(call("a"), complete, told=lambda row, times: told.append((row.charge.saved, times)))
        for name in "abc":
            other.calls.note(Hit(like, name, 5.0, 0.25, 2))
        other.calls.add(call("d"))
    found = rows(store, "SELECT call_id, started_at, latency, take, saved, model_served FROM calls ORDER BY call_id")
    assert found[:3] == [(name, 5.0, 0.25, 2, 7, "m") for name in "abc"]
    assert found[3][0] == "d"
    assert (done, told) == (["a"], [(7, 3)])


def test_what_cannot_be_completed_is_written_as_it_is(store: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_row: Call) -> Call:
        raise ValueError("planted")

    with opened(store) as other:
        other.calls.note(Hit(like_of(call("a"), broken), "a", 5.0, 0.25, None))
    assert rows(store, "SELECT call_id, saved FROM calls") == [("a", None)]
    assert "not complete" in caplog.text


WHEN = st.integers(0, 2**52).map(lambda microseconds: microseconds / 1e6)
"""Times as there are, to the microsecond."""


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), WHEN, WHEN, st.none() | st.integers(1, 2**40)), max_size=60), st.data())
def test_many_hits_are_the_rows_that_each_is_by_itself(
    some: list[tuple[int, float, float, int | None]], data: st.DataObject
) -> None:
    """And they are in their order, whatever comes between them."""
    facts = Facts(model_served="m", prompt_tokens=3, usage='{"prompt_tokens":3}')
    ways = [
        like_of(call(str(n), model=name, tags='{"a":"\'"}', spared=n / 7), lambda row: replace(row, facts=facts))
        for n, name in enumerate(data.draw(st.lists(st.text(), min_size=4, max_size=4)))
    ]
    hits = [Hit(ways[way], str(number), at, took, take) for number, (way, at, took, take) in enumerate(some)]
    between = data.draw(st.sets(st.integers(0, 60)))
    wanted: list[Row] = []
    for number, hit in enumerate(hits):
        hit.like.completed()
        wanted += [hit, *([call(f"between {number}")] if number in between else [])]
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        insert_all(connection, wanted)
        insert_all(connection, [])
        names = ", ".join(PLAIN)
        found = connection.exec_driver_sql(f"SELECT {names} FROM calls ORDER BY id").all()
    engine.dispose()
    assert [tuple(row) for row in found] == [row.values for row in wanted]
