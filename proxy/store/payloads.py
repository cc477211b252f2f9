"""How bytes lie in the store: compressed, addressed by the digest of their content, each content once."""

from collections.abc import Callable, Iterable
from hashlib import sha256

import orjson
import zstandard
from sqlalchemy import Column, Connection, LargeBinary, MetaData, Table, delete, exists, select, union
from sqlalchemy.dialects import postgresql, sqlite

from chatreel.errors import StoreError
from chatreel.model import Piece
from chatreel.store.schema import calls, payloads, recordings

RAW = "raw"
ZSTD = "zstd"

_LEVEL = 3
_WORTH_COMPRESSING = 128
"""Bytes; below this the frame header eats what is saved."""

_INSERT: dict[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def put(connection: Connection, contents: Iterable[bytes]) -> list[bytes]:
    """Store what is not there yet; the digests, in the order of `contents`."""
    addressed = [(sha256(content).digest(), content) for content in contents]
    connection.execute(insert_missing(connection, payloads), [_row(*pair) for pair in addressed])
    return [digest for digest, _ in addressed]


def insert_missing(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The statement that inserts rows into `table` and leaves alone those that are there."""
    return insert_into(connection, table).on_conflict_do_nothing()


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The statement that inserts rows into `table`, with what its engine can do about those that are there."""
    return _INSERT[connection.dialect.name](table)


def get(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """Contents by digest. Raises `StoreError` if one is missing or is not what its digest says."""
    wanted = set(digests)
    rows = connection.execute(
        select(payloads.c.digest, payloads.c.codec, payloads.c.data).where(payloads.c.digest.in_(wanted))
    )
    found = {row.digest: _content(row.digest, row.codec, row.data) for row in rows}
    if missing := wanted - found.keys():
        raise StoreError(f"the store has lost {len(missing)} payloads, the first is {min(missing).hex()}")
    return found


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
    return zstandard.compress(orjson.dumps(deltas), _LEVEL)


def unpack_pieces(data: bytes) -> tuple[Piece, ...]:
    pieces = []
    at = 0
    for delta, size in orjson.loads(zstandard.decompress(data)):
        at += delta
        pieces.append(Piece(at / 1e6, size))
    return tuple(pieces)


def _row(digest: bytes, content: bytes) -> dict[str, bytes | int | str]:
    codec, data = RAW, content
    if len(content) >= _WORTH_COMPRESSING:
        compressed = zstandard.compress(content, _LEVEL)
        if len(compressed) < len(content):
            codec, data = ZSTD, compressed
    return {"digest": digest, "size": len(content), "codec": codec, "data": data}


def _content(digest: bytes, codec: str, data: bytes) -> bytes:
    if codec not in (RAW, ZSTD):
        raise StoreError(f"payload {digest.hex()} is stored as {codec!r}, which this version of chatreel cannot read")
    try:
        content = zstandard.decompress(data) if codec == ZSTD else data
    except zstandard.ZstdError as error:
        raise StoreError(f"payload {digest.hex()} is damaged: {error}") from error
    if sha256(content).digest() != digest:
        raise StoreError(f"payload {digest.hex()} is damaged: its content has another digest")
    return content
