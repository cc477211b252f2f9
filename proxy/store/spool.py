"""Rows of the log on their way into the store, in a file beside it as well: a proxy that is killed loses none of them.

A row is one write to an append-only file, before the answer that it tells of is complete at its client; the kernel
keeps it when the process dies. (A power cut may cost it, as it may cost the last commits of the store.) Once its row is
in the store, a line is of no use any more: a full file gives way to a new one and goes when all of its rows are
written, and `tidy` empties the last one.

A file is locked as long as its process lives, so whoever can lock it has found what somebody left behind: see
`chatreel.store.leavings`.
"""

import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

import orjson
from platformdirs import user_data_path

from chatreel.alarm import Alarm
from chatreel.rates import PriceOverride
from chatreel.store.call import Call
from chatreel.store.foretelling import LeftRecording, Stored, recording_line, stored_line
from chatreel.store.later import database
from chatreel.store.lines import NAMES, as_line
from chatreel.store.place import path_of

VERSION: Final = 2
"""Of the lines. The first one of a file says it."""

READABLE: Final = frozenset({1, VERSION})
"""Those that can be read. In the first version there were but rows."""

_FULL: Final = 4_000_000
"""Bytes of a file, some eight thousand rows."""

_MOST: Final = 16
"""Files of one process: beyond it the store has not taken anything for long, and rows are in memory alone."""

_LONGEST: Final = 1_000_000
"""Bytes of a refused request that are kept with its row."""

_FOLDER: Final = "spools"
"""Of the platform's data folder: those of stores that are on a server."""

type Written = Callable[[int], None]
"""To be called once so many of the rows are in the store, or have been given up; from any thread."""

logger = logging.getLogger(__name__)


def spool_files(location: str) -> tuple[Path, str]:
    """The folder in which the spools of a store lie, and how their names begin. Raises `StoreError`."""
    path = path_of(location)
    if path is not None:
        path = path.resolve()
        return path.parent, f"{path.name}.spool-"
    url = database.store_url(location)
    store = database.server_id(url, url.username, url.query.get("options", ""))  # which may name the schema
    return user_data_path("chatreel") / _FOLDER, f"{store}-"


@dataclass(slots=True, eq=False)
class _File:
    """One file, ours until it is closed."""

    path: Path
    descriptors: list[int]
    """The one it has; none once it is closed."""
    head: int
    """Bytes of its first line."""
    size: int
    waiting: int = 0
    """Rows that are not in the store yet."""
    lock: Lock = field(default_factory=Lock)
    full: bool = False

    def close(self, *, remove: bool) -> None:
        """Let go of it; `remove`: nobody needs it any more. Only the first time counts, whichever thread it is in."""
        try:
            descriptor = self.descriptors.pop()
        except IndexError:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(descriptor)


class Spool:
    """Adds and tidies in one thread, that of the event loop, which waits for nobody; rows are written in others."""

    def __init__(self, location: str, rates: Sequence[PriceOverride] = ()) -> None:
        """`location`: of the store. `rates`: by which rows are priced, whoever does it.

        No file is made before there is a row.
        """
        self._folder, self._prefix = spool_files(location)
        head = {"version": VERSION, "members": NAMES, "rates": [_entry(rate) for rate in rates]}
        self._head = orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE)
        self._file: _File | None = None
        self._full: list[_File] = []
        self._alarm = Alarm(
            logger,
            logging.WARNING,
            "rows of the log are not safe from a kill until they are in the store: %s",
            "rows of the log are safe from a kill again; %d were not",
        )

    def add(self, call: Call, answered_at: float | None = None) -> Written:
        """Keep a row. `answered_at`: as `Left` has it. A disk that is full costs a warning.

        What the row lacks that follows from its recording is found out by whoever writes it.
        """
        if call.request is not None and len(call.request) > _LONGEST:
            call = replace(call, request=None)
        try:
            line = as_line(call, answered_at)
        except TypeError as error:  # what is no text, no store takes either
            self._alarm.ring(error)
            return _nothing
        return self.add_lines([line])

    def add_lines(self, lines: Sequence[bytes]) -> Written:
        """Keep rows, with one write for all of them."""
        try:
            file = self._kept(b"".join(lines), len(lines))
        except OSError as error:
            self._alarm.ring(error.strerror)
            return _nothing
        self._alarm.rest()
        return partial(_written, file)

    def foretell(self, left: LeftRecording, call: Call) -> tuple[Callable[[int], None], Written] | None:
        """Keep a recording and the row of the call that made it, with one write; `None` if that cannot be.

        What to call with the number of the recording once it has one, from the thread that adds; and what for the row.
        """
        line = recording_line(left)
        if line is None:
            return None
        try:
            file = self._kept(line + as_line(call, None), 2)
        except (OSError, TypeError):
            return None
        return partial(_stored, file, left.call_id), partial(_written, file)

    def tidy(self) -> None:
        """Forget rows that are in the store: what is removed from there must not come back."""
        file = self._file
        if file and not file.waiting and file.size > file.head:
            os.ftruncate(file.descriptors[0], file.head)
            file.size = file.head

    def close(self) -> None:
        """Keep what is not in the store, and let go of it."""
        for file in (*self._full, *filter(None, [self._file])):
            file.close(remove=not file.waiting)
        self._file = None

    def _kept(self, lines: bytes, waiting: int) -> _File:
        """Where lines have been added, for so many of which somebody has to call. Raises `OSError`."""
        file = self._with_room()
        _append(file, lines)
        with file.lock:
            file.waiting += waiting
        return file

    def _with_room(self) -> _File:
        """The file to add to. Raises `OSError`."""
        if self._file and self._file.size >= _FULL:
            self._full = [file for file in (*self._full, self._file) if file.waiting]
            self._file.full = True
            if not self._file.waiting:  # else the thread that writes the last of its rows removes it
                self._file.close(remove=True)
            self._file = None
        if self._file is None:
            if len(self._full) >= _MOST:
                self._full = [file for file in self._full if file.waiting]
            if len(self._full) >= _MOST:
                raise OSError(0, f"{_MOST * _FULL / 1e6:.0f} MB of them wait for it already")
            self._file = self._new()
        return self._file

    def _new(self) -> _File:
        if self._folder.name == _FOLDER:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{self._prefix}{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        file = _File(path, [descriptor], len(self._head), 0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # nobody keeps the lock of an empty file
            _append(file, self._head)
        except OSError:
            file.close(remove=True)
            raise
        return file


def _append(file: _File, line: bytes) -> None:
    """All of it or nothing. Raises `OSError`."""
    [descriptor] = file.descriptors
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, file.size)
        raise OSError(0, "No space left on device")
    file.size += len(line)


def _written(file: _File, rows: int) -> None:
    with file.lock:
        file.waiting -= rows
    if file.full and not file.waiting:
        file.close(remove=True)


def _stored(file: _File, call_id: str, number: int) -> None:
    """Say it where the recording is told of."""
    if file.descriptors:
        with suppress(OSError):  # then whoever finds the recording has to look whether it is in the store
            _append(file, stored_line(Stored(call_id, number)))
    _written(file, 1)


def _nothing(_rows: int) -> None:
    """They were not kept."""


def _entry(rate: PriceOverride) -> dict[str, str]:
    """As `chatreel.rates.parse_override` reads it."""
    return {name: str(value) for name, value in asdict(rate).items() if value is not None}
