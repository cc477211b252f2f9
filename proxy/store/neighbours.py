"""Recordings that are like a document, found by their marks (`chatreel.sketch`) instead of by reading them all."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, Select, any_, bindparam, func, select

from chatreel import sketch
from chatreel.model import Neighbour
from chatreel.store import payloads
from chatreel.store.direct import Direct, DirectRows, is_direct
from chatreel.store.schema import marks, recordings

# One parameter that holds all marks: a thousand of them would cost more than the search.
_AMONG: dict[str, ColumnElement[bool]] = {
    "sqlite": marks.c.mark.in_(select(func.json_each(bindparam("marks")).table_valued("value").c.value)),
    "postgresql": marks.c.mark == any_(bindparam("marks", type_=ARRAY(BigInteger))),
}


def _frequencies(among: ColumnElement[bool]) -> Select[Any]:
    return select(marks.c.mark, func.count().label("frequency")).where(among).group_by(marks.c.mark)


def _alike(among: ColumnElement[bool]) -> Select[Any]:
    """The rarer a mark that both have, the more it says."""
    frequency = func.count().over(partition_by=marks.c.mark).label("frequency")
    stored = select(marks.c.recording_id, frequency).where(among).subquery()
    weight = func.sum(1.0 / (stored.c.frequency * stored.c.frequency))
    return (
        select(stored.c.recording_id)
        .group_by(stored.c.recording_id)
        .order_by(weight.desc(), stored.c.recording_id.desc())
        .limit(bindparam("limit"))
    )


_FREQUENCIES = {engine: _frequencies(among) for engine, among in _AMONG.items()}
_FREQUENCIES_DIRECTLY = Direct(_FREQUENCIES["sqlite"])
_MARK_DIRECTLY = DirectRows(marks, ("mark", "recording_id"))
_ALIKE = {engine: _alike(among) for engine, among in _AMONG.items()}
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


_REMEMBERED = 30_000
"""Marks whose frequency is remembered; then from the start."""


class Frequencies:
    """How many recordings have a mark, by what one writer has asked and stored: an application repeats its marks."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def of(self, connection: Connection, wanted: frozenset[int]) -> dict[int, int]:
        """Of all that are wanted; only those are asked for that are not known."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        unknown = wanted.difference(self._known)
        if unknown:
            self._known.update(dict.fromkeys(unknown, 0))
            self._known.update(_frequencies_of(connection, {"marks": _listed(connection, unknown)}))
        return self._known

    def count(self, stored: Iterable[int]) -> None:
        """One more recording has these."""
        for mark in stored:
            self._known[mark] += 1


class Findable(NamedTuple):
    """A recording that is to be found by what it is like."""

    cassette: str
    recording_id: int
    document: bytes


def index(connection: Connection, several: Iterable[Findable], frequencies: Frequencies | None = None) -> None:
    """Make recordings findable. `frequencies`: what this writer knows already."""
    frequencies = frequencies or Frequencies()
    found = [(one.recording_id, sketch.marks(one.document, one.cassette)) for one in several]
    known = frequencies.of(connection, frozenset[int]().union(*(marked for _, marked in found)))
    rows: list[tuple[int, int]] = []
    for recording_id, marked in found:
        chosen = sketch.worth_storing(marked, known)
        frequencies.count(chosen)
        rows += [(mark, recording_id) for mark in chosen]
    rows.sort()  # neighbours in the table
    if is_direct(connection):
        _MARK_DIRECTLY.run(connection, rows)
    elif rows:
        connection.execute(marks.insert(), [{"mark": mark, "recording_id": number} for mark, number in rows])


def _frequencies_of(connection: Connection, wanted: dict[str, Any]) -> Iterable[tuple[int, int]]:
    if is_direct(connection):
        return [(mark, frequency) for mark, frequency in _FREQUENCIES_DIRECTLY.run(connection, wanted)]
    found = connection.execute(_FREQUENCIES[connection.dialect.name], wanted)
    return [(row.mark, row.frequency) for row in found]


def near(connection: Connection, cassette: str, document: bytes, limit: int) -> list[Neighbour]:
    """Recordings of the same upstream, path and tenant that are like `document`, the likeliest first.

    If none is like it in anything that tells recordings apart: the newest.
    """
    found = {"marks": _listed(connection, sketch.marks(document, cassette)), "limit": limit}
    ids = _ids(connection, _ALIKE[connection.dialect.name], found) or _ids(
        connection, _NEWEST, {**_scope(cassette, document), "limit": limit}
    )
    rows = {row.id: row for row in connection.execute(_SHOWN, {"ids": ids})} if ids else {}
    contents = payloads.get(connection, {row.document for row in rows.values()}) if rows else {}
    kept = [rows[recording_id] for recording_id in ids if recording_id in rows]
    return [Neighbour(row.id, row.key, row.model, row.recorded_at, contents[row.document]) for row in kept]


def _listed(connection: Connection, wanted: Iterable[int]) -> str | list[int]:
    """Marks as one parameter."""
    return orjson.dumps([*wanted]).decode() if connection.dialect.name == "sqlite" else [*wanted]


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
