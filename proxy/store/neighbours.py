"""Recordings that are like a document, found by their marks (`chatreel.sketch`) instead of by reading them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Select, bindparam, func, select

from chatreel import sketch
from chatreel.store import payloads
from chatreel.store.schema import marks, recordings

_FREQUENCIES = (
    select(marks.c.mark, func.count().label("frequency"))
    .where(marks.c.mark.in_(bindparam("marks", expanding=True)))
    .group_by(marks.c.mark)
)
_STORED = (
    select(marks.c.recording_id, func.count().over(partition_by=marks.c.mark).label("frequency"))
    .where(marks.c.mark.in_(bindparam("marks", expanding=True)))
    .subquery()
)
_ALIKE = (
    select(_STORED.c.recording_id)
    .group_by(_STORED.c.recording_id)
    .order_by(func.sum(1.0 / (_STORED.c.frequency * _STORED.c.frequency)).desc(), _STORED.c.recording_id.desc())
    .limit(bindparam("limit"))
)
"""The rarer a mark that both have, the more it says."""
_NEWEST = (
    select(recordings.c.id)
    .where(
        recordings.c.cassette == bindparam("cassette"),
        recordings.c.upstream == bindparam("upstream"),
        recordings.c.path == bindparam("path"),
        recordings.c.tenant.is_not_distinct_from(bindparam("tenant")),
    )
    .order_by(recordings.c.id.desc())
    .limit(bindparam("limit"))
)
_SHOWN = select(
    recordings.c.id, recordings.c.key, recordings.c.model, recordings.c.recorded_at, recordings.c.document
).where(recordings.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What a recording is compared by."""

    id: int
    key: str
    model: str
    recorded_at: float
    document: bytes


def index(connection: Connection, cassette: str, recording_id: int, document: bytes) -> None:
    """Make a recording findable."""
    found = sketch.marks(document, cassette)
    rows = connection.execute(_FREQUENCIES, {"marks": [*found]}).all()
    chosen = sketch.worth_storing(found, dict(map(tuple, rows)))
    if chosen:
        connection.execute(marks.insert(), [{"mark": mark, "recording_id": recording_id} for mark in chosen])


def near(connection: Connection, cassette: str, document: bytes, limit: int) -> list[Neighbour]:
    """Recordings of the same upstream, path and tenant that are like `document`, the likeliest first.

    If none is like it in anything that tells recordings apart: the newest.
    """
    found = {"marks": [*sketch.marks(document, cassette)], "limit": limit}
    ids = _ids(connection, _ALIKE, found) or _ids(connection, _NEWEST, {**_scope(cassette, document), "limit": limit})
    rows = {row.id: row for row in connection.execute(_SHOWN, {"ids": ids})} if ids else {}
    contents = payloads.get(connection, {row.document for row in rows.values()}) if rows else {}
    kept = [rows[recording_id] for recording_id in ids if recording_id in rows]
    return [Neighbour(row.id, row.key, row.model, row.recorded_at, contents[row.document]) for row in kept]


def _ids(connection: Connection, query: Select[Any], values: dict[str, Any]) -> Sequence[int]:
    return connection.execute(query, values).scalars().all()


def _scope(cassette: str, document: bytes) -> dict[str, Any]:
    members = orjson.loads(document)
    return {
        "cassette": cassette,
        "upstream": members["upstream"],
        "path": members["path"],
        "tenant": members.get("tenant"),
    }
