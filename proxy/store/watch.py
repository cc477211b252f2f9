"""Noticing that others write to the store, without reading what they write."""

from typing import TYPE_CHECKING

from chatreel.store.later import database
from chatreel.store.opening import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

_VERSION = {
    "sqlite": "PRAGMA data_version",  # changes when another connection commits
    "postgresql": "SELECT CAST(pg_current_snapshot() AS text)",  # changes when any transaction that writes ends
}


class Watch:
    """Used by one thread at a time."""

    def __init__(self, opened: Database) -> None:
        self._database = opened
        self._connection: Connection | None = None

    def version(self) -> str:
        """As long as it is the same, nobody has committed anything in between.

        Raises `StoreError` if the file of the store is not where it was any more.
        """
        engine = self._database.engine()
        if self._connection is None:  # a version of SQLite can only be compared with others of the same connection
            self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            database.check_file(self._connection)
            return str(self._connection.exec_driver_sql(_VERSION[engine.dialect.name]).scalar_one())
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection. The next version is another one."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
