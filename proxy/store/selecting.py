"""Recordings of a store by what is asked of them, the oldest first."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.exc import DBAPIError

from chatreel.errors import StoreError
from chatreel.model import Recording
from chatreel.store import recordings
from chatreel.store.database import open_engine, reason_of, require_store, store_url
from chatreel.store.schema import recordings as table


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions that recordings meet, all of them. `None`: any will do."""

    model: str | None = None
    """The whole name, or its beginning and a `*`."""
    upstream: str | None = None
    """Origin."""
    since: float | None = None
    """Recorded at this moment or later, seconds since the epoch."""
    key: str | None = None
    """The beginning of a key, scheme included."""


def select_recordings(location: str, wanted: Wanted) -> Iterator[Recording]:
    """Yield them, one in memory at a time. Raises `StoreError` if there is no store, or if one is damaged."""
    require_store(location)
    engine = open_engine(store_url(location))
    try:
        with closing(engine.connect()) as connection:
            for recording_id in _ids(connection, wanted):
                yield recordings.load(connection, recording_id)
    except DBAPIError as error:
        raise StoreError(f"the store failed: {reason_of(error)}") from error
    finally:
        engine.dispose()


def _ids(connection: Connection, wanted: Wanted) -> list[int]:
    return [row.id for row in connection.execute(select(table.c.id).where(*_conditions(wanted)).order_by(table.c.id))]


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.model is not None:
        starts = wanted.model.endswith("*")
        name = wanted.model.removesuffix("*")
        yield table.c.model.startswith(name, autoescape=True) if starts else table.c.model == name
    if wanted.upstream is not None:
        yield table.c.upstream == wanted.upstream
    if wanted.since is not None:
        yield table.c.recorded_at >= wanted.since
    if wanted.key is not None:
        yield table.c.key.startswith(wanted.key, autoescape=True)
