"""Opening a store: the engine, the file's permissions, and transactions that writers share or have to themselves."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeGuard

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from chatreel.errors import StoreError
from chatreel.store.direct import execute
from chatreel.store.place import StoreFile
from chatreel.store.revisions import ensure_schema, is_store

_PRAGMAS = (
    "PRAGMA synchronous=NORMAL",  # survives the death of the process; a power cut may cost the last commits
    "PRAGMA busy_timeout=5000",  # another process may hold a lock for a moment
)

_POSTGRESQL: dict[str, Any] = {
    "pool_pre_ping": True,  # a server that was restarted is noticed before anything is asked of it
    "connect_args": {
        "connect_timeout": 5,
        "application_name": "chatreel",
        # A server that vanishes without a word: after so many seconds of silence it is gone.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 15_000,
    },
}

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

_PORT = 5432
"""Of a PostgreSQL, if none is named."""

_PATIENCE = 5.0
"""Seconds that a writer waits for others to end their transactions."""

_LOCK = 0x6368_6174_7265_656C
"""Of PostgreSQL's advisory locks: the one that writers of a store share. It reads `chatreel`."""


def store_url(location: str) -> URL:
    """`--store` as given: a database URL, or the path of an SQLite file. Raises `StoreError`."""
    url = _parsed(location)
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise StoreError(f"a store on {url.drivername} is not supported; give a file, or a URL of PostgreSQL")
    if driver == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError("the store has to be a file: chatreel keeps recordings, memory would lose them")
    if driver != "sqlite" and not url.database:
        raise StoreError("the URL names no database; give one, as in postgresql://user@host/chatreel")
    return url if driver == "sqlite" else url.set(drivername=driver)


def server_id(url: URL, *more: object) -> str:
    """A name for files of this machine that belong to a store on a server: of where it is, and of what `more` says."""
    server = (url.host or url.query.get("host", ""), url.port or url.query.get("port", _PORT), url.database, *more)
    return sha256("\0".join(map(str, server)).encode()).hexdigest()[:32]


def require_store(location: str) -> None:
    """Raises `StoreError` unless there is a store: who looks after one does not want a new one."""
    url = store_url(location)
    if url.get_backend_name() == "sqlite":
        there = Path(str(url.database)).exists()
    else:
        engine = _engine(url)
        try:
            with _named_errors(url), engine.connect() as connection:
                there = is_store(connection)
        finally:
            engine.dispose()
    if not there:
        raise StoreError(f"there is no store at {name_of(url)}. Name it with --store.")


def open_engine(url: URL, file: StoreFile | None = None) -> Engine:
    """The engine of a store that exists, is of this version, and can be read and written. Raises `StoreError`.

    `file`: that of the store. One that is in use already is not made anew if it has gone.
    """
    engine = _engine(url, file)
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        with _named_errors(url):
            _make_ready(engine, url)
        undo.pop_all()
    return engine


@contextmanager
def writing(engine: Engine, *, alone: bool = False, patience: float = _PATIENCE) -> Iterator[Connection]:
    """A transaction that writes, committed at the end of the block.

    What it finds stays there until then: nothing is deleted under it. `alone`: nor does anybody add anything, which is
    what deleting needs. `patience`: seconds to wait for others; then it is an `OperationalError`. Raises `StoreError`
    if the file of the store is not where it was any more.
    """
    with engine.begin() as connection:
        check_file(connection)
        lock(connection, alone=alone, patience=patience)
        yield connection


def lock(connection: Connection, *, alone: bool, patience: float = _PATIENCE) -> None:
    """As `writing`, for a connection whose transaction has not begun."""
    limit = round(patience * 1e3)
    if connection.dialect.name == "sqlite":
        wait_for_others(connection, limit)
        execute(connection, "BEGIN IMMEDIATE")  # SQLite has one writer at a time anyway
    else:
        kind = "" if alone else "_shared"
        connection.exec_driver_sql(f"SET LOCAL lock_timeout={limit}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}({_LOCK})")


def wait_for_others(connection: Connection, milliseconds: int) -> None:
    """How long a connection to SQLite waits for others that write."""
    if connection.info.get(_WAITS) != milliseconds:  # each statement is a turn of the interpreter's lock
        execute(connection, f"PRAGMA busy_timeout={milliseconds}")
        connection.info[_WAITS] = milliseconds


def check_file(connection: Connection) -> None:
    """As `StoreFile.check` does, for the file of this connection, if it has one."""
    if file := connection.get_execution_options().get(_FILE):
        file.check()


_FILE = "chatreel_file"
"""The execution option of an engine that holds its `StoreFile`."""


def is_operational(error: BaseException) -> TypeGuard[OperationalError]:
    """Whether the database could not do it at that time: what it was told to do is not at fault."""
    return isinstance(error, OperationalError)


_WAITS = "chatreel_waits"
"""Of what is known of a connection: the milliseconds that it waits for others."""


def reason_of(error: Exception) -> object:
    """What a database says is wrong, without the statement around it."""
    return error.orig if isinstance(error, DBAPIError) else error


def _parsed(location: str) -> URL:
    try:
        if "://" in location:
            return make_url(location)
        return URL.create("sqlite", database=str(Path(location).expanduser()))
    except (ArgumentError, ValueError, RuntimeError) as error:  # RuntimeError: the ~ of somebody who has no home
        shown = "this URL" if "@" in location else repr(location)  # it may hold a password
        raise StoreError(
            f"{shown} is not a store: give a file, or a URL such as sqlite:////home/me/calls.db"
        ) from error


def name_of(url: URL) -> str:
    """See `chatreel.store.place.store_name`."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


@contextmanager
def _named_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except (OSError, DBAPIError) as error:
        reason = str(reason_of(error)).strip()
        raise StoreError(
            f"the store {name_of(url)} cannot be used: {reason}. Name another one with --store."
        ) from error


def _engine(url: URL, file: StoreFile | None = None) -> Engine:
    """An engine that has not connected to anything yet. Errors do not repeat prompts: `hide_parameters`."""
    if url.get_backend_name() == "sqlite":
        options = {_FILE: file or StoreFile(Path(str(url.database)))}
        engine = create_engine(url, hide_parameters=True, execution_options=options)
        event.listen(engine, "do_connect", lambda *_: options[_FILE].check())  # or it would make another one
        event.listen(engine, "connect", _prepare)
        return engine
    try:
        return create_engine(url, hide_parameters=True, **_POSTGRESQL)
    except ImportError as error:
        raise StoreError(
            f"a store on PostgreSQL needs its extra: pip install 'chatreel[postgres]' ({error})"
        ) from error


def _make_ready(engine: Engine, url: URL) -> None:
    file: StoreFile | None = engine.get_execution_options().get(_FILE)
    if file and not file.is_in_use:
        file.make()
    take_turns: Callable[[Connection], None] = lambda connection: lock(connection, alone=True)  # noqa: E731
    ensure_schema(engine, name_of(url), take_turns)
    if file:
        _stop_readers_waiting(engine)
        file.use()


def _stop_readers_waiting(engine: Engine) -> None:
    """A write-ahead log is a property of the file, so only a store of ours is given one."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
            with suppress(OperationalError):  # SQLite does not wait here; whoever holds the lock does the same
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")


def _prepare(connection: object, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]  # a DBAPI connection has no common type
    if cursor.execute("PRAGMA page_count").fetchone() == (0,):  # to a file that is not new it would write
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")  # what is removed can be given back bit by bit
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()
