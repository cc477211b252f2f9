"""How bytes lie in the store: compressed, addressed by the digest of their content, each content once."""

from collections.abc import Callable, Iterable
from hashlib import sha256

import orjson
import zstandard
from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from chatreel.errors import StoreError
from chatreel.model import Piece
from chatreel.store.schema import payloads

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
    return _INSERT[connection.dialect.name](table).on_conflict_do_nothing()


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
