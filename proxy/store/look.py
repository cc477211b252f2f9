"""A look at a store that changes nothing in it: no table, no upgrade, not even a write-ahead log."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, inspect, select
from sqlalchemy.exc import DBAPIError

from chatreel.errors import StoreError
from chatreel.store.database import reason_of, store_url
from chatreel.store.place import OLDER, REVISION, store_name
from chatreel.store.schema import calls, recordings, version


@dataclass(frozen=True, slots=True)
class Look:
    """What there is."""

    name: str
    file: Path | None
    """`None` for a database on a server."""
    exists: bool
    is_empty: bool = False
    """A file with nothing in it: somebody was about to make a store, or has made none because nobody needed it."""
    revision: str = ""
    """Empty if it is no store of ours."""
    newest: float | None = None
    """Seconds since the epoch: the last recording or call, whichever is later."""

    @property
    def is_current(self) -> bool:
        return self.revision == REVISION

    @property
    def is_older(self) -> bool:
        """Whether it will be upgraded by whoever opens it."""
        return self.revision in OLDER


def look(location: str) -> Look:
    """Look at the store of `--store`. Raises `StoreError` if it cannot be opened for reading."""
    url = store_url(location)
    name = store_name(location)
    file = Path(str(url.database)).absolute() if url.get_backend_name() == "sqlite" else None
    if file and not file.exists():
        return Look(name, file, exists=False)
    if file and file.stat().st_size == 0:
        return Look(name, file, exists=True, is_empty=True)
    if file:
        url = url.set(database=file.as_uri(), query={"mode": "ro", "uri": "true"} | _as_it_lies(file))
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.connect() as connection:
            revision, newest = _seen(connection)
    except (OSError, DBAPIError) as error:
        raise StoreError(f"the store {name} cannot be read: {reason_of(error)}") from error
    finally:
        engine.dispose()
    return Look(name, file, exists=True, revision=revision, newest=newest)


def _as_it_lies(file: Path) -> dict[str, str]:
    """More to the URI: without it, reading a database that nobody uses makes SQLite leave an empty log beside it."""
    in_use = any(file.with_name(f"{file.name}-{journal}").exists() for journal in ("wal", "journal"))
    return {} if in_use else {"immutable": "1"}


def _seen(connection: Connection) -> tuple[str, float | None]:
    if not inspect(connection).has_table(version.name):
        return "", None
    revision = str(connection.execute(select(version.c.version_num)).scalar() or "")
    times = [
        connection.execute(select(func.max(column))).scalar()
        for column in (recordings.c.recorded_at, calls.c.started_at)
    ]
    return revision, max((time for time in times if time is not None), default=None)
