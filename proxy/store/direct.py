"""Statements that SQLite gets as they are, inside a transaction of SQLAlchemy's.

To hand a statement over, SQLAlchemy takes ten times as long as SQLite to do it, and a recording takes several of them.
So what is written for each recording is put into words once, and all rows that are there go in one statement: with each
statement and each row that it gives, SQLite lets go of the interpreter's lock, and a busy event loop is slow to give it
back. Other engines, whose answer has a way to go, get it from SQLAlchemy, many rows at a time.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import batched, chain
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

type Rows = list[tuple[Any, ...]]

_MOST_VALUES = 4_096
"""Of one statement: SQLite takes eight times as many, some builds of it a fourth."""


class Direct:
    """One statement, in the words of SQLite. Its values are of types that SQLite knows by itself."""

    def __init__(self, statement: Insert | Select[Any], *names: str) -> None:
        """`names`: the columns that an insert has values for."""
        self._statement = statement
        self._names = names or None

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Rows:
        """The rows that it gives. Raises what SQLAlchemy does."""
        text, order = self._compiled
        return execute(connection, text, [values[name] for name in order])

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...]]:
        """In words, and the order of its values; a start does not wait for it."""
        compiled = self._statement.compile(dialect=sqlite.dialect(), column_keys=self._names)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what it is for every statement of this kind
        return str(compiled), tuple(compiled.positiontup or ())


class DirectRows:
    """Rows on their way into a table, as many as there are."""

    def __init__(
        self, table: Table, names: Sequence[str], returning: Sequence[str] = (), *, missing: bool = False
    ) -> None:
        """`returning`: columns that each row gives back. `missing`: leave alone what is there."""
        self._insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "  # noqa: S608 - names of the schema
        self._row = f"({', '.join('?' for _ in names)})"
        self._rest = " ON CONFLICT DO NOTHING" if missing else ""
        if returning:
            self._rest += f" RETURNING {', '.join(returning)}"
        self._at_once = _MOST_VALUES // len(names)

    def run(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> Rows:
        """What they give back, in the order that SQLite likes. Raises what SQLAlchemy does."""
        found: Rows = []
        for some in batched(rows, self._at_once):
            text = self._insert + ", ".join([self._row] * len(some)) + self._rest
            found += execute(connection, text, [*chain.from_iterable(some)])
        return found


def execute(connection: Connection, text: str, values: Sequence[Any] = ()) -> Rows:
    """What SQLite gives for a statement of its own. Raises what SQLAlchemy does."""
    driven: Any = connection.connection.driver_connection
    try:
        rows: Rows = driven.execute(text, values).fetchall()
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            text,
            None,
            error,
            sqlite3.Error,
            hide_parameters=True,
            dialect=connection.dialect,
        ) from error
    return rows


def is_direct(connection: Connection) -> bool:
    """Whether a connection leads to SQLite."""
    return connection.dialect.name == "sqlite"
