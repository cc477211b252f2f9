"""Statements that SQLite gets as they are, inside a transaction of SQLAlchemy's.

To hand a statement over, SQLAlchemy takes ten times as long as SQLite to do it, and a recording takes a dozen of them.
So what is written for each recording is compiled once. Other engines, whose answer has a way to go, get it from
SQLAlchemy, many rows at a time.
"""

import sqlite3
from collections.abc import Iterable, Mapping
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
        driven: Any = connection.connection.driver_connection
        try:
            rows: Rows = driven.execute(text, [values[name] for name in order]).fetchall()
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

    def run_each(self, connection: Connection, several: Iterable[Mapping[str, Any]]) -> Rows:
        """The same with each of several values."""
        return [row for values in several for row in self.run(connection, values)]

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...]]:
        """In words, and the order of its values; a start does not wait for it."""
        compiled = self._statement.compile(dialect=sqlite.dialect(), column_keys=self._names)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what it is for every statement of this kind
        return str(compiled), tuple(compiled.positiontup or ())


def is_direct(connection: Connection) -> bool:
    """Whether a connection leads to SQLite."""
    return connection.dialect.name == "sqlite"
