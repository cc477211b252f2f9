"""The file that the export adds to, and how it becomes the published one.

One at a time works on it: a lock beside it, which ends with the process, says who. A batch and the place in the log it
ends at are one transaction, so whoever was killed is continued. Publishing replaces the file as a whole: readers keep
what they have opened, and nobody ever waits for anybody.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from chatreel.analytics.columns import LAYOUT, TABLE, insertion, schema
from chatreel.analytics.rows import as_batch
from chatreel.errors import ExportError

STORAGE: Final = "v1.5.0"
"""The oldest DuckDB that reads what is written."""

MEMORY: Final = "256MB"
"""That DuckDB takes, for a log of whatever length; the rest of the process takes as much again."""

_CONFIG: Final[dict[str, Any]] = {
    "memory_limit": MEMORY,
    "autoinstall_known_extensions": False,  # else a file of another kind would have DuckDB go to the network for help
    "autoload_known_extensions": False,
    "preserve_insertion_order": True,
    # Rarely, and not after every batch: less work, and a file of half the size. What was not checkpointed is in memory,
    # or on its way out of it.
    "checkpoint_threshold": "128MB",
}
_NEW_TAGS: Final = """
INSERT INTO tags SELECT new.tags, each.key, each.value ->> '$'
FROM (SELECT DISTINCT tags FROM batch WHERE tags IS NOT NULL AND tags NOT IN (SELECT tags FROM tags)) AS new,
 json_each(new.tags) AS each
"""


@dataclass(frozen=True, slots=True)
class State:
    """How far a file has got."""

    layout: int
    last_id: int
    """Of the log; 0 before the first row."""
    last_call: str | None
    """The call of that row."""
    repriced: int
    """As `chatreel.store.extract.Extent` has it."""


NEW: Final = State(LAYOUT, 0, None, 0)


class Busy(ExportError):  # noqa: N818 - it names a state
    """Another export to the same file is running."""


class NotOurs(ExportError):  # noqa: N818 - it names a property of the file
    """A file that must not be replaced."""


@contextmanager
def turn(out: Path) -> Iterator[Path]:
    """The path of the workfile, ours alone until the end of the block. Raises `Busy` if somebody else has it."""
    try:
        out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(beside(out, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}. Name another file with --to.") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(
                f"another export to {out} is running. Wait for its end, or name another file with --to."
            ) from error
        for partial in out.parent.glob(f"{out.name}.*.partial"):  # of somebody who was killed
            partial.unlink(missing_ok=True)
        yield beside(out, "work")
    finally:
        os.close(lock)


def beside(out: Path, what: str) -> Path:
    """The name of a file that belongs to a published one."""
    return out.with_name(f"{out.name}.{what}")


class Workfile:
    """An open workfile. Raises `ExportError` where DuckDB cannot go on."""

    def __init__(self, path: Path) -> None:
        """Made if it is not there."""
        self.path = path
        self._spill = path.with_name(f"{path.name}.spill")
        with _named(path):
            self._make_room()
            self.connection = duckdb.connect(config=_CONFIG | {"temp_directory": str(self._spill)})
            try:
                self.connection.execute(f"ATTACH '{_quoted(path)}' AS work (TYPE duckdb, STORAGE_VERSION '{STORAGE}')")
                self.connection.execute("USE work")
                self.state = self._made() if self._is_empty() else read_state(self.connection, path)
            except BaseException:
                self._let_go()
                raise
        path.chmod(0o600)

    def add(self, rows: Sequence[tuple[Any, ...]], *, repriced: int, store: str) -> None:
        """Add rows that follow those that are there; all of them or none."""
        batch = as_batch(rows)
        last = batch.num_rows - 1
        last_id, last_call = batch["id"][last].as_py(), batch["call_id"][last].as_py()
        run = self.connection.execute
        with _named(self.path), self._transaction():
            self.connection.register("batch", batch)
            run(insertion("batch"))
            run(_NEW_TAGS)
            run(
                "UPDATE _sync SET last_id = ?, last_call = ?, repriced = ?, store = ?,"
                " synced_at = now() AT TIME ZONE 'UTC'",
                [last_id, last_call, repriced, store],
            )
        with suppress(FileNotFoundError):
            self.path.with_name(f"{self.path.name}.wal").chmod(0o600)  # DuckDB asks nobody who may read it
        self.connection.unregister("batch")
        self.state = State(LAYOUT, last_id, last_call, repriced)

    def count(self) -> int:
        """Rows there are."""
        row = self.connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()  # noqa: S608
        return int(row[0]) if row else 0

    def close(self) -> None:
        """All of it in the one file, and let go of it."""
        with _named(self.path):
            try:
                self.connection.execute("CHECKPOINT work")
            finally:
                self._let_go()

    def abandon(self) -> None:
        """Let go of it after a failure: what is committed is read next time."""
        with suppress(duckdb.Error):
            self._let_go()

    def _make_room(self) -> None:
        """Where DuckDB puts what does not fit into its memory: ours alone, and not in the folder we happen to be in."""
        shutil.rmtree(self._spill, ignore_errors=True)  # of somebody who was killed
        self._spill.mkdir(mode=0o700)

    def _let_go(self) -> None:
        try:
            self.connection.close()
        finally:
            shutil.rmtree(self._spill, ignore_errors=True)

    def _is_empty(self) -> bool:
        return not self.connection.execute("SELECT 1 FROM duckdb_tables() WHERE database_name = 'work'").fetchall()

    def _made(self) -> State:
        with self._transaction():
            self.connection.execute(schema())
            self.connection.execute("INSERT INTO _sync VALUES (?, 0, NULL, 0, NULL, NULL)", [LAYOUT])
        return NEW

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.begin()
        try:
            yield
            self.connection.commit()
        except BaseException:
            with suppress(duckdb.Error):
                self.connection.rollback()
            raise


def read_state(connection: duckdb.DuckDBPyConnection, path: Path) -> State:
    """How far the database has got that is in use. Raises `NotOurs`."""
    try:
        found = connection.execute("SELECT layout FROM _sync").fetchone()
        if found and found[0] != LAYOUT:
            return State(found[0], 0, None, 0)  # what else there is may have other names
        row = connection.execute("SELECT layout, last_id, last_call, repriced FROM _sync").fetchone()
    except duckdb.CatalogException as error:
        raise NotOurs(
            f"{path} is a database, but no export of chatreel; it was left as it is. Name another file with --to."
        ) from error
    return State(*row) if row else NEW


def published_state(out: Path) -> State:
    """How far a published file has got. Raises `NotOurs` if it is none, `ExportError` if a newer one wrote it."""
    try:
        with duckdb.connect(config=_CONFIG) as connection:
            connection.execute(f"ATTACH '{_quoted(out)}' AS log (TYPE duckdb, READ_ONLY)")
            connection.execute("USE log")
            state = read_state(connection, out)
    except (duckdb.Error, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise NotOurs(
            f"{out} cannot be read as a DuckDB file, and was left as it is ({reason}). Name another one with --to."
        ) from error
    if state.layout > LAYOUT:
        raise ExportError(f"{out} was written by a newer chatreel. Upgrade chatreel, or name another file with --to.")
    return state


def publish(work: Path, out: Path) -> None:
    """Put a closed workfile where people read it, in one step. Raises `ExportError`; then all is as it was."""
    partial = beside(out, f"{os.getpid()}.partial")
    try:
        shutil.copyfile(work, partial)
        partial.chmod(0o600)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(out)
        folder = os.open(out.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ExportError(
            f"{out} cannot be written: {error.strerror}. The file that was there is as it was."
        ) from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise ExportError(f"{path} cannot be written: {reason}") from error


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
