"""The log for whoever copies it elsewhere: rows as the driver gives them, in the order of their ids, in short reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Boolean, ColumnElement, Connection, Integer, func, select, text
from sqlalchemy import cast as cast_as
from sqlalchemy.exc import DBAPIError

from chatreel.errors import StoreError
from chatreel.store.database import lock, open_engine, reason_of, require_store, store_url
from chatreel.store.schema import REPRICED, calls, meta

_LAST = {
    "sqlite": text("SELECT seq FROM sqlite_sequence WHERE name = 'calls'"),
    "postgresql": text("SELECT pg_sequence_last_value(pg_get_serial_sequence('calls', 'id')::regclass)"),
}
"""The last id that was ever given to a row, though it may have been removed."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is in the log."""

    last: int
    """The last id that was given: no row up to it will come any more. 0: there never was one."""
    rows: int
    """After the id that was asked about."""
    repriced: int
    """How often prices of older rows were made anew: rows that were read before may differ."""


class LogReader:
    """Raises `StoreError` from every method. Never holds a read open: a store that is written to stays small."""

    def __init__(self, location: str) -> None:
        """The store exists; an older one is upgraded."""
        require_store(location)
        self._engine = open_engine(store_url(location))

    def extent(self, after: int) -> Extent:
        """What there is to read after an id.

        Ids are given in the order of insertion, but a server with several writers may commit a later one first. Writers
        hold a lock in common until they commit; whoever has it alone for a moment sees no gap that will be filled.
        """
        with self._reading() as connection:
            if connection.dialect.name != "sqlite":  # which has one writer at a time anyway
                lock(connection, alone=True)
            last = connection.execute(_LAST[connection.dialect.name]).scalar() or 0
            connection.rollback()
            newer = select(func.count()).where(calls.c.id > after, calls.c.id <= last)
            repriced = select(meta.c.value).where(meta.c.name == REPRICED)
            rows = connection.execute(newer).scalar_one()
            return Extent(last, rows, int(connection.execute(repriced).scalar() or 0))

    def call_id(self, row: int) -> str | None:
        """Of the row with that id, if it is still there."""
        with self._reading() as connection:
            return connection.execute(select(calls.c.call_id).where(calls.c.id == row)).scalar()

    def batches(self, columns: Sequence[str], *, after: int, last: int, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """All rows with ids from `after`, exclusive, to `last`, in batches; the first column has to be the id.

        Truth values come as 0 and 1, from every engine.
        """
        while True:
            with self._reading() as connection:
                rows = _batch(connection, columns, after, last, size)
            if rows:
                after = rows[-1][0]
                yield rows
            if len(rows) < size:
                return

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreError(f"the log cannot be read: {reason_of(error)}") from error
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise StoreError(f"the log cannot be read: {error}") from error


def _batch(connection: Connection, columns: Sequence[str], after: int, last: int, size: int) -> list[tuple[Any, ...]]:
    values = [_value(calls.c[name]) for name in columns]
    query = select(*values).where(calls.c.id > after, calls.c.id <= last).order_by(calls.c.id).limit(size)
    if connection.dialect.name != "sqlite":  # there, what `chatreel.store.text` has escaped is undone
        return [tuple(row) for row in connection.execute(query)]
    # The driver's own rows: what SQLAlchemy adds to each would take half as long again.
    statement = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    rows = cast("list[tuple[Any, ...]]", cursor.fetchall())
    cursor.close()
    return rows


def _value(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast_as(column, Integer) if isinstance(column.type, Boolean) else column
