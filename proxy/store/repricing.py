"""Prices in the log made anew, batch by batch: what was reported is kept, what follows from it can change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError, NoResultFound

from chatreel.errors import StoreError
from chatreel.model import Outcome, Replayable
from chatreel.store import log, recordings
from chatreel.store.call import PRICED, Call
from chatreel.store.database import open_engine, reason_of, require_store, store_url, writing
from chatreel.store.schema import REPRICED, calls, meta

_BATCH = 2_000
_ANSWERED = (Outcome.HIT, Outcome.COALESCED, Outcome.RECORDED)

_UPDATE = (
    update(calls).where(calls.c.id == bindparam("row")).values({name: bindparam(f"new_{name}") for name in PRICED})
)
_TOLD = select(meta.c.value).where(meta.c.name == REPRICED)

type Price = Callable[[Call, Replayable | None], Call]
"""A row of the log as it should be. The recording is given where the row does not say what was answered."""


@dataclass(frozen=True, slots=True)
class Period:
    """Seconds since the epoch; `None`: from the beginning, to the end."""

    since: float | None = None
    until: float | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class Repriced:
    """What became of the rows of a period."""

    rows: int
    changed: int


def reprice(
    location: str, period: Period, price: Price, progress: Callable[[int], None] = lambda _done: None
) -> Repriced:
    """Have each row of a period priced anew. Raises `StoreError`.

    Whoever has copied the log is told to copy it anew: before the first change and after the last one, so that nobody
    takes half of it for all of it. Rows that come in meanwhile have today's prices anyway.
    """
    changed = 0
    told = False
    done = 0
    with _errors(), _engine(location) as engine:
        for batch in _batches(engine, period):
            with engine.connect() as connection:
                priced = [(row, call, price(call, _recording(connection, call))) for row, call in batch]
            values = [{"row": row, **_values(new)} for row, old, new in priced if _values(old) != _values(new)]
            if values:
                with writing(engine) as connection:
                    if not told:
                        _tell(connection)
                    connection.execute(_UPDATE, values)
                told = True
            changed += len(values)
            done += len(batch)
            progress(done)
        if told:
            with writing(engine) as connection:
                _tell(connection)
    return Repriced(done, changed)


def read(location: str, period: Period) -> Iterator[Call]:
    """The rows of a period, in order. Raises `StoreError`."""
    with _errors(), _engine(location) as engine:
        for batch in _batches(engine, period):
            yield from (call for _, call in batch)


def _batches(engine: Engine, period: Period) -> Iterator[list[tuple[int, Call]]]:
    after = 0
    while True:
        with engine.connect() as connection:
            batch = log.page(connection, after, _BATCH, since=period.since, until=period.until)
        if not batch:
            return
        yield batch
        after = batch[-1][0]


def _recording(connection: Connection, call: Call) -> Replayable | None:
    """What a row of an older version does not say, its recording still does, if it is there."""
    if call.facts.answered or call.recording_id is None or call.cassette or call.outcome not in _ANSWERED:
        return None
    try:
        return recordings.replayable(connection, call.recording_id)
    except (StoreError, NoResultFound):
        return None


def _values(call: Call) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in log.priced_values(call).items()}


def _tell(connection: Connection) -> None:
    times = int(connection.execute(_TOLD).scalar() or 0) + 1
    connection.execute(delete(meta).where(meta.c.name == REPRICED))
    connection.execute(meta.insert(), {"name": REPRICED, "value": str(times)})


@contextmanager
def _engine(location: str) -> Iterator[Engine]:
    require_store(location)
    engine = open_engine(store_url(location))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"prices cannot be made anew: {reason_of(error)}") from error
