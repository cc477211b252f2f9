"""Where a store is: what a start has to know of it, without SQLAlchemy, which takes a fourth of one to import."""

import os
from pathlib import Path

from chatreel.errors import StoreError

REVISION = "0004"
"""Of the schema in `chatreel.store.schema`. Kept in the table where Alembic looks for it."""

OLDER = ("0001", "0002", "0003")
"""Revisions that a store is upgraded from."""


class StoreFile:
    """The file of a store, told from others that come to lie at its path once it is in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = os.fspath(path)
        self._identity: tuple[int, int] | None = None

    @property
    def is_in_use(self) -> bool:
        return self._identity is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it: a store that is still to be made. Raises `OSError`."""
        return self.path.stat().st_size == 0

    def make(self) -> None:
        """Have a file that can be written, empty if there was none. Raises `OSError`.

        Prompts are private: it is its owner's alone from its first byte on, and so is a folder made for it.
        """
        if not self.path.parent.exists():
            self.path.parent.mkdir(mode=0o700, parents=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))

    def use(self) -> None:
        """From now on it has to be the one that is there now."""
        self._identity = self._found()

    def let_go(self) -> None:
        """It is not used after all."""
        self._identity = None

    def check(self) -> None:
        """Raises `StoreError` if it was deleted or replaced: what is written would be lost."""
        found = self._found()
        if self._identity is not None and found != self._identity:
            happened = "was deleted" if found is None else "was replaced by another file"
            raise StoreError(f"{self.path} {happened} while it was in use: put it back, or restart chatreel")

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._name)  # noqa: PTH116 - a path takes three times as long, and this is once a transaction
        except OSError:
            return None
        return found.st_dev, found.st_ino


def path_of(location: str) -> Path | None:
    """The file of a store; `None` if it is on a server. `location`: as `--store` is given. Raises `StoreError`."""
    if "://" not in location and location not in ("", ":memory:"):
        try:
            return Path(location).expanduser()
        except RuntimeError:  # the ~ of somebody who has no home: said below
            pass
    from chatreel.store.database import store_url

    url = store_url(location)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def store_name(location: str) -> str:
    """A store as messages may name it: without its password, and without options, which may hold another."""
    path = path_of(location)
    if path is not None:
        return str(path)
    from chatreel.store.database import name_of, store_url

    return name_of(store_url(location))
