"""Opening a store: the engine, the file's permissions, and whether what is there is a chatreel store at all."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from chatreel.errors import StoreError
from chatreel.store.schema import REVISION, metadata, version

_PRAGMAS = (
    "PRAGMA synchronous=NORMAL",  # survives the death of the process; a power cut may cost the last commits
    "PRAGMA busy_timeout=5000",  # another process may hold the write lock for a moment
    "PRAGMA foreign_keys=ON",  # a recording never points to a payload that is gone
)


def store_url(text: str) -> URL:
    """`--store` as given: a database URL, or the path of an SQLite file. Raises `StoreError`."""
    url = _parsed(text)
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise StoreError(f"a store on {url.drivername} is not supported yet; give a file for SQLite")
    if url.database in (None, "", ":memory:"):
        raise StoreError("the store has to be a file: chatreel keeps recordings, memory would lose them")
    return url


def require_store(text: str) -> None:
    """Raises `StoreError` unless there is a store: who looks after one does not want a new one."""
    path = Path(str(store_url(text).database))
    if not path.exists():
        raise StoreError(f"there is no store at {path}. Name it with --store.")


def open_engine(url: URL) -> Engine:
    """The engine of a store that exists, is of this version, and can be read and written. Raises `StoreError`."""
    path = Path(str(url.database))
    engine = create_engine(url, hide_parameters=True)  # prompts do not belong into error messages
    event.listen(engine, "connect", _prepare)
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        _make_ready(engine, path)
        undo.pop_all()
    return engine


def _parsed(text: str) -> URL:
    try:
        return make_url(text) if "://" in text else URL.create("sqlite", database=str(Path(text).expanduser()))
    except (ArgumentError, RuntimeError) as error:  # RuntimeError: the ~ of somebody who has no home
        raise StoreError(
            f"{text!r} is not a store: give a file, or a URL such as sqlite:////home/me/calls.db"
        ) from error


def _make_ready(engine: Engine, path: Path) -> None:
    try:
        _create_private(path)
        with engine.begin() as connection:
            _ensure_schema(connection, path)
        _stop_readers_waiting(engine)
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreError(f"the store {path} cannot be used: {reason}. Name another one with --store.") from error


def _stop_readers_waiting(engine: Engine) -> None:
    """A write-ahead log is a property of the file, so only a store of ours is given one."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
            with suppress(OperationalError):  # SQLite does not wait here; whoever holds the lock does the same
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")


def _create_private(path: Path) -> None:
    """Prompts are private: the file is its owner's alone from its first byte on, and so is a folder made for it."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _prepare(connection: object, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]  # a DBAPI connection has no common type
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _ensure_schema(connection: Connection, path: Path) -> None:
    # Others may open the same new file at this moment: one makes the tables, all of them or none.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    tables = inspect(connection).get_table_names()
    if not tables:
        metadata.create_all(connection)
        connection.execute(version.insert().values(version_num=REVISION))
        return
    if version.name not in tables:
        raise StoreError(f"{path} is a database, but not a chatreel store. Name another one with --store.")
    found = connection.execute(select(version.c.version_num)).scalar()
    if found != REVISION:
        raise StoreError(
            f"the store {path} has revision {found}, this chatreel reads revision {REVISION}: it was written by "
            "another version. Upgrade chatreel, or name another store with --store."
        )
