"""Taking recordings and rows of the log out of a store, with the payloads that nobody else has.

A batch is one transaction: killed between two of them, a store is whole and has nothing in it that belongs to nobody.
Whoever serves from the store at that time is told by a token in `meta` to forget what it has in memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any
from uuid import uuid4

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, or_, select

from chatreel import sketch
from chatreel.errors import StoreError
from chatreel.eviction import Candidate
from chatreel.selection import Selection
from chatreel.store import listing, payloads
from chatreel.store.payloads import MADE_OF
from chatreel.store.schema import calls, marks, meta, recordings
from chatreel.store.schema import payloads as payload_table

BATCH = 500
"""Recordings, or rows of the log, that one transaction removes."""

CANDIDATES = 5_000
"""Recordings that are looked at to find those that have to go."""

PAUSE = 0.12
"""Seconds to leave between two batches: SQLite's waiting writers look every 100 ms, so each of them gets its turn."""

_REMOVED = "removed"
"""Name of the row of `meta` whose value is another one after each removal."""

_AMONG: BindParameter[Any] = bindparam("ids", expanding=True)
_STORED = select(payload_table.c.id, payload_table.c.base, func.length(payload_table.c.data).label("stored")).where(
    payload_table.c.id.in_(_AMONG)
)
_HAVING = (
    select(*MADE_OF).where(or_(*(column.in_(_AMONG) for column in MADE_OF))),
    select(calls.c.request).where(calls.c.request.in_(_AMONG)),
)
_DELETE = delete(payload_table).where(payload_table.c.id.in_(_AMONG))
_BUILT_ON = select(payload_table.c.id, payload_table.c.base).where(payload_table.c.base.in_(_AMONG))
_BESIDES = {"sqlite": 2_500, "postgresql": 0}
"""Bytes that a recording takes up at most besides its payloads, of those that `chatreel.store.counting.used` counts."""
_MARKED = 10_000
"""Marks that are looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What has gone."""

    ids: tuple[int, ...] = ()
    payloads: int = 0
    size: int = 0
    """Bytes of these payloads, as they lay in the store."""

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.ids + other.ids, self.payloads + other.payloads, self.size + other.size)


def remove(connection: Connection, ids: Sequence[int], *, marks_later: bool = False) -> Removed:
    """Remove these recordings, those that are still there, inside a transaction that keeps other writers out.

    To find the marks of one takes longer than all the rest. `marks_later`: they are left for whoever sweeps.
    """
    rows = connection.execute(select(recordings.c.id, recordings.c.cassette, *MADE_OF).where(recordings.c.id.in_(ids)))
    found = rows.all()
    if not found:
        return Removed()
    if not marks_later:
        _forget_marks(connection, [(row.id, row.cassette, row.document) for row in found])
    gone = [row.id for row in found]
    connection.execute(delete(recordings).where(recordings.c.id.in_(gone)))
    count, size = _collect(connection, {one for row in found for one in row[2:]})
    announce(connection)
    return Removed(tuple(gone), count, size)


def removals(connection: Connection) -> str:
    """A token that is another one after each removal; empty before the first."""
    return connection.execute(select(meta.c.value).where(meta.c.name == _REMOVED)).scalar() or ""


def remove_calls(connection: Connection, before: float) -> int:
    """Remove a batch of rows of the log that are older than `before`; how many there were."""
    rows = connection.execute(
        select(calls.c.id, calls.c.request).where(calls.c.started_at < before).order_by(calls.c.id).limit(BATCH)
    ).all()
    if rows:
        connection.execute(delete(calls).where(calls.c.id.in_([row.id for row in rows])))
        _collect(connection, {row.request for row in rows if row.request is not None})
    return len(rows)


def count_calls(connection: Connection, before: float) -> int:
    """Rows of the log that are older than `before`."""
    return int(connection.execute(select(func.count()).where(calls.c.started_at < before)).scalar_one())


def candidates(
    connection: Connection, chosen: Selection, *, by_use: bool, limit: int | None = CANDIDATES
) -> list[Candidate]:
    """The chosen recordings, those first that go first: the least recently used, or recorded.

    Their sizes are what they take up at most: as if they shared nothing with others.
    """
    served = (
        select(calls.c.recording_id, func.max(calls.c.started_at).label("last_used"))
        .where(calls.c.recording_id.is_not(None))
        .group_by(calls.c.recording_id)
        .subquery()
    )
    age = listing.last_used_of(served) if by_use else recordings.c.recorded_at
    joined = recordings.outerjoin(served, served.c.recording_id == recordings.c.id) if by_use else recordings
    query = (
        select(recordings.c.id, age.label("age"), func.length(recordings.c.pieces).label("arrival"), *MADE_OF)
        .select_from(joined)
        .where(listing.condition(chosen))
        .order_by("age", recordings.c.id)
        .limit(limit)
    )
    besides = _BESIDES[connection.dialect.name]
    found: list[Candidate] = []
    for rows in batched(connection.execute(query).all(), BATCH):
        sizes = _stored_sizes(connection, {one for row in rows for one in row[3:]})
        for row in rows:
            stored = sum(sizes.get(one, 0) for one in {row.document, row.request, row.body, row.completion})
            found.append(Candidate(row.id, row.age, stored + row.arrival + besides))
    return found


def chosen_ids(connection: Connection, chosen: Selection, *, by_use: bool) -> list[int]:
    """Ids of the chosen recordings, in no order; `by_use`: the times are those of their last use."""
    if not by_use or chosen.until is None:
        return list(connection.execute(select(recordings.c.id).where(listing.condition(chosen))).scalars())
    return [one.id for one in candidates(connection, chosen, by_use=True, limit=None) if one.last_used < chosen.until]


def orphans(connection: Connection) -> list[int]:
    """Ids of payloads that belong to nothing."""
    number = payload_table.c.id
    return list(connection.execute(select(number).where(number.not_in(payloads.needed()))).scalars())


def remove_orphans(connection: Connection, ids: Iterable[int]) -> tuple[int, int]:
    """Remove those of the payloads that still belong to nothing; how many there were, and their bytes."""
    return _collect(connection, {*ids})


def marks_astray(connection: Connection, after: int | None) -> tuple[list[tuple[int, int]], int | None]:
    """Marks that lead nowhere among the next ones, and the last that was looked at, `None` at the end."""
    later = [marks.c.mark > after] if after is not None else []
    last = connection.execute(
        select(marks.c.mark).where(*later).order_by(marks.c.mark).limit(1).offset(_MARKED)
    ).scalar()
    span = [*later, marks.c.mark <= last] if last is not None else later
    query = select(marks.c.mark, marks.c.recording_id).where(
        *span, marks.c.recording_id.not_in(select(recordings.c.id))
    )
    return [(row.mark, row.recording_id) for row in connection.execute(query)], last


def remove_marks(connection: Connection, astray: Sequence[tuple[int, int]]) -> None:
    """Remove these marks: ids are never used again, so what leads nowhere leads nowhere for ever."""
    statement = delete(marks).where(marks.c.mark == bindparam("one"), marks.c.recording_id == bindparam("of"))
    connection.execute(statement, [{"one": mark, "of": recording_id} for mark, recording_id in astray])


def _collect(connection: Connection, ids: set[int]) -> tuple[int, int]:
    """Remove those of the payloads that nobody needs, and what only they were a difference to.

    How many there were, and the bytes they took.
    """
    count, size = 0, 0
    while doomed := _not_needed(connection, ids):
        rows = connection.execute(_STORED, {"ids": [*doomed]}).all()
        connection.execute(_DELETE, {"ids": [*doomed]})
        count, size = count + len(rows), size + sum(row.stored for row in rows)
        ids = {row.base for row in rows if row.base is not None}
    return count, size


def _not_needed(connection: Connection, ids: set[int]) -> set[int]:
    doomed = ids - _used(connection, ids)
    while doomed:
        rows = connection.execute(_BUILT_ON, {"ids": [*doomed]}).all()
        needed = {row.base for row in rows if row.id not in doomed}
        if not needed:
            break
        doomed -= needed
    return doomed


def _used(connection: Connection, ids: set[int]) -> set[int]:
    """Those of the payloads that somebody has. No index helps: each table is looked through once."""
    wanted = {"ids": [*ids]}
    return {one for query in _HAVING for row in connection.execute(query, wanted) for one in row} & ids


def _stored_sizes(connection: Connection, ids: set[int]) -> dict[int, int]:
    return {row.id: row.stored for row in connection.execute(_STORED, {"ids": [*ids]})}


def _forget_marks(connection: Connection, documents: list[tuple[int, str, int]]) -> None:
    """Marks are known by what they were made of; those of a document that cannot be read are swept one day."""
    for recording_id, cassette, document in documents:
        try:
            found = sketch.marks(payloads.get(connection, [document])[document], cassette)
        except (StoreError, ValueError, LookupError, TypeError):
            continue
        connection.execute(delete(marks).where(marks.c.mark.in_(found), marks.c.recording_id == recording_id))


def announce(connection: Connection) -> None:
    """Tell whoever serves from the store that what is in memory may be wrong."""
    connection.execute(delete(meta).where(meta.c.name == _REMOVED))
    connection.execute(meta.insert().values(name=_REMOVED, value=str(uuid4())))
