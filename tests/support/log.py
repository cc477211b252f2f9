"""A log to ask questions of: calls of every outcome, put into a store as the proxy would, and read back from DuckDB."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from chatreel.facts import Facts
from chatreel.model import Outcome
from chatreel.store import Call
from chatreel.store.call import Charge
from support.stores import call, opened

NOON = 1_790_000_000.0
"""Seconds since the epoch: 2026-09-21 14:13:20 UTC."""
DAY = 86_400.0


def logged(store: str, calls: Iterable[Call]) -> None:
    """Put calls into the log of a store, made if there is none."""
    with opened(store) as open_store:
        for one in calls:
            open_store.calls.add(one)


def answered(call_id: str, outcome: Outcome = Outcome.RECORDED, **more: Any) -> Call:
    """A call with an answer of 100 prompt and 20 completion tokens, which costs 3,000 nano-USD upstream."""
    served = outcome in (Outcome.HIT, Outcome.COALESCED)
    facts = Facts(
        model_served="m-2026",
        finish_reason="stop",
        prompt_tokens=100,
        completion_tokens=20,
        usage='{"prompt_tokens":100,"completion_tokens":20}',
        answered=True,
    )
    charge = Charge(
        cost=0 if served else 3_000,
        saved=3_000 if served else 0,
        price_source="override",
        price_version="v",
        price_model="m",
    )
    usual: dict[str, Any] = {
        "started_at": NOON,
        "outcome": outcome,
        "latency": 0.002 if served else 2.0,
        "upstream_time": None if served else 1.9,
        "spared": 1.9 if served else None,
        "miss_reason": None if served else "new",
        "facts": facts,
        "charge": charge,
    }
    return call(call_id, **usual | more)


def ask(file: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a published file answers, asked the way people ask it: the view is simply `calls`."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS log (READ_ONLY)")
        connection.execute("USE log")
        return connection.execute(query, values).fetchall()
