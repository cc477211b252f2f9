"""Two sessions side by side, as their calls give them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chatreel.dashboards.source import Source
from chatreel.model import Outcome
from chatreel.store.call import Charge
from support.dashboard import published, visit
from support.log import NOON, answered, logged

NAMES = [
    "test_capitals, 21 Sep 14:13:20",
    "test_capitals, 21 Sep 15:13:20",
    "without a name, c0ffee12, 21 Sep 16:13:20",
]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Three sessions, an hour from each other: one that records, the same again, and one without a name or a price."""
    store = tmp_path / "store.db"
    hit = Outcome.HIT
    more: dict[str, Any] = {"session": "second", "session_name": "test_capitals", "started_at": NOON + 3600}
    unpriced = Charge(cost=None, saved=0, unpriced="nobody knows")
    logged(
        str(store),
        [
            answered("a", session="first", session_name="test_capitals", model="gpt-a"),
            answered("b", session="first", session_name="test_capitals", model="gpt-b", latency=4.0),
            answered("c", outcome=hit, model="gpt-a", **more),
            answered("d", outcome=hit, model="gpt-a", **more),
            answered("e", model="gpt-a", miss_reason="stale", **more),
            answered("f", session="c0ffee1234", model="gpt-a", charge=unpriced, started_at=NOON + 7200),
        ],
    )
    return Source(published(store), clock=lambda: datetime.fromtimestamp(NOON + 9000, UTC))


def compared(source: Source, **names: str) -> dict[str, list[str]]:
    """The table for the sessions that are chosen: what stands beside each of its rows."""
    found = visit(source, "sessions", **names)
    assert not found.exception
    tables = [table.value for table in found.dataframe if "what" in table.value]
    return {what: rest for table in tables for what, *rest in table.to_numpy().tolist()}


def test_two_sessions_are_compared_in_the_order_in_which_they_are_chosen(source: Source) -> None:
    assert compared(source, one=NAMES[1], other=NAMES[0])["Calls"] == ["3", "2", "-33.3%"]
    assert compared(source, one=NAMES[0], other=NAMES[1]) == {
        "Calls": ["2", "3", "+50.0%"],
        "Hit rate": ["0.0%", "66.7%", "+66.7 points"],
        "Spent": ["$0.0000060", "$0.0000030", "-50.0%"],
        "Saved": ["$0", "$0.0000060", "–"],
        "Upstream, p50": ["3.00 s", "2.00 s", "-33.3%"],
        "Upstream, p95": ["3.90 s", "2.00 s", "-48.7%"],
        "Recordings, p50": ["–", "2.0 ms", "–"],
        "Recordings, p95": ["–", "2.0 ms", "–"],
        "Misses": ["2", "1", "-50.0%"],
        "– never asked before": ["2", "0", "-100.0%"],
        "– too old for what was asked": ["0", "1", "–"],
        "Calls of gpt-a": ["1", "3", "+200.0%"],
        "Calls of gpt-b": ["1", "0", "-100.0%"],
    }


def test_an_unknown_price_is_compared_with_nothing(source: Source) -> None:
    assert compared(source, one=NAMES[1], other=NAMES[2])["Spent"] == ["$0.0000030", "unknown", "–"]


def test_one_session_alone_is_not_compared(source: Source) -> None:
    assert not compared(source, one=NAMES[0])
