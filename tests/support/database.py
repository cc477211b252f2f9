"""A look into a store from outside, without what is being tested."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg


def rows(store: Path | str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a statement finds, with `?` for each value; what it changes is committed."""
    if "://" in str(store):
        with psycopg.connect(str(store)) as connection:
            found = connection.execute(statement.replace("?", "%s").encode(), values or None)
            return found.fetchall() if found.description else []
    with closing(sqlite3.connect(store)) as database, database:
        return database.execute(statement, values).fetchall()


@contextmanager
def locked(store: str) -> Iterator[None]:
    """Nobody can write to a store in a file."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def fill_up(store: str) -> None:
    """Have the store refuse each further recording, as a full disk would."""
    if "://" in store:
        rows(
            store,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$",
        )
        rows(store, "CREATE TRIGGER full_disk BEFORE INSERT ON recordings EXECUTE FUNCTION full_disk()")
    else:
        rows(
            store,
            "CREATE TRIGGER full_disk BEFORE INSERT ON recordings BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
