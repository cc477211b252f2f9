"""Partitions by day, for engines beyond one machine: `day=2026-11-24/calls-0000.parquet`.

A day's rows stand in the order of their ids in files of at most so many rows, so what is new only ever changes the
last file of a day, and adds others. Each file appears whole. A manifest says what is written; what it does not say is
written again, with the same result, so whoever was killed is continued.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from chatreel.analytics.columns import LAYOUT
from chatreel.errors import ExportError

ROWS: Final = 2_000_000
"""Of a file, at most."""

MEMORY: Final = "1GB"
"""That DuckDB may take for it: a group of rows is held, however long their texts are."""

MANIFEST: Final = "_chatreel.json"
"""Engines leave out what begins with an underscore."""

_DAYS: Final = """
SELECT strftime(started_at, '%Y-%m-%d'), count(*), max(id) FROM call_log GROUP BY 1 ORDER BY 1
"""
_PART: Final = """
COPY (
 SELECT * FROM calls WHERE started_at >= ? AND started_at < ?::TIMESTAMP + INTERVAL 1 DAY
 LIMIT {limit} OFFSET {offset}
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""
"""Rows were added in the order of their ids, and DuckDB keeps that (`preserve_insertion_order`): to sort a long day
would take half as long again as all of an export."""


@dataclass(frozen=True, slots=True)
class _Day:
    name: str
    rows: int
    last_id: int


def write_partitions(connection: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Bring the partitions in a folder up to date with the tables of a connection; files written.

    Raises `ExportError`; then each file is either as it was or as it should be.
    """
    rows = ROWS
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        known = _manifest(connection, folder, rows)
        written = 0
        for day in _days(connection):
            before = known["days"].get(day.name)
            if before != [day.rows, day.last_id]:
                first = before[0] // rows if before and before[0] < day.rows else 0
                written += _write(connection, folder / f"day={day.name}", day, first, rows)
                known["days"][day.name] = [day.rows, day.last_id]
        if written:
            _replace(folder / MANIFEST, json.dumps(known, indent=1).encode())
    except (OSError, duckdb.Error) as error:
        reason = str(error).partition("\n")[0]
        raise ExportError(f"the partitions in {folder} cannot be written: {reason}") from error
    return written


def _days(connection: duckdb.DuckDBPyConnection) -> list[_Day]:
    return [_Day(*row) for row in connection.execute(_DAYS).fetchall()]


def _manifest(connection: duckdb.DuckDBPyConnection, folder: Path, rows: int) -> dict[str, Any]:
    """What is written; nothing, if it was written in another way."""
    state = connection.execute("SELECT repriced, store FROM _sync").fetchone() or (0, None)
    new = {"layout": LAYOUT, "rows": rows, "repriced": state[0], "days": {}}
    try:
        known = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        if any(folder.iterdir()):
            _refuse_what_is_not_ours(folder)
        return new
    except ValueError:
        return new
    same = isinstance(known, dict) and all(known.get(name) == new[name] for name in ("layout", "rows", "repriced"))
    return known if same else new


def _refuse_what_is_not_ours(folder: Path) -> None:
    """Partitions without a manifest are those of an export that was killed; anything else is somebody's."""
    for path in folder.iterdir():
        if not path.name.startswith("day="):
            raise ExportError(f"{folder} holds other files ({path.name}): name an empty folder")


def _write(connection: duckdb.DuckDBPyConnection, folder: Path, day: _Day, first: int, rows: int) -> int:
    """The files of a day from number `first` on."""
    folder.mkdir(exist_ok=True)
    numbers = range(first, -(-day.rows // rows))
    for number in numbers:
        path = folder / f"calls-{number:04}.parquet"
        partial = folder / f"_{path.name}.partial"
        quoted = str(partial).replace("'", "''")
        statement = _PART.format(limit=rows, offset=number * rows, path=quoted)
        connection.execute(statement, [day.name, day.name])
        _sync(partial)
        partial.replace(path)
    for path in (*_beyond(folder, numbers.stop), *folder.glob("_*.partial")):
        path.unlink()
    return len(numbers)


def _beyond(folder: Path, count: int) -> Iterator[Path]:
    for path in sorted(folder.glob("calls-*.parquet")):
        if int(path.stem.removeprefix("calls-")) >= count:
            yield path


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    _sync(partial)
    partial.replace(path)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
