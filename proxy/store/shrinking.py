"""Giving the space of what was removed back to the file system, also while a proxy serves from the store."""

from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

STEP = 1_000
"""Pages that one transaction moves: about 4 MB."""

_INCREMENTAL = 2


class Shrunk(StrEnum):
    """What became of the free space."""

    DONE = "done"
    """The file has given it back, or there was none."""
    IN_USE = "in use"
    """The file is of an older kind that only shrinks while nobody has it open; new recordings use the space."""
    BY_SERVER = "by server"
    """A server's database looks after that itself."""


def shrink(engine: Engine) -> Iterator[int]:
    """Give free pages back, step by step; yields how many are left. Nobody waits longer than one step takes."""
    with engine.connect() as connection:
        if not can_shrink(connection):
            return
    left = None
    while left != 0:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            before, left = left, step(connection)
        yield left
        if left == before:
            break  # somebody else is at it
    with engine.connect() as connection:
        _truncate(connection)


def step(connection: Connection, pages: int = STEP) -> int:
    """Give some free pages back, inside a transaction that writes; how many are left."""
    driver = connection.connection.driver_connection
    if driver is not None:
        with closing(driver.cursor()) as cursor:
            cursor.execute(
                f"PRAGMA incremental_vacuum({pages:d})"
            ).fetchall()  # one page for each row that is asked for
    return _pragma(connection, "freelist_count")


def can_shrink(connection: Connection) -> bool:
    """Whether a file gives its pages back one by one; one of an older kind has to be written anew."""
    return connection.dialect.name == "sqlite" and _pragma(connection, "auto_vacuum") == _INCREMENTAL


def rewrite(engine: Engine) -> Shrunk:
    """Write an SQLite file anew, as one that can give pages back later; only if nobody else has it open."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name != "sqlite":
            return Shrunk.BY_SERVER
        if can_shrink(connection):
            return Shrunk.DONE
        try:
            connection.exec_driver_sql("PRAGMA busy_timeout=200")
            # Out of the write-ahead log and back: SQLite does that for the only connection alone, and says so else.
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE").scalar()
            connection.exec_driver_sql("PRAGMA auto_vacuum=INCREMENTAL")
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar()
        except OperationalError:
            return Shrunk.IN_USE
        finally:
            connection.invalidate()  # others have more patience
    return Shrunk.DONE


def checkpoint(connection: Connection) -> None:
    """Have the file itself get shorter: what is in its log is copied into it, as far as nobody has to be waited for."""
    connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()


def _truncate(connection: Connection) -> None:
    """The same, and of the log nothing remains; whoever reads is waited for a moment."""
    connection.exec_driver_sql("PRAGMA busy_timeout=200")
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
    connection.invalidate()


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
