"""Recordings in and out of the tables: plain Core statements, no ORM (it would cost five times as much per read)."""

from collections.abc import Sequence
from typing import Any

import orjson
import zstandard
from sqlalchemy import Connection, Row, bindparam, func, select

from chatreel.errors import StoreError
from chatreel.model import Identity, Recording, Take, WireForm
from chatreel.store import payloads
from chatreel.store.schema import payloads as payload_table
from chatreel.store.schema import recordings

_TAKES = (
    select(recordings.c.id, recordings.c.form)
    .where(recordings.c.cassette == bindparam("cassette"), recordings.c.key == bindparam("key"))
    .order_by(recordings.c.id)
)
_BY_ID = select(recordings).where(recordings.c.id == bindparam("id"))
_COUNT = select(func.count()).where(recordings.c.cassette == bindparam("cassette"))
_NEIGHBOURS = (
    select(payload_table.c.digest)
    .join(recordings, recordings.c.document == payload_table.c.digest)
    .where(
        recordings.c.cassette == bindparam("cassette"),
        recordings.c.upstream == bindparam("upstream"),
        recordings.c.path == bindparam("path"),
    )
    .order_by((recordings.c.model == bindparam("model")).desc(), recordings.c.id.desc())
    .limit(bindparam("limit"))
)


def insert(connection: Connection, recording: Recording) -> int:
    """Store a recording as the newest take of its key; its id."""
    document, request, body, completion = payloads.put(
        connection, (recording.identity.document, recording.request, recording.body, recording.completion)
    )
    row = {
        "cassette": recording.cassette,
        "key": recording.identity.key,
        "upstream": recording.upstream,
        "path": recording.path,
        "model": recording.model,
        "recorded_at": recording.recorded_at,
        "status": recording.status,
        "headers": orjson.dumps(recording.headers).decode(),
        "form": recording.form.value,
        "usage_added": recording.usage_added,
        "document": document,
        "request": request,
        "body": body,
        "completion": completion,
        "pieces": payloads.pack_pieces(recording.pieces),
    }
    result = connection.execute(recordings.insert().returning(recordings.c.id), row)
    return int(result.scalar_one())


def takes(connection: Connection, cassette: str, key: str) -> tuple[Take, ...]:
    """All takes of a key, in the order of recording."""
    rows = connection.execute(_TAKES, {"cassette": cassette, "key": key})
    return tuple(Take(row.id, WireForm(row.form)) for row in rows)


def load(connection: Connection, recording_id: int) -> Recording:
    """One recording, whole. Raises `StoreError` if its bytes are damaged, `NoResultFound` if there is none."""
    row = connection.execute(_BY_ID, {"id": recording_id}).one()
    contents = payloads.get(connection, (row.document, row.request, row.body, row.completion))
    try:
        return _recording(row, contents)
    except (TypeError, ValueError, zstandard.ZstdError) as error:
        raise StoreError(f"recording {recording_id} is damaged: {error}") from error


def documents_near(
    connection: Connection, cassette: str, *, upstream: str, path: str, model: str, limit: int
) -> list[bytes]:
    """Canonical documents of the newest recordings of an endpoint, those of the same model first."""
    where = {"cassette": cassette, "upstream": upstream, "path": path, "model": model, "limit": limit}
    digests: Sequence[bytes] = connection.execute(_NEIGHBOURS, where).scalars().all()
    contents = payloads.get(connection, digests) if digests else {}
    return [contents[digest] for digest in digests]


def count(connection: Connection, cassette: str) -> int:
    return int(connection.execute(_COUNT, {"cassette": cassette}).scalar_one())


def _recording(row: Row[Any], contents: dict[bytes, bytes]) -> Recording:
    return Recording(
        identity=Identity(row.key, contents[row.document]),
        upstream=row.upstream,
        path=row.path,
        model=row.model,
        recorded_at=row.recorded_at,
        request=contents[row.request],
        status=row.status,
        headers=tuple((name, value) for name, value in orjson.loads(row.headers)),
        form=WireForm(row.form),
        usage_added=row.usage_added,
        body=contents[row.body],
        pieces=payloads.unpack_pieces(row.pieces),
        completion=contents[row.completion],
        cassette=row.cassette,
        id=row.id,
    )
