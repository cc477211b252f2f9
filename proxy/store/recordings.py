"""Recordings in and out of the tables: plain Core statements, no ORM (it would cost five times as much per read)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import zstandard
from sqlalchemy import Connection, Row, bindparam, func, select
from sqlalchemy.dialects import sqlite

from chatreel.errors import StoreError
from chatreel.model import Identity, Recording, Replayable, Take, WireForm
from chatreel.store import arrivals, neighbours, payloads
from chatreel.store.bases import Bases
from chatreel.store.direct import Direct, is_direct
from chatreel.store.neighbours import Frequencies
from chatreel.store.schema import KEYED_BY, meta, recordings
from chatreel.store.usual import headers_of, packed_headers

_TAKES = (
    select(recordings.c.id, recordings.c.form, recordings.c.status)
    .where(recordings.c.cassette == bindparam("cassette"), recordings.c.key == bindparam("key"))
    .order_by(recordings.c.id)
)
_BY_ID = select(recordings).where(recordings.c.id == bindparam("id"))
_ANSWER = select(
    *(
        recordings.c[name]
        for name in (
            *("id", "key", "recorded_at", "status", "headers", "form"),
            *("body", "pieces", "completion", "asked_usage"),
        )
    )
).where(recordings.c.id == bindparam("id"))
_INSERT = recordings.insert().returning(recordings.c.id)
_INSERT_DIRECTLY = Direct(_INSERT, *(column.name for column in recordings.c if column.name != "id"))
_NOTE_KEYS = Direct(sqlite.insert(meta).on_conflict_do_nothing(), "name", "value")
_COUNT = select(func.count()).where(recordings.c.cassette == bindparam("cassette"))
_KEYED_OTHERWISE = select(meta.c.value).where(meta.c.name == KEYED_BY, meta.c.value != bindparam("keyed_by")).limit(1)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a writer remembers from one recording to the next. All of it may be wrong: others write and delete, too."""

    bases: Bases = field(default_factory=Bases)
    frequencies: Frequencies = field(default_factory=Frequencies)


def insert(connection: Connection, recording: Recording, keyed_by: str, memory: Memory | None = None) -> int:
    """Store a recording as the newest take of its key; its id.

    `keyed_by`: how its key was made. `memory`: of the writer; it comes to know this recording.
    """
    memory = memory or Memory()
    _note_keys(connection, keyed_by)
    document, request, body, completion = memory.bases.put(connection, recording)
    row = {
        "cassette": recording.cassette,
        "key": recording.identity.key,
        "upstream": recording.upstream,
        "path": recording.path,
        "query": recording.query,
        "tenant": recording.tenant,
        "model": recording.model,
        "recorded_at": recording.recorded_at,
        "status": recording.status,
        "headers": packed_headers(recording.headers),
        "form": recording.form.value,
        "usage_added": recording.usage_added,
        "document": document,
        "request": request,
        "body": body,
        "completion": completion,
        "pieces": arrivals.pack(recording.pieces),
        "asked_usage": recording.replayable.asked_usage,
    }
    recording_id = _insert(connection, row)
    neighbours.index(connection, recording.cassette, recording_id, recording.identity.document, memory.frequencies)
    return recording_id


def _note_keys(connection: Connection, keyed_by: str) -> None:
    row = {"name": KEYED_BY, "value": keyed_by}
    if is_direct(connection):
        _NOTE_KEYS.run(connection, row)
    else:
        connection.execute(payloads.insert_missing(connection, meta), row)


def _insert(connection: Connection, row: dict[str, Any]) -> int:
    if is_direct(connection):
        [[recording_id]] = _INSERT_DIRECTLY.run(connection, row)
    else:
        recording_id = connection.execute(_INSERT, row).scalar_one()
    return int(recording_id)


def takes(connection: Connection, cassette: str, key: str) -> tuple[Take, ...]:
    """All takes of a key, in the order of recording."""
    rows = connection.execute(_TAKES, {"cassette": cassette, "key": key})
    return tuple(Take(row.id, WireForm(row.form), row.status >= 400) for row in rows)


def load(connection: Connection, recording_id: int) -> Recording:
    """One recording, whole. Raises `StoreError` if its bytes are damaged, `NoResultFound` if there is none."""
    row = connection.execute(_BY_ID, {"id": recording_id}).one()
    return assemble(row, payloads.get(connection, (row.document, row.request, row.body, row.completion)))


def replayable(connection: Connection, recording_id: int) -> Replayable:
    """What a hit needs of a recording; its request and document are not even read. Raises like `load`."""
    row = connection.execute(_ANSWER, {"id": recording_id}).one()
    contents = payloads.get(connection, (row.body, row.completion))
    with _naming_damage(recording_id):
        return Replayable(
            id=row.id,
            key=row.key,
            recorded_at=row.recorded_at,
            status=row.status,
            headers=headers_of(row.headers),
            form=WireForm(row.form),
            body=contents[row.body],
            pieces=arrivals.unpack(row.pieces),
            completion=contents[row.completion],
            asked_usage=row.asked_usage,
        )


def count(connection: Connection, cassette: str) -> int:
    return int(connection.execute(_COUNT, {"cassette": cassette}).scalar_one())


def keyed_otherwise(connection: Connection, keyed_by: str) -> bool:
    """Whether some recordings may have keys that were made in another way."""
    return connection.execute(_KEYED_OTHERWISE, {"keyed_by": keyed_by}).first() is not None


@contextmanager
def _naming_damage(recording_id: int) -> Iterator[None]:
    try:
        yield
    except (StoreError, TypeError, ValueError, zstandard.ZstdError) as error:
        raise StoreError(f"recording {recording_id} is damaged: {error}") from error


def assemble(row: Row[Any], contents: dict[int, bytes]) -> Recording:
    """A recording from its row and its payloads, by id. Raises `StoreError` if the row is damaged."""
    with _naming_damage(row.id):
        return _recording(row, contents)


def _recording(row: Row[Any], contents: dict[int, bytes]) -> Recording:
    return Recording(
        identity=Identity(row.key, contents[row.document]),
        upstream=row.upstream,
        path=row.path,
        query=row.query,
        tenant=row.tenant,
        model=row.model,
        recorded_at=row.recorded_at,
        request=contents[row.request],
        status=row.status,
        headers=headers_of(row.headers),
        form=WireForm(row.form),
        usage_added=row.usage_added,
        body=contents[row.body],
        pieces=arrivals.unpack(row.pieces),
        completion=contents[row.completion],
        cassette=row.cassette,
        id=row.id,
    )
