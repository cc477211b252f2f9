"""Giving all recordings of a store the keys that today's rules make: all of them, or none."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from chatreel.errors import Malformed, NotKeyable
from chatreel.model import Identity
from chatreel.store import neighbours, payloads, removing
from chatreel.store.database import lock, open_engine, store_url
from chatreel.store.recordings import Memory
from chatreel.store.schema import KEYED_BY, marks, meta, recordings

_BATCH = 500
_MADE_OF = [recordings.c[name] for name in ("upstream", "path", "query", "tenant", "request")]
_ROWS = (
    select(recordings.c.id, recordings.c.cassette, recordings.c.key, recordings.c.document, *_MADE_OF)
    .where(recordings.c.id > bindparam("after"))
    .order_by(recordings.c.id)
    .limit(_BATCH)
)
_UPDATE = (
    update(recordings)
    .where(recordings.c.id == bindparam("row"))
    .values(key=bindparam("new_key"), document=bindparam("new_document"))
)


@dataclass(frozen=True, slots=True)
class Keyed:
    """What the key of a recording is made of."""

    upstream: str
    path: str
    query: str
    tenant: str | None
    request: bytes


@dataclass(slots=True)
class Rekeyed:
    """What became of the keys of a store."""

    recordings: int = 0
    changed: int = 0
    """Recordings that have another key now."""
    kept: list[tuple[int, str]] = field(default_factory=list)
    """Recordings whose request has no key by today's rules, and why: they keep the one they had."""
    _new: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    _old: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def count(self, cassette: str, old: str, new: str) -> None:
        """A recording of the cassette went from one key to another, or kept it."""
        self.recordings += 1
        self.changed += old != new
        self._new[cassette, old].add(new)
        self._old[cassette, new].add(old)

    @property
    def merged(self) -> tuple[int, int]:
        """How many keys became the same as others, and how many keys they became."""
        return _shared(self._old)

    @property
    def split(self) -> tuple[int, int]:
        """How many keys became several, and how many those are."""
        several, keys = _shared(self._new)
        return keys, several


def rekey(
    location: str,
    identify: Callable[[Keyed], Identity],
    keyed_by: str,
    *,
    dry_run: bool,
    progress: Callable[[int, int], None],
) -> Rekeyed:
    """Make all keys anew, in one transaction. `progress` is told how many recordings of how many are done.

    Raises `StoreError` if the store cannot be read or written: then nothing has changed.
    """
    engine = open_engine(store_url(location))
    try:
        with engine.connect() as connection:
            lock(connection, alone=True)  # nobody adds a recording meanwhile
            report = _rekey(connection, identify, progress)
            if not dry_run:
                _finish(connection, keyed_by)
                connection.commit()
    finally:
        engine.dispose()
    return report


def _rekey(
    connection: Connection, identify: Callable[[Keyed], Identity], progress: Callable[[int, int], None]
) -> Rekeyed:
    report = Rekeyed()
    total = connection.execute(select(func.count()).select_from(recordings)).scalar_one()
    connection.execute(delete(marks))
    memory = Memory()
    for row, request in _rows(connection):
        members = Keyed(row.upstream, row.path, row.query, row.tenant, request)
        try:
            identity = identify(members)
        except (Malformed, NotKeyable) as error:
            report.kept.append((row.id, str(error)))
            as_it_is = payloads.get(connection, [row.document])[row.document]
            neighbours.index(connection, [neighbours.Findable(row.cassette, row.id, as_it_is)])
            continue
        route = (row.upstream, row.path, row.tenant)
        document = memory.bases.put_alone(connection, "document", route, request, identity.document)
        if (identity.key, document) != (row.key, row.document):
            connection.execute(_UPDATE, {"row": row.id, "new_key": identity.key, "new_document": document})
        findable = neighbours.Findable(row.cassette, row.id, identity.document)
        neighbours.index(connection, [findable], memory.frequencies)
        report.count(row.cassette, row.key, identity.key)
        progress(report.recordings, total)
    return report


def _rows(connection: Connection) -> Iterator[tuple[Any, bytes]]:
    after = 0
    while rows := connection.execute(_ROWS, {"after": after}).all():
        contents = payloads.get(connection, {row.request for row in rows})
        for row in rows:
            yield row, contents[row.request]
        after = rows[-1].id


def _finish(connection: Connection, keyed_by: str) -> None:
    """Say how keys are made now, and let go of the documents that nobody has any more."""
    connection.execute(delete(meta).where(meta.c.name == KEYED_BY))
    connection.execute(meta.insert().values(name=KEYED_BY, value=keyed_by))
    removing.announce(connection)
    payloads.collect_garbage(connection)


def _shared(keys: dict[tuple[str, str], set[str]]) -> tuple[int, int]:
    """How many there are in the sets of several, and how many such sets."""
    several = [found for found in keys.values() if len(found) > 1]
    return sum(map(len, several)), len(several)
