"""Rows of the log are completed in order, many at a time, and each of them is written."""

import threading
from dataclasses import dataclass, field

import pytest

from chatreel.store import Call
from chatreel.store.clerk import Clerk
from support.stores import call


@dataclass
class Backlog:
    """Takes rows in the place of the real one."""

    batches: list[list[str]] = field(default_factory=list)

    def add(self, rows: list[tuple[Call, object]]) -> None:
        if rows:
            self.batches.append([row.reason for row, _ in rows])


def named(row: Call) -> Call:
    row.reason = f"completed {row.call_id}"
    return row


def broken(_row: Call) -> Call:
    raise ValueError("planted")


@pytest.fixture
def backlog() -> Backlog:
    return Backlog()


def test_rows_keep_their_order_and_what_comes_behind_them_finds_them_completed(backlog: Backlog) -> None:
    clerk = Clerk(backlog)  # type: ignore[arg-type]  # as much of it as is asked for
    for number in range(5_000):
        clerk.add(call(str(number)), named, lambda _: None)
    found = clerk.once_settled(lambda: [row for batch in backlog.batches for row in batch]).result(20)
    assert found == [f"completed {number}" for number in range(5_000)]
    assert 1 < len(backlog.batches) < 100
    clerk.close()


def test_a_row_that_cannot_be_completed_is_written_as_it_is(backlog: Backlog, caplog: pytest.LogCaptureFixture) -> None:
    clerk = Clerk(backlog)  # type: ignore[arg-type]
    clerk.add(call("1", reason="as it was"), broken, lambda _: None)
    clerk.add(call("2"), named, lambda _: None)
    clerk.close()
    assert [row for batch in backlog.batches for row in batch] == ["as it was", "completed 2"]
    assert "not complete" in caplog.text


def test_what_is_to_be_done_behind_the_rows_may_fail_and_is_done_also_when_no_more_rows_come(backlog: Backlog) -> None:
    clerk = Clerk(backlog)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        clerk.once_settled(lambda: 1 // 0).result(20)
    clerk.close()
    assert clerk.once_settled(threading.active_count).result(20) > 0
