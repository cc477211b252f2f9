"""The database of a store, opened when somebody first needs it: what a start looks at, `Quick` reads."""

from threading import Lock
from typing import TYPE_CHECKING

from chatreel.store.later import database
from chatreel.store.place import StoreFile

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Database:
    """Used by any thread."""

    def __init__(self, location: str, file: StoreFile | None) -> None:
        """`file`: of the store, if it is one; in use already if it was found to be of this version."""
        self._location = location
        self._file = file
        self._lock = Lock()
        self._engine: Engine | None = None

    def engine(self) -> "Engine":
        """As `chatreel.store.database.open_engine` has it. Raises `StoreError`."""
        with self._lock:
            if self._engine is None:
                self._engine = database.open_engine(database.store_url(self._location), self._file)
            return self._engine

    def close(self) -> None:
        """Let go of it. A new store that nobody has needed stays an empty file: a new store, to whoever comes next."""
        if self._engine is not None:
            self._engine.dispose()
