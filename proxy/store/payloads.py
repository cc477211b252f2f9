"""How bytes lie in the store: found by the digest of their content, each content once, and known by an id.

An id is given once: it leads to the content it was given to, or nowhere. A content is stored alone or as a difference
to another, its base, which is stored before it and kept as long as it is needed. So there are chains, and they end;
`chatreel.store.bases` sees to it that they are short.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import batched
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Select,
    Table,
    bindparam,
    delete,
    exists,
    select,
    union,
)
from sqlalchemy.dialects import sqlite

from chatreel.errors import StoreError
from chatreel.store.chains import Chains
from chatreel.store.coding import ONE, RAW, TWO, encode, fits
from chatreel.store.direct import DirectMany, is_direct
from chatreel.store.schema import calls, payloads, recordings
from chatreel.store.series import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_BELOW = payloads.alias("below")
_WITH_BASES = select(payloads.c.digest, payloads.c.id, _BELOW.c.digest.label("base")).outerjoin(
    _BELOW, _BELOW.c.id == payloads.c.base
)
_KNOWN = _WITH_BASES.where(payloads.c.digest.in_(bindparam("wanted", expanding=True)))
_KNOWN_DIRECTLY = DirectMany(
    lambda count: _WITH_BASES.where(payloads.c.digest.in_([bindparam(f"digest_{n}") for n in range(count)]))
)
_ADDED = (payloads.c.digest, payloads.c.id)
_MEMBERS = ("digest", "size", "codec", "data", "base")
_ADD_DIRECTLY = DirectMany(
    lambda count: (
        sqlite.insert(payloads)
        .values([{name: bindparam(f"{name}_{n}") for name in _MEMBERS} for n in range(count)])
        .on_conflict_do_nothing()
        .returning(*_ADDED)
    )
)
_MOST_AT_ONCE = 100
"""Contents that SQLite is told of in one statement."""
_CHAIN = (
    select(payloads.c.id, payloads.c.base)
    .where(payloads.c.id.in_(bindparam("wanted", expanding=True)))
    .cte("chain", recursive=True)
)
_NEXT = select(payloads.c.id, payloads.c.base).where(payloads.c.id == _CHAIN.c.base)
_ROWS = select(payloads.c.id, payloads.c.digest, payloads.c.codec, payloads.c.data, payloads.c.base).where(
    payloads.c.id.in_(select(_CHAIN.union(_NEXT).c.id))
)


@dataclass(frozen=True, slots=True)
class New:
    """A content that is to be stored."""

    content: bytes
    base: Base | None = None
    """What it may be a difference to, if that is there."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What has become of a content."""

    id: int
    base: Base
    """It may be the base of others, and what is below it is as it lies in the store, if it was added."""
    added: bool
    """Whether it was not there before."""


def put(connection: Connection, contents: Iterable[bytes]) -> list[int]:
    """Store what is not there yet, each alone; the ids, in the order of `contents`."""
    return [stored.id for stored in add(connection, map(New, contents))]


def add(connection: Connection, several: Iterable[New]) -> list[Stored]:
    """Store what is not there yet, inside a transaction of `chatreel.store.database.writing`.

    In the order of `several`, in which one may have an earlier one as its base.
    """
    addressed = [(sha256(new.content).digest(), new) for new in several]
    wanted = {digest for digest, _ in addressed} | {new.base.digest for _, new in addressed if new.base}
    ids: dict[bytes, int] = {}
    known: dict[bytes, bytes | None] = {}
    for digest, number, base_digest in _known(connection, wanted):
        ids[digest], known[digest] = number, base_digest
    rows: list[_Row] = []
    found: dict[bytes, Base] = {}
    for digest, new in addressed:
        if digest in known:
            found.setdefault(digest, Base(digest, new.content))
            continue
        base = new.base if new.base and new.base.digest in known else None
        if base and base.digest in found:
            base = found[base.digest]
        row, built_on = _row(digest, new.content, base, known)
        rows.append(row)
        known[digest] = row.base
        found[digest] = Base(digest, new.content, built_on)
    _insert(connection, rows, ids)
    added = {row.digest for row in rows}
    return [Stored(ids[digest], found[digest], added=digest in added) for digest, _ in addressed]


def _insert(connection: Connection, rows: Sequence["_Row"], ids: dict[bytes, int]) -> None:
    """Add rows; `ids`, by digest, come to know them. What others are built on goes before them."""
    while rows:
        ready = [row for row in rows if row.base is None or row.base in ids]
        values = [
            {
                "digest": row.digest,
                "size": row.size,
                "codec": row.codec,
                "data": row.data,
                "base": row.base and ids[row.base],
            }
            for row in ready
        ]
        ids.update(_add_missing(connection, values))
        if missing := [row.digest for row in ready if row.digest not in ids]:  # another writer has come first
            ids.update((digest, number) for digest, number, _ in _known(connection, missing))
        rows = [row for row in rows if row.digest not in ids]


def _known(connection: Connection, wanted: Collection[bytes]) -> Iterable[Any]:
    """Digest, id and digest of the base of those that are there."""
    if is_direct(connection):
        several = batched([{"digest": digest} for digest in wanted], _MOST_AT_ONCE)
        return [row for some in several for row in _KNOWN_DIRECTLY.run(connection, some)]
    return connection.execute(_KNOWN, {"wanted": [*wanted]})


def _add_missing(connection: Connection, values: list[dict[str, Any]]) -> Iterable[Any]:
    """Digest and id of those that were not there."""
    if is_direct(connection):
        return [row for some in batched(values, _MOST_AT_ONCE) for row in _ADD_DIRECTLY.run(connection, some)]
    added = connection.execute(insert_missing(connection, payloads).returning(*_ADDED), values)
    return [(row.digest, row.id) for row in added]


def insert_missing(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """The statement that inserts rows into `table` and leaves alone those that are there."""
    return insert_into(connection, table).on_conflict_do_nothing()


def insert_into(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """The statement that inserts rows into `table`, with what its engine can do about those that are there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # most never need it, and it takes its time

    return postgresql.insert(table)


def get(connection: Connection, ids: Iterable[int]) -> dict[int, bytes]:
    """Contents by id. Raises `StoreError` if one, or what it is a difference to, is missing or damaged."""
    wanted = set(ids)
    rows = {row.id: row for row in connection.execute(_ROWS, {"wanted": [*wanted]})}
    if missing := wanted - rows.keys():
        raise StoreError(f"the store has lost {len(missing)} payloads, the first is {min(missing)}")
    return Chains(rows).contents(wanted)


MADE_OF: list[Column[int]] = [recordings.c[name] for name in ("document", "request", "body", "completion")]
"""Ids of the payloads that are a recording."""
_REFERENCES = [*MADE_OF, calls.c.request]


def needed() -> Select[tuple[int]]:
    """Ids of the payloads that somebody needs: a recording, a call, or another that is needed."""
    roots = union(*(select(column.label("id")).where(column.is_not(None)) for column in _REFERENCES)).subquery()
    needed = select(roots.c.id).cte("needed", recursive=True)
    bases = select(payloads.c.base).where(payloads.c.id == needed.c.id, payloads.c.base.is_not(None))
    return select(needed.union(bases).c.id)


_NEEDED = Table("needed_payloads", MetaData(), Column("id", BigInteger, primary_key=True), prefixes=["TEMPORARY"])


def collect_garbage(connection: Connection) -> int:
    """Delete the payloads that nothing needs: no recording, no call, no payload that is kept. How many those were.

    The transaction has to be one that nobody writes beside: `chatreel.store.database.writing(engine, alone=True)`.
    """
    _NEEDED.create(connection)
    connection.execute(_NEEDED.insert().from_select(["id"], needed()))
    is_needed = exists().where(_NEEDED.c.id == payloads.c.id)
    deleted = connection.execute(delete(payloads).where(~is_needed)).rowcount
    _NEEDED.drop(connection)
    return deleted


@dataclass(frozen=True, slots=True)
class _Row:
    digest: bytes
    size: int
    codec: str
    data: bytes
    base: bytes | None
    """Digest of what it is a difference to."""


def _row(
    digest: bytes, content: bytes, base: Base | None, known: dict[bytes, bytes | None]
) -> tuple[_Row, Base | None]:
    """The row of a content, and what it is a difference to."""
    codec, dictionary = ONE, b""
    if base and fits(content, base.content):
        dictionary = base.content
        below = base.below
        if below and known[base.digest] == below.digest and fits(content, below.content, base.content):
            codec, dictionary = TWO, below.content + base.content
    else:
        base = None
    data = encode(content, dictionary)
    if data is None:
        codec, data, base = RAW, content, None
    return _Row(digest, len(content), codec, data, base.digest if base else None), base
