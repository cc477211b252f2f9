"""Contents on their way into the store: all of a transaction are looked up at once, and written at once.

What is added to is the store of `chatreel.store.payloads`, inside a transaction of `chatreel.store.database.writing`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.dialects import sqlite

from chatreel.store.coding import ONE, RAW, TWO, encode, fits
from chatreel.store.direct import DirectRows, execute, is_direct
from chatreel.store.schema import payloads
from chatreel.store.series import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_BELOW = payloads.alias("below")
_KNOWN = (
    select(payloads.c.digest, payloads.c.id, _BELOW.c.digest.label("base"))
    .outerjoin(_BELOW, _BELOW.c.id == payloads.c.base)
    .where(payloads.c.digest.in_(bindparam("wanted", expanding=True)))
)
_KNOWN_DIRECTLY = (
    "SELECT one.digest, one.id, below.digest FROM payloads one LEFT JOIN payloads below ON below.id = one.base "
    "WHERE one.digest IN ({})"
)
_MEMBERS = ("digest", "size", "codec", "data", "base")
_ADDED = ("digest", "id")
_ADD_DIRECTLY = DirectRows(payloads, _MEMBERS, _ADDED, missing=True)
_MOST_AT_ONCE = 1_000
"""Contents that are looked up in one statement."""


@dataclass(frozen=True, slots=True)
class Added:
    """What will have become of a content."""

    base: Base
    """It may be the base of others, and what is below it is as it lies in the store, if it was added."""
    added: bool
    """Whether it was not there before."""


@dataclass(frozen=True, slots=True)
class _Row:
    digest: bytes
    size: int
    codec: str
    data: bytes
    base: bytes | None
    """Digest of what it is a difference to."""


class Adding:
    """The contents of one transaction."""

    def __init__(self, connection: Connection, wanted: Iterable[bytes]) -> None:
        """`wanted`: digests of all that is put, and of what that may be a difference to: of no other it is known."""
        self._connection = connection
        self._ids: dict[bytes, int] = {}
        self._below: dict[bytes, bytes | None] = {}
        """Of all that is there, or will be: the digest of what each is a difference to."""
        for digest, number, below in _known(connection, {*wanted}):
            self._ids[digest], self._below[digest] = number, below
        self._rows: list[_Row] = []
        self._put: dict[bytes, Added] = {}

    def put(self, content: Base, base: Base | None) -> Added:
        """Have a content stored if it is not there yet: as a difference to `base`, if that is."""
        if known := self._put.get(content.digest):
            return known
        if content.digest in self._below:
            one = Added(content, added=False)
        else:
            base = base if base and base.digest in self._below else None
            if base and (before := self._put.get(base.digest)):
                base = before.base
            row, built_on = _row(content, base, self._below)
            self._rows.append(row)
            self._below[row.digest] = row.base
            one = Added(Base(content.digest, content.content, built_on), added=True)
        self._put[content.digest] = one
        return one

    def write(self) -> dict[bytes, int]:
        """The ids of all that was put, by digest. What others are built on is written before them."""
        rows, self._rows = self._rows, []
        while rows:
            ready = [row for row in rows if row.base is None or row.base in self._ids]
            self._ids.update(_add_missing(self._connection, ready, self._ids))
            if missing := {row.digest for row in ready if row.digest not in self._ids}:  # another writer has come first
                self._ids.update((digest, number) for digest, number, _ in _known(self._connection, missing))
            rows = [row for row in rows if row.digest not in self._ids]
        return self._ids


def insert_missing(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """The statement that inserts rows into `table` and leaves alone those that are there."""
    return insert_into(connection, table).on_conflict_do_nothing()


def insert_into(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """The statement that inserts rows into `table`, with what its engine can do about those that are there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # most never need it, and it takes its time

    return postgresql.insert(table)


def _known(connection: Connection, wanted: Collection[bytes]) -> Iterable[Any]:
    """Digest, id and digest of the base of those that are there."""
    found: list[Any] = []
    for some in batched(wanted, _MOST_AT_ONCE):
        if is_direct(connection):
            found += execute(connection, _KNOWN_DIRECTLY.format(", ".join("?" * len(some))), some)
        else:
            found += connection.execute(_KNOWN, {"wanted": some}).all()
    return found


def _add_missing(connection: Connection, rows: Sequence[_Row], ids: dict[bytes, int]) -> Iterable[Any]:
    """Digest and id of those that were not there. `ids`: of what they are differences to."""
    values = [(row.digest, row.size, row.codec, row.data, row.base and ids[row.base]) for row in rows]
    if is_direct(connection):
        return _ADD_DIRECTLY.run(connection, values)
    statement = insert_missing(connection, payloads).returning(*(payloads.c[name] for name in _ADDED))
    named = [dict(zip(_MEMBERS, one, strict=True)) for one in values]
    return connection.execute(statement, named).all()


def _row(content: Base, base: Base | None, below_of: dict[bytes, bytes | None]) -> tuple[_Row, Base | None]:
    """The row of a content, and what it is a difference to."""
    plain = content.content
    codec, dictionary = ONE, b""
    if base and fits(plain, base.content):
        dictionary = base.content
        below = base.below
        if below and below_of[base.digest] == below.digest and fits(plain, below.content, base.content):
            codec, dictionary = TWO, below.content + base.content
    else:
        base = None
    data = encode(plain, dictionary)
    if data is None:
        codec, data, base = RAW, plain, None
    return _Row(content.digest, len(plain), codec, data, base.digest if base else None), base
