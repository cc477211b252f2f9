"""A store whose log holds as many rows as a benchmark wants: months of calls, as a team makes them."""

import itertools
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from chatreel.store.database import open_engine, store_url
from chatreel.store.usual import packed_usage

START = 1_760_000_000.0
"""Seconds since the epoch of the first call."""
DAYS = 90

MODELS = {
    "gpt-5.2": (1_250, 10_000),
    "gpt-5.2-mini": (250, 2_000),
    "claude-sonnet-4-5": (3_000, 15_000),
    "llama-4-70b": (None, None),
}
"""Nano-USD per prompt and completion token."""
TEAMS = ("search", "support", "agents", "research", "")
OUTCOMES = ("hit", "recorded", "coalesced", "passed", "refused", "failed")
WEIGHTS = (48, 38, 3, 6, 3, 2)


@dataclass(slots=True)
class Row:
    """Columns of the store's log that a synthetic row fills."""

    call_id: str
    started_at: float
    outcome: str
    reason: str
    mode: str
    cassette: str
    upstream: str
    path: str
    query: str
    model: str
    stream: bool
    status: int | None
    key: str
    latency: float
    first_piece: float | None
    upstream_time: float | None
    spared: float | None
    session: str
    session_name: str | None
    tags: str | None
    miss_reason: str | None
    prompt: str
    model_served: str
    finish_reason: str | None
    error_type: str | None
    chunks: int | None
    first_content: float | None
    last_content: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    usage: bytes | None
    cost: int | None
    saved: int | None
    price_source: str | None
    price_version: str | None
    price_model: str | None
    unpriced: str | None


def synthetic_rows(count: int, seed: int = 8, start: float = START) -> Iterator[Row]:
    """Calls in order of time, the same for the same seed; `start`: seconds since the epoch."""
    chance = random.Random(seed)  # noqa: S311 - figures to play with
    models = [*MODELS]
    for number in range(count):
        outcome = chance.choices(OUTCOMES, WEIGHTS)[0]
        served, upstream = outcome in ("hit", "coalesced"), outcome in ("recorded", "passed")
        answered = served or upstream
        model = chance.choices(models, (3, 5, 3, 1))[0]
        prompt, completion = int(chance.lognormvariate(7, 1)), int(chance.lognormvariate(5, 1)) + 1
        ask, say = MODELS[model]
        price = None if ask is None or say is None else prompt * ask + completion * say
        stream = chance.random() < 0.6
        took = chance.lognormvariate(0.8, 0.7)
        first = took * chance.uniform(0.05, 0.4)
        digest = sha256(f"{model}{int(chance.paretovariate(0.4)) % 200_000}".encode()).hexdigest()
        team = chance.choice(TEAMS)
        yield Row(
            call_id=f"{number:032x}",
            started_at=start + DAYS * 86_400 * number / count + chance.random() / 1e3,
            outcome=outcome,
            reason="" if answered else "There is no recording of this request.",
            mode="cache",
            cassette="",
            upstream="https://api.openai.com" if model.startswith("gpt") else "https://openrouter.ai",
            path="/v1/chat/completions",
            query="",
            model=model,
            stream=stream,
            status=200 if answered else 404 if outcome == "refused" else 502,
            key=f"v1:{digest}",
            latency=took + 0.004 if upstream else chance.lognormvariate(-6, 0.5),
            first_piece=first if upstream else None,
            upstream_time=took if upstream else None,
            spared=took if served else None,
            session=f"{number // 500:016x}",
            session_name=f"tests/test_app.py::test_{number // 500 % 40}" if number % 3 else None,
            tags=f'{{"env":"dev","team":"{team}"}}' if team else None,
            miss_reason=None if served else chance.choice(("new", "new", "stale", "asked")),
            prompt=digest[:16],
            model_served=model,
            finish_reason="stop" if answered else None,
            error_type=None if answered else "chatreel_no_recording" if outcome == "refused" else "failed",
            chunks=completion if answered and stream else None,
            first_content=first if upstream and stream else None,
            last_content=took if upstream and stream else None,
            prompt_tokens=prompt if answered else None,
            completion_tokens=completion if answered else None,
            cached_tokens=prompt // 2 if answered else None,
            reasoning_tokens=completion // 4 if answered else None,
            usage=packed_usage(f'{{"prompt_tokens":{prompt},"completion_tokens":{completion}}}') if answered else None,
            cost=0 if served or outcome == "refused" else price if upstream else None,
            saved=price if served else 0,
            price_source="genai-prices" if answered and price is not None else None,
            price_version="0.2.2" if answered and price is not None else None,
            price_model=model if answered and price is not None else None,
            unpriced="genai-prices does not know it" if answered and price is None else None,
        )


def make_store(path: Path, count: int, start: float = START) -> None:
    """A new store with so many rows in its log, the first of them then."""
    open_engine(store_url(str(path))).dispose()
    add_rows(path, synthetic_rows(count, start=start))


def add_rows(path: Path, rows: Iterator[Row]) -> None:
    """Add rows to a store's log, some ten thousand in a transaction."""
    names = [field.name for field in fields(Row)]
    places = ", ".join("?" * len(names))
    statement = f"INSERT INTO calls ({', '.join(names)}) VALUES ({places})"  # noqa: S608
    with closing(sqlite3.connect(path)) as database:
        for some in itertools.batched(rows, 10_000):
            values: list[tuple[Any, ...]] = [astuple(row) for row in some]
            with database:
                database.executemany(statement, values)
