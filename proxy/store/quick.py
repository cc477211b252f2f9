"""Reading what a hit needs in the thread that asks, without waiting: from a file of SQLite, by plain statements.

The event loop uses it. A reader of a write-ahead log waits for nobody, and what is asked for here lies in the page
cache or is small; whatever else there is (a lock, a large answer, damage, another database) is an answer that is not
given, and the ordinary way gives it. SQLAlchemy would take ten times as long.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import zstandard

from chatreel.errors import StoreError
from chatreel.model import Replayable, Take, WireForm
from chatreel.store.chains import Chains
from chatreel.store.payloads import unpack_pieces

LARGEST = 1_000_000
"""Bytes of an answer, or of its completion: longer ones are left to the readers' threads."""

_VERSION = """
SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'recordings'),
       (SELECT max(value) FROM meta WHERE name = 'removed')
"""
"""Ids only ever grow, and whoever removes recordings or makes their keys anew leaves a new token."""

_COLUMNS = "id, key, recorded_at, status, headers, form, body, pieces, completion, asked_usage"
_TAKES = f"SELECT {_COLUMNS} FROM recordings WHERE cassette = ? AND key = ? ORDER BY id"  # noqa: S608 - names of ours
_ANSWER = f"SELECT {_COLUMNS} FROM recordings WHERE id = ?"  # noqa: S608
_PAYLOADS = "SELECT id, digest, codec, data, base, size FROM payloads WHERE id IN (?, ?)"

_BASES = 256
"""Payloads that others are differences to, which are remembered as they lie in the store."""

_SHORT = 65_536
"""Bytes of those that are, at most."""


_FORMS = {form.value: form for form in WireForm}


class _Payload(NamedTuple):
    id: int
    digest: bytes
    codec: str
    data: bytes
    base: int | None
    size: int


class Quick:
    """One connection, read only. Used by one thread."""

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        """`check` raises `StoreError` if the file is not where it was any more."""
        self._path = path
        self._check = check
        self._connection: sqlite3.Connection | None = None
        self._last: dict[int, tuple[Any, ...]] = {}
        """Rows of the takes that were asked for last: one of them is wanted next."""
        self._bases: dict[int, _Payload] = {}

    def version(self) -> tuple[object, ...] | None:
        """As long as it is the same, no recording has come or gone in between; `None`: not known."""
        try:
            self._check()
            return tuple(self._open().execute(_VERSION).fetchone())
        except (sqlite3.Error, StoreError):
            self.close()
            return None

    def takes(self, cassette: str, key: str) -> tuple[Take, ...]:
        """All takes of a key, in the order of recording; empty also if they cannot be had."""
        try:
            self._last = {row[0]: row for row in self._open().execute(_TAKES, (cassette, key))}
            return tuple([Take(id, _FORMS[row[5]], row[3] >= 400) for id, row in self._last.items()])  # noqa: A001 - its column
        except (sqlite3.Error, KeyError):
            self.close()
            return ()

    def replayable(self, recording_id: int) -> Replayable | None:
        """What a hit needs of a recording; `None` if it cannot be had, is large or damaged."""
        try:
            row = self._last.get(recording_id) or self._open().execute(_ANSWER, (recording_id,)).fetchone()
            return self._assembled(*row) if row else None
        except (sqlite3.Error, zstandard.ZstdError, StoreError, LookupError, TypeError, ValueError):
            self.close()
            return None

    def close(self) -> None:
        """Let go of the connection; the next question opens another one."""
        self._last = {}
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Never a new file in the place of one that has gone. One thread reads, another may close.
            where = f"{self._path.absolute().as_uri()}?mode=rw"
            self._connection = sqlite3.connect(
                where, timeout=0, isolation_level=None, check_same_thread=False, uri=True
            )
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("PRAGMA cache_size = -8192")  # KiB: what leads to the rows stays at hand
        return self._connection

    def _assembled(
        self,
        id: int,  # noqa: A002 - its column
        key: str,
        recorded_at: float,
        status: int,
        headers: str,
        form: str,
        body: int,
        pieces: bytes,
        completion: int,
        asked_usage: int,
    ) -> Replayable | None:
        rows = self._payloads(body, completion)
        if any(row.size > LARGEST for row in rows.values()):
            return None
        contents = Chains(rows).contents((body, completion))
        return Replayable(
            id=id,
            key=key,
            recorded_at=recorded_at,
            status=status,
            headers=tuple((name, value) for name, value in orjson.loads(headers)),
            form=_FORMS[form],
            body=contents[body],
            pieces=unpack_pieces(pieces),
            completion=contents[completion],
            asked_usage=bool(asked_usage),
        )

    def _payloads(self, *wanted: int) -> dict[int, _Payload]:
        """The rows of two payloads, and of all that they are differences to."""
        rows = self._read(*wanted)
        missing = {row.base for row in rows.values() if row.base} - rows.keys()
        while missing:
            base = missing.pop()
            row = self._bases.get(base) or self._read(base, base)[base]
            rows[base] = row
            if len(row.data) <= _SHORT:
                if len(self._bases) >= _BASES:
                    self._bases.clear()
                self._bases[base] = row
            if row.base and row.base not in rows:
                missing.add(row.base)
        return rows

    def _read(self, *ids: int) -> dict[int, _Payload]:
        return {row[0]: _Payload(*row) for row in self._open().execute(_PAYLOADS, ids)}
