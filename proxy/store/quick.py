"""Reading what a hit needs in the thread that asks, without waiting: from a file of SQLite, by plain statements.

The event loop uses it. A reader of a write-ahead log waits for nobody, and what is asked for here lies in the page
cache or is small; whatever else there is (a lock, a large answer, damage, another database) is an answer that is not
given, and the ordinary way gives it. SQLAlchemy would take ten times as long.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

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

_TAKES = "SELECT id, form FROM recordings WHERE cassette = ? AND key = ? ORDER BY id"
_ANSWER = """
SELECT id, key, recorded_at, status, headers, form, body, pieces, completion, asked_usage FROM recordings WHERE id = ?
"""
_CONTENTS = """
WITH RECURSIVE chain(digest, base) AS (
    SELECT digest, base FROM payloads WHERE digest IN (?, ?)
    UNION SELECT below.digest, below.base FROM payloads AS below JOIN chain ON below.digest = chain.base
)
SELECT digest, codec, data, base, size FROM payloads WHERE digest IN (SELECT digest FROM chain)
"""


class _Payload(NamedTuple):
    digest: bytes
    codec: str
    data: bytes
    base: bytes | None
    size: int


class Quick:
    """One connection, read only. Used by one thread."""

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        """`check` raises `StoreError` if the file is not where it was any more."""
        self._path = path
        self._check = check
        self._connection: sqlite3.Connection | None = None

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
            return tuple(Take(id, WireForm(form)) for id, form in self._open().execute(_TAKES, (cassette, key)))  # noqa: A001
        except sqlite3.Error:
            self.close()
            return ()

    def replayable(self, recording_id: int) -> Replayable | None:
        """What a hit needs of a recording; `None` if it cannot be had, is large or damaged."""
        try:
            row = self._open().execute(_ANSWER, (recording_id,)).fetchone()
            return self._assembled(*row) if row else None
        except (sqlite3.Error, zstandard.ZstdError, StoreError, TypeError, ValueError):
            self.close()
            return None

    def close(self) -> None:
        """Let go of the connection; the next question opens another one."""
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
        return self._connection

    def _assembled(
        self,
        id: int,  # noqa: A002 - its column
        key: str,
        recorded_at: float,
        status: int,
        headers: str,
        form: str,
        body: bytes,
        pieces: bytes,
        completion: bytes,
        asked_usage: int,
    ) -> Replayable | None:
        found = map(_Payload._make, self._open().execute(_CONTENTS, (body, completion)))
        rows = {row.digest: row for row in found}
        if any(row.size > LARGEST for row in rows.values()):
            return None
        contents = Chains(rows).contents((body, completion))
        return Replayable(
            id=id,
            key=key,
            recorded_at=recorded_at,
            status=status,
            headers=tuple((name, value) for name, value in orjson.loads(headers)),
            form=WireForm(form),
            body=contents[body],
            pieces=unpack_pieces(pieces),
            completion=contents[completion],
            asked_usage=bool(asked_usage),
        )
