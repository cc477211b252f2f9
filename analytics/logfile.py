"""A published file, opened to be asked. It is never opened for writing, and can be replaced at any moment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import duckdb

from chatreel.analytics.columns import LAYOUT
from chatreel.errors import ExportError

_CONFIG: dict[str, Any] = {
    "memory_limit": "2GB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class LogFile:
    """The file as it was when it was opened. May be used by several threads: each question has a cursor of its own."""

    def __init__(self, path: Path) -> None:
        """Raises `ExportError` that says what to do."""
        self.path = path
        self.generation = generation(path)
        if self.generation is None:
            raise ExportError(f"there is no {path} yet. Make it: chatreel export --to {path}")
        # In memory, with the file attached: `duckdb.connect(path)` would give whoever still has the old file open
        # in this process the old file again.
        self._connection = duckdb.connect(config=_CONFIG)
        try:
            self._attach()
        except duckdb.Error as error:
            self._connection.close()
            reason = str(error).partition("\n")[0]
            raise ExportError(
                f"{path} cannot be read ({reason}). Delete it and make it anew: chatreel export --to {path}"
            ) from error
        except BaseException:
            self._connection.close()
            raise

    def rows(self, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """What a query finds in `calls` and `tags`. Raises `ExportError` if the file cannot be read any more."""
        cursor = self._connection.cursor()
        try:
            return cursor.execute(query, dict(values or {})).fetchall()
        except duckdb.IOException as error:
            raise ExportError(f"{self.path} cannot be read: {str(error).partition('\n')[0]}") from error
        finally:
            cursor.close()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attach(self) -> None:
        quoted = str(self.path).replace("'", "''")
        run = self._connection.execute
        run(f"ATTACH '{quoted}' AS log (TYPE duckdb, READ_ONLY)")
        tables = {
            row[0] for row in run("SELECT table_name FROM duckdb_tables() WHERE database_name = 'log'").fetchall()
        }
        if "_sync" not in tables:
            raise ExportError(f"{self.path} is no export of chatreel. Name the file that `chatreel export` has made.")
        found = run("SELECT layout FROM log._sync").fetchone()
        if found is None or found[0] != LAYOUT:
            raise ExportError(
                f"{self.path} was made by another version of chatreel. Run chatreel export --to {self.path}"
                " with this one; if it refuses, upgrade chatreel."
            )
        for name in ("calls", "tags"):
            run(f"CREATE VIEW {name} AS SELECT * FROM log.{name}")  # noqa: S608 - names of our own


def generation(path: Path) -> tuple[int, int] | None:
    """What changes when the file is replaced: node and time; `None` if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the two numbers of it
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
