"""Recordings in and out of the tables: plain Core statements, no ORM (it would cost five times as much per read)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import zstandard
from sqlalchemy import Connection, Row, bindparam, func, select
from sqlalchemy.dialects import sqlite

from chatreel import sketch
from chatreel.errors import StoreError
from chatreel.model import Identity, Recording, Replayable, Take, WireForm
from chatreel.request import Kept
from chatreel.store import arrivals, neighbours, payloads
from chatreel.store.adding import insert_missing
from chatreel.store.bases import Bases
from chatreel.store.direct import Direct, DirectRows, is_direct
from chatreel.store.neighbours import Frequencies
from chatreel.store.schema import KEYED_BY, meta, recordings
from chatreel.store.usual import headers_of, packed_headers

_TAKES = (
    select(recordings.c.id, recordings.c.form, recordings.c.status)
    .where(recordings.c.cassette == bindparam("cassette"), recordings.c.key == bindparam("key"))
    .order_by(recordings.c.id)
)
_MADE = select(recordings.c.id).where(
    *(recordings.c[name] == bindparam(name) for name in ("cassette", "key", "recorded_at"))
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
_MEMBERS = tuple(column.name for column in recordings.c if column.name != "id")
_INSERT_DIRECTLY = DirectRows(recordings, _MEMBERS, ("id",))
_NOTE_KEYS = Direct(sqlite.insert(meta).on_conflict_do_nothing(), "name", "value")
_IN_ORDER = itemgetter(*_MEMBERS)
_LARGE = 2**16
"""Bytes of a request of which nothing is done in advance: who waits for another recording would wait for that."""
_COUNT = select(func.count()).where(recordings.c.cassette == bindparam("cassette"))
_KEYED_OTHERWISE = select(meta.c.value).where(meta.c.name == KEYED_BY, meta.c.value != bindparam("keyed_by")).limit(1)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a writer remembers from one recording to the next. All of it may be wrong: others write and delete, too."""

    bases: Bases = field(default_factory=Bases)
    frequencies: Frequencies = field(default_factory=Frequencies)


def insert(connection: Connection, recording: Recording, keyed_by: str, memory: Memory | None = None) -> int:
    """As `insert_all`."""
    [recording_id] = insert_all(connection, [recording], keyed_by, memory)
    return recording_id


def insert_all(
    connection: Connection, several: Sequence[Recording], keyed_by: str, memory: Memory | None = None
) -> list[int]:
    """Store recordings, each as the newest take of its key; their ids, in the same order.

    `keyed_by`: how their keys were made. `memory`: of the writer; it comes to know these recordings.
    """
    memory = memory or Memory()
    _note_keys(connection, keyed_by)
    made_of = memory.bases.put(connection, several)
    ids = _insert(connection, [_row(one, *contents) for one, contents in zip(several, made_of, strict=True)])
    findable = [
        neighbours.Findable(one.cassette, recording_id, one.identity.document)
        for one, recording_id in zip(several, ids, strict=True)
    ]
    neighbours.index(connection, findable, memory.frequencies)
    return ids


def prepare(memory: Memory, cassette: str, kept: Kept) -> None:
    """Do now what takes time of a recording of a request that is on its way, in the thread that writes it then."""
    if len(kept.request) > _LARGE:
        return
    memory.bases.prepare((kept.upstream, kept.path, kept.tenant), kept.request, kept.identity.document)
    sketch.marks(kept.identity.document, cassette)  # which remembers what is in it


def _row(recording: Recording, document: int, request: int, body: int, completion: int) -> dict[str, Any]:
    """The columns of a recording. The contents are known by their ids."""
    return {
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
        "asked_usage": recording.asked_usage,
    }


def _note_keys(connection: Connection, keyed_by: str) -> None:
    row = {"name": KEYED_BY, "value": keyed_by}
    if is_direct(connection):
        _NOTE_KEYS.run(connection, row)
    else:
        connection.execute(insert_missing(connection, meta), row)


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Their ids, in the same order: they only ever grow."""
    if is_direct(connection):
        return sorted(number for (number,) in _INSERT_DIRECTLY.run(connection, map(_IN_ORDER, rows)))
    return [int(connection.execute(_INSERT, row).scalar_one()) for row in rows]


def takes(connection: Connection, cassette: str, key: str) -> tuple[Take, ...]:
    """All takes of a key, in the order of recording."""
    rows = connection.execute(_TAKES, {"cassette": cassette, "key": key})
    return tuple(Take(row.id, WireForm(row.form), row.status >= 400) for row in rows)


def made_before(connection: Connection, recording: Recording) -> int | None:
    """The number of a recording that has been stored already: of that key and that moment."""
    here = {"cassette": recording.cassette, "key": recording.identity.key, "recorded_at": recording.recorded_at}
    return connection.execute(_MADE, here).scalar()


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
