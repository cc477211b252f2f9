"""Statements that SQLite gets as they are, inside a transaction of SQLAlchemy's.

To hand a statement over, SQLAlchemy takes ten times as long as SQLite to do it, and a recording takes several of them.
So what is written for each recording is compiled once, also for each number of rows: with each statement and each row
that it gives, SQLite lets go of the interpreter's lock, and a busy event loop is slow to give it back. Other engines,
whose answer has a way to go, get it from SQLAlchemy, many rows at a time.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Insert, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

type Rows = list[tuple[Any, ...]]


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


class DirectMany:
    """One statement for each number of rows, or of whatever else it has several of."""

    def __init__(self, make: Callable[[int], Insert | Select[Any]]) -> None:
        """`make`: the statement for so many. Its values are called `name_0`, `name_1` and so on."""
        self._make = make
        self._made: dict[int, Direct] = {}

    def run(self, connection: Connection, several: Sequence[Mapping[str, Any]]) -> Rows:
        """The rows that it gives with all of these values. Raises what SQLAlchemy does."""
        count = len(several)
        if count not in self._made:
            self._made[count] = Direct(self._make(count))
        values = {f"{name}_{n}": value for n, one in enumerate(several) for name, value in one.items()}
        return self._made[count].run(connection, values)


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
