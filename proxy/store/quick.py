"""Reading what a hit needs in the thread that asks, without waiting: from a file of SQLite, by plain statements.

The event loop uses it. A reader of a write-ahead log waits for nobody, and what is asked for here lies in the page
cache or is small; whatever else there is (a lock, a large answer, damage, another database) is an answer that is not
given, and the ordinary way gives it. SQLAlchemy would take ten times as long.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import zstandard

from chatreel.errors import StoreError
from chatreel.generations import Generations
from chatreel.model import Replayable, Take, WireForm
from chatreel.store import arrivals
from chatreel.store.ahead import Ahead
from chatreel.store.coding import OF_TWO, decode
from chatreel.store.place import REVISION, StoreFile
from chatreel.store.usual import headers_of

LARGEST = 1_000_000
"""Bytes of an answer and its completion: longer ones are left to the readers' threads."""

SHORT = 32_000
"""The same, if they are read in advance."""

_VERSION = """
SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'recordings'),
       (SELECT max(value) FROM meta WHERE name = 'removed')
"""
"""Ids only ever grow, and whoever removes recordings or makes their keys anew leaves a new token."""

_KEYED_OTHERWISE = "SELECT 1 FROM meta WHERE name = 'keyed_by' AND value <> ? LIMIT 1"
_TAKE = "r.id, r.form, r.status"
_ANSWER = f"""
SELECT {_TAKE}, r.key, r.recorded_at, r.headers, r.pieces, r.asked_usage, r.body = r.completion,
       a.size + coalesce(c.size, 0), a.id, a.digest, a.codec, a.data, a.base, c.id, c.digest, c.codec, c.data, c.base
  FROM recordings r
  LEFT JOIN payloads a ON a.id = r.body
  LEFT JOIN payloads c ON c.id = r.completion AND r.completion <> r.body
"""  # noqa: S608 - names of ours
_BY_ID = f"{_ANSWER} WHERE r.id = ?"
_OF_KEY = "WHERE r.cassette = ? AND r.key = ? ORDER BY r.id"
_FIRST_TWO = f"{_ANSWER} {_OF_KEY} LIMIT 2"
_TAKES = f"SELECT {_TAKE} FROM recordings r {_OF_KEY}"  # noqa: S608
_AHEAD = f"""
{_ANSWER} WHERE r.id BETWEEN ? AND ? AND r.id <> ? AND +r.cassette = ? -- with the plus, no index is thought of
   AND NOT EXISTS (SELECT 1 FROM recordings o WHERE o.cassette = r.cassette AND o.key = r.key AND o.id <> r.id)
   AND a.size + coalesce(c.size, 0) <= {SHORT}
"""  # noqa: S608
_PAYLOAD = "SELECT id, digest, codec, data, base, size FROM payloads WHERE id = ?"

_BASES = 4_000_000
"""Bytes of contents that are remembered because others are differences to them."""

_DEEPEST = 8
"""Steps from a difference to what stands alone, at most. Answers take one, and their completions two."""

_UNREADABLE = (sqlite3.Error, zstandard.ZstdError, StoreError, LookupError, TypeError, ValueError)
"""What a recording raises that is damaged, or cannot be had."""

_FORMS = {form.value: form for form in WireForm}


type _Content = tuple[bytes, bytes]
"""A content, and what others that are differences to it may need as well: what it is a difference to, if to any."""

_NONE: _Content = (b"", b"")
"""The base of what stands alone."""


class Quick:
    """One connection, read only. Used by one thread."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._last: Sequence[Any] = ()
        """The row of the key that was asked for last, if it has one take: that is wanted next."""
        self._ahead = Ahead()
        self._bases: Generations[int, _Content] = Generations(_BASES, _memory_size)

    def is_ready(self) -> bool:
        """Whether the file can be written, and is a store of this version whose readers wait for nobody, or a new one.

        If so, it is in use from now on. What else it may be, or why it cannot be used, is not said. A new one is empty
        until somebody has opened it by other means; until then nothing is found in it.
        """
        try:
            self._file.make()
            self._file.use()
            ready = self._file.is_empty or self._state() == ("wal", REVISION)
        except (OSError, sqlite3.Error):
            ready = False
        if not ready:
            self.close()
            self._file.let_go()
        return ready

    def keyed_otherwise(self, keyed_by: str) -> bool | None:
        """Whether some recordings may have keys that were made in another way; `None`: not known."""
        try:
            return not self._file.is_empty and bool(self._open().execute(_KEYED_OTHERWISE, (keyed_by,)).fetchall())
        except (OSError, sqlite3.Error):
            self.close()
            return None

    def version(self) -> tuple[object, ...] | None:
        """As long as it is the same, no recording has come or gone in between; `None`: not known."""
        try:
            self._file.check()
            return tuple(self._open().execute(_VERSION).fetchone())
        except (sqlite3.Error, StoreError):
            self.close()
            return None

    def takes(self, cassette: str, key: str) -> tuple[Take, ...]:
        """All takes of a key, in the order of recording, as they are, or were when what was near was asked for.

        Empty also if they cannot be had. See `forget`.
        """
        if take := self._ahead.take(cassette, key):
            return (take,)
        try:
            rows = self._open().execute(_FIRST_TWO, (cassette, key)).fetchall()
            if len(rows) == 1:  # as most have
                self._last = rows[0]
                if numbers := self._ahead.next(rows[0][0]):
                    self._read_ahead(cassette, *numbers, rows[0][0])
                return (_take(rows[0]),)
            if rows:
                rows = self._open().execute(_TAKES, (cassette, key)).fetchall()
            return tuple([_take(row) for row in rows])
        except (sqlite3.Error, KeyError):
            self.close()
            return ()

    def replayable(self, recording_id: int) -> Replayable | None:
        """What a hit needs of a recording; `None` if it cannot be had, is large or damaged."""
        asked = self._ahead.asked
        if asked and asked.id == recording_id:
            return asked
        row, self._last = self._last, ()
        try:
            if not row or row[0] != recording_id:
                row = self._open().execute(_BY_ID, (recording_id,)).fetchone()
            return self._assembled(row) if row else None
        except _UNREADABLE:
            self.close()
            return None

    def forget(self) -> None:
        """What was read in advance; to be called when the takes of a key may be others than they were."""
        self._ahead.clear()

    def close(self) -> None:
        """Let go of the connection; the next question opens another one."""
        self._last = ()
        self.forget()
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _read_ahead(self, cassette: str, first: int, last: int, known: int) -> None:
        """What has these numbers, but for one. Whatever is the matter with one is said when it is asked for."""
        several: list[Replayable] = []
        for row in self._open().execute(_AHEAD, (first, last, known, cassette)).fetchall():
            with suppress(*_UNREADABLE):
                several += filter(None, [self._assembled(row)])
        self._ahead.keep(cassette, several)

    def _state(self) -> tuple[object, ...]:
        mode = self._open().execute("PRAGMA journal_mode").fetchone()
        return (*mode, *(self._open().execute("SELECT version_num FROM alembic_version").fetchone() or ()))

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Never a new file in the place of one that has gone. One thread reads, another may close.
            where = f"{self._file.path.absolute().as_uri()}?mode=rw"
            self._connection = sqlite3.connect(
                where, timeout=0, isolation_level=None, check_same_thread=False, uri=True
            )
            self._connection.execute("PRAGMA query_only = ON")
            # KiB: what leads to the rows stays at hand. To find room for more costs more than to read it again.
            self._connection.execute("PRAGMA cache_size = -4096")
        return self._connection

    def _assembled(self, row: Sequence[Any]) -> Replayable | None:
        number, form, status, key, recorded_at, headers, pieces, asked_usage, same, size = row[:10]
        if size > LARGEST:
            return None
        answer, completion = row[10:15], row[15:]
        content = completed = self._content(*answer)
        if not same:
            if completion[-1] == answer[0]:
                self._bases.put(answer[0], content)
            completed = self._content(*completion)
        return Replayable(
            number,
            key,
            recorded_at,
            status,
            headers_of(headers),
            _FORMS[form],
            content[0],
            arrivals.unpack(pieces),
            completed[0],
            bool(asked_usage),
        )

    def _content(
        self, payload: int, digest: bytes, codec: str, data: bytes, base: int | None, steps: int = 0
    ) -> _Content:
        """A payload, read. Raises `StoreError` if it cannot be had so."""
        content, below = _NONE if base is None else self._base(base, steps + 1)
        return decode(payload, digest, codec, data, below + content if codec in OF_TWO else content), content

    def _base(self, payload: int, steps: int) -> _Content:
        """A content that another is a difference to."""
        known = self._bases.get(payload)
        if known is None:
            row = self._open().execute(_PAYLOAD, (payload,)).fetchone()
            if row is None or row[-1] > LARGEST or steps > _DEEPEST:
                raise StoreError(f"payload {payload} is missing, large or far from what it is built on")
            number, digest, codec, data, base, _ = row
            known = self._content(number, digest, codec, data, base, steps)
            self._bases.put(payload, known)
        return known


def _take(row: Sequence[Any]) -> Take:
    return Take(row[0], _FORMS[row[1]], row[2] >= 400)


def _memory_size(known: _Content) -> int:
    return 500 + len(known[0]) + len(known[1])
