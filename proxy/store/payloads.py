"""How bytes lie in the store: found by the digest of their content, each content once, and known by an id.

An id is given once: it leads to the content it was given to, or nowhere. A content is stored alone or as a difference
to another, its base, which is stored before it and kept as long as it is needed. So there are chains, and they end;
`chatreel.store.bases` sees to it that they are short.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, MetaData, Select, Table, bindparam, delete, exists, select, union

from chatreel.errors import StoreError
from chatreel.store.adding import Adding
from chatreel.store.chains import Chains
from chatreel.store.schema import calls, payloads, recordings
from chatreel.store.series import Base, based_on

_CHAIN = (
    select(payloads.c.id, payloads.c.base)
    .where(payloads.c.id.in_(bindparam("wanted", expanding=True)))
    .cte("chain", recursive=True)
)
_NEXT = select(payloads.c.id, payloads.c.base).where(payloads.c.id == _CHAIN.c.base)
_ROWS = select(payloads.c.id, payloads.c.digest, payloads.c.codec, payloads.c.data, payloads.c.base).where(
    payloads.c.id.in_(select(_CHAIN.union(_NEXT).c.id))
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

    id: int
    base: Base
    """It may be the base of others, and what is below it is as it lies in the store, if it was added."""
    added: bool
    """Whether it was not there before."""


def put(connection: Connection, contents: Iterable[bytes]) -> list[int]:
    """Store what is not there yet, each alone; the ids, in the order of `contents`."""
    return [stored.id for stored in add(connection, map(New, contents))]


def add(connection: Connection, several: Iterable[New]) -> list[Stored]:
    """Store what is not there yet, inside a transaction of `chatreel.store.database.writing`.

    In the order of `several`, in which one may have an earlier one as its base.
    """
    contents = [(based_on(new.content), new.base) for new in several]
    wanted = {one.digest for content, base in contents for one in (content, base) if one}
    adding = Adding(connection, wanted)
    added = [adding.put(content, base) for content, base in contents]
    ids = adding.write()
    return [Stored(ids[one.base.digest], one.base, one.added) for one in added]


def get(connection: Connection, ids: Iterable[int]) -> dict[int, bytes]:
    """Contents by id. Raises `StoreError` if one, or what it is a difference to, is missing or damaged."""
    wanted = set(ids)
    rows = {row.id: row for row in connection.execute(_ROWS, {"wanted": [*wanted]})}
    if missing := wanted - rows.keys():
        raise StoreError(f"the store has lost {len(missing)} payloads, the first is {min(missing)}")
    return Chains(rows).contents(wanted)


MADE_OF: list[Column[int]] = [recordings.c[name] for name in ("document", "request", "body", "completion")]
"""Ids of the payloads that are a recording."""
_REFERENCES = [*MADE_OF, calls.c.request]


def needed() -> Select[tuple[int]]:
    """Ids of the payloads that somebody needs: a recording, a call, or another that is needed."""
    roots = union(*(select(column.label("id")).where(column.is_not(None)) for column in _REFERENCES)).subquery()
    needed = select(roots.c.id).cte("needed", recursive=True)
    bases = select(payloads.c.base).where(payloads.c.id == needed.c.id, payloads.c.base.is_not(None))
    return select(needed.union(bases).c.id)


_NEEDED = Table("needed_payloads", MetaData(), Column("id", BigInteger, primary_key=True), prefixes=["TEMPORARY"])


def collect_garbage(connection: Connection) -> int:
    """Delete the payloads that nothing needs: no recording, no call, no payload that is kept. How many those were.

    The transaction has to be one that nobody writes beside: `chatreel.store.database.writing(engine, alone=True)`.
    """
    _NEEDED.create(connection)
    connection.execute(_NEEDED.insert().from_select(["id"], needed()))
    is_needed = exists().where(_NEEDED.c.id == payloads.c.id)
    deleted = connection.execute(delete(payloads).where(~is_needed)).rowcount
    _NEEDED.drop(connection)
    return deleted
