"""How bytes lie in the store: addressed by the digest of their content, each content once.

A content is stored alone or as a difference to another, its base, which is stored before it and kept as long as it is
needed. So there are chains, and they end; `chatreel.store.bases` sees to it that they are short.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
import zstandard
from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    delete,
    exists,
    select,
    union,
)
from sqlalchemy.dialects import sqlite

from chatreel.errors import StoreError
from chatreel.model import Piece
from chatreel.store.chains import Chains
from chatreel.store.coding import LEVEL, RAW, ZSTD, ZSTD_TWO, decompress, encode, fits
from chatreel.store.schema import calls, payloads, recordings
from chatreel.store.series import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_WANTED = payloads.c.digest.in_(bindparam("wanted", expanding=True))
_BASES = select(payloads.c.digest, payloads.c.base).where(_WANTED)
_CHAIN = _BASES.cte("chain", recursive=True)
_BELOW = select(payloads.c.digest, payloads.c.base).where(payloads.c.digest == _CHAIN.c.base)
_ROWS = select(payloads.c.digest, payloads.c.codec, payloads.c.data, payloads.c.base).where(
    payloads.c.digest.in_(select(_CHAIN.union(_BELOW).c.digest))
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

    base: Base
    """It may be the base of others, and what is below it is as it lies in the store, if it was added."""
    added: bool
    """Whether it was not there before."""


def put(connection: Connection, contents: Iterable[bytes]) -> list[bytes]:
    """Store what is not there yet, each alone; the digests, in the order of `contents`."""
    return [stored.base.digest for stored in add(connection, map(New, contents))]


def add(connection: Connection, several: Iterable[New]) -> list[Stored]:
    """Store what is not there yet, inside a transaction of `chatreel.store.database.writing`.

    In the order of `several`, in which one may have an earlier one as its base.
    """
    addressed = [(sha256(new.content).digest(), new) for new in several]
    wanted = {digest for digest, _ in addressed} | {new.base.digest for _, new in addressed if new.base}
    known = {row.digest: row.base for row in connection.execute(_BASES, {"wanted": [*wanted]})}
    rows: list[dict[str, Any]] = []
    found: dict[bytes, Stored] = {}
    for digest, new in addressed:
        if digest in known:
            found.setdefault(digest, Stored(Base(digest, new.content), added=False))
            continue
        base = new.base if new.base and new.base.digest in known else None
        if base and base.digest in found:
            base = found[base.digest].base
        row, built_on = _row(digest, new.content, base, known)
        rows.append(row)
        known[digest] = row["base"]
        found[digest] = Stored(Base(digest, new.content, built_on), added=True)
    if rows:
        connection.execute(insert_missing(connection, payloads), rows)
    return [found[digest] for digest, _ in addressed]


def insert_missing(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """The statement that inserts rows into `table` and leaves alone those that are there."""
    return insert_into(connection, table).on_conflict_do_nothing()


def insert_into(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """The statement that inserts rows into `table`, with what its engine can do about those that are there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # most never need it, and it takes its time

    return postgresql.insert(table)


def get(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """Contents by digest. Raises `StoreError` if one, or what it is a difference to, is missing or damaged."""
    wanted = set(digests)
    rows = {row.digest: row for row in connection.execute(_ROWS, {"wanted": [*wanted]})}
    if missing := wanted - rows.keys():
        raise StoreError(f"the store has lost {len(missing)} payloads, the first is {min(missing).hex()}")
    return Chains(rows).contents(wanted)


_REFERENCES = [
    *(recordings.c[name] for name in ("document", "request", "body", "completion")),
    calls.c.request,
]
_NEEDED = Table(
    "needed_payloads", MetaData(), Column("digest", LargeBinary(32), primary_key=True), prefixes=["TEMPORARY"]
)


def collect_garbage(connection: Connection) -> int:
    """Delete the payloads that nothing needs: no recording, no call, no payload that is kept. How many those were.

    The transaction has to be one that nobody writes beside: `chatreel.store.database.writing(engine, alone=True)`.
    """
    roots = union(*(select(column).where(column.is_not(None)) for column in _REFERENCES)).subquery()
    needed = select(roots.c[0].label("digest")).cte("needed", recursive=True)
    bases = select(payloads.c.base).where(payloads.c.digest == needed.c.digest, payloads.c.base.is_not(None))
    _NEEDED.create(connection)
    connection.execute(_NEEDED.insert().from_select(["digest"], select(needed.union(bases).c.digest)))
    is_needed = exists().where(_NEEDED.c.digest == payloads.c.digest)
    deleted = connection.execute(delete(payloads).where(~is_needed)).rowcount
    _NEEDED.drop(connection)
    return deleted


def pack_pieces(pieces: Iterable[Piece]) -> bytes:
    """Arrival times as microseconds since the piece before, so that they compress well."""
    deltas = []
    last = 0
    for piece in pieces:
        at = round(piece.at * 1e6)
        deltas.append((at - last, piece.size))
        last = at
    return zstandard.compress(orjson.dumps(deltas), LEVEL)


def unpack_pieces(data: bytes) -> tuple[Piece, ...]:
    pieces = []
    at = 0
    for delta, size in orjson.loads(decompress(data)):
        at += delta
        pieces.append(Piece(at / 1e6, size))
    return tuple(pieces)


def _row(
    digest: bytes, content: bytes, base: Base | None, known: dict[bytes, bytes | None]
) -> tuple[dict[str, Any], Base | None]:
    """The row of a content, and what it is a difference to."""
    codec, dictionary = ZSTD, b""
    if base and fits(content, base.content):
        dictionary = base.content
        below = base.below
        if below and known[base.digest] == below.digest and fits(content, below.content, base.content):
            codec, dictionary = ZSTD_TWO, below.content + base.content
    else:
        base = None
    data = encode(content, dictionary)
    if data is None:
        codec, data, base = RAW, content, None
    row = {
        "digest": digest,
        "size": len(content),
        "codec": codec,
        "data": data,
        "base": base.digest if base else None,
    }
    return row, base
