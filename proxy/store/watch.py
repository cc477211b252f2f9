"""Noticing that others write to the store, without reading what they write."""

from sqlalchemy import Connection, Engine

from chatreel.store.database import check_file

_VERSION = {
    "sqlite": "PRAGMA data_version",  # changes when another connection commits
    "postgresql": "SELECT CAST(pg_current_snapshot() AS text)",  # changes when any transaction that writes ends
}


class Watch:
    """Used by one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def version(self) -> str:
        """As long as it is the same, nobody has committed anything in between.

        Raises `StoreError` if the file of the store is not where it was any more.
        """
        if self._connection is None:  # a version of SQLite can only be compared with others of the same connection
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            check_file(self._connection)
            return str(self._connection.exec_driver_sql(_VERSION[self._engine.dialect.name]).scalar_one())
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection. The next version is another one."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
