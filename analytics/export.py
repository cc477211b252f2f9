"""Store to published file: what is new in the log, all of it or nothing, and nothing twice."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from chatreel.analytics import workfile
from chatreel.analytics.columns import LAYOUT, READ
from chatreel.analytics.parquet import write_partitions
from chatreel.analytics.workfile import State, Workfile
from chatreel.errors import ExportError
from chatreel.recovery import recover
from chatreel.store.database import store_url
from chatreel.store.extract import Extent, LogReader
from chatreel.store.place import store_name

BATCH: Final = 20_000
"""Rows of a transaction: some 60 MB of memory, half a second."""

logger = logging.getLogger(__name__)

_SOURCES: Final = tuple(column.source for column in READ)

type Progress = Callable[[int, int], None]
"""Told how many rows are done, of how many."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did."""

    added: int
    rows: int
    """In the file now."""
    published: bool
    """Whether the file was replaced; it is not if nothing is new."""
    last_id: int
    """Of the log, as far as it was read."""
    repriced: int
    """As `Extent` has it."""
    files: int = 0
    """Of Parquet that were written."""


def export(store: str, out: Path, *, parquet: Path | None = None, progress: Progress | None = None) -> Exported:
    """Bring `out` up to date with the log of a store, and the partitions in `parquet`, if given.

    Raises `StoreError` if the store cannot be read, `ExportError` if a file cannot be written or another export to it
    is running. Then `out` is what it was, and the next export goes on where this one ended.
    """
    if out.exists():
        workfile.published_state(out)  # whatever else has that name must not be replaced
    reader = LogReader(store)
    recover(store)
    try:
        with workfile.turn(out) as path:
            return _export(reader, _Target(store, out, path, parquet), progress or (lambda _done, _total: None))
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class _Target:
    store: str
    out: Path
    work: Path
    parquet: Path | None


def _export(reader: LogReader, target: _Target, progress: Progress) -> Exported:
    work, extent = _opened(reader, target)
    try:
        added = 0
        name = store_name(target.store)
        for rows in reader.batches(_SOURCES, after=work.state.last_id, last=extent.last, size=BATCH):
            work.add(rows, repriced=extent.repriced, store=name)
            added += len(rows)
            progress(added, extent.rows)
        files = write_partitions(work.connection, target.parquet) if target.parquet else 0
        total = work.count()
    except BaseException:
        work.abandon()
        raise
    work.close()
    stale = added > 0 or not target.out.exists() or workfile.published_state(target.out) != work.state
    if stale:
        workfile.publish(target.work, target.out)
    return Exported(added, total, stale, work.state.last_id, extent.repriced, files)


def _opened(reader: LogReader, target: _Target) -> tuple[Workfile, Extent]:
    """The workfile to go on with: as it is, or a new one where rows that were read before may differ."""
    work = _resumed(target)
    try:
        extent = reader.extent(work.state.last_id)
        _refuse_other_store(reader, work.state, extent, target)
        if work.state.layout != LAYOUT or (work.state.last_id and work.state.repriced != extent.repriced):
            work.abandon()
            work = _anew(target.work)
            extent = reader.extent(0)
    except BaseException:
        work.abandon()
        raise
    return work, extent


def _resumed(target: _Target) -> Workfile:
    """The workfile. If it is gone or damaged, what was published is as good; without that it is made anew."""
    if target.work.exists():
        try:
            return Workfile(target.work)
        except ExportError as error:
            logger.warning("what was begun is not usable and is made anew: %s", error)
    _remove(target.work)
    if target.out.exists():
        workfile.publish(target.out, target.work)
    return Workfile(target.work)


def _anew(path: Path) -> Workfile:
    _remove(path)
    return Workfile(path)


def _remove(path: Path) -> None:
    for file in (path, path.with_name(f"{path.name}.wal")):
        file.unlink(missing_ok=True)


def _refuse_other_store(reader: LogReader, state: State, extent: Extent, target: _Target) -> None:
    """Ids name rows of one store only. Rows may have been removed since, but ids are never given a second time."""
    if not state.last_id:
        return
    found = reader.call_id(state.last_id)
    if found != state.last_call and (found is not None or extent.last < state.last_id):
        raise ExportError(
            f"{target.out} holds the log of another store. Name another file with --to, or delete it and {target.work}."
        )


def default_file(store: str) -> Path:
    """Where a store's log is exported to unless somebody says otherwise: beside its file, or in the data folder."""
    url = store_url(store)
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        return path.with_name(f"{path.stem}.duckdb")
    return user_data_path("chatreel") / "store.duckdb"
