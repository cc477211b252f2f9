"""Who of several proxies on one store fetches a recording that all of them miss: a row for as long as it takes."""

import time

from sqlalchemy import ColumnElement, Connection, Double, bindparam, cast, delete, extract, func, literal, or_

from chatreel.store.adding import insert_into
from chatreel.store.schema import leases


def acquire(connection: Connection, cassette: str, key: str, owner: str, seconds: float) -> bool:
    """Whether `owner` leads from now on, for so many seconds at most: nobody else does, or no longer."""
    now = _now(connection)
    row = {"cassette": cassette, "key": key, "owner": owner, "expires_at": now + seconds}
    statement = insert_into(connection, leases).values(row)
    statement = statement.on_conflict_do_update(
        index_elements=[leases.c.cassette, leases.c.key],
        set_={"owner": statement.excluded.owner, "expires_at": statement.excluded.expires_at},
        where=or_(leases.c.expires_at <= now, leases.c.owner == owner),
    )
    return connection.execute(statement.returning(leases.c.owner)).first() is not None


_RELEASE = delete(leases).where(
    leases.c.cassette == bindparam("of_cassette"),
    leases.c.key == bindparam("of_key"),
    leases.c.owner == bindparam("by"),
)


def release(connection: Connection, cassette: str, key: str, owner: str) -> None:
    """Somebody else may lead. Nothing happens if somebody else already does."""
    connection.execute(_RELEASE, {"of_cassette": cassette, "of_key": key, "by": owner})


def release_all(connection: Connection, begins: str) -> None:
    """The same of all keys, for the owners whose names begin so."""
    connection.execute(delete(leases).where(leases.c.owner.startswith(begins, autoescape=True)))


def _now(connection: Connection) -> ColumnElement[float]:
    """The clock that all who share the store share: that of the server, or of the machine that the file is on."""
    if connection.dialect.name == "sqlite":
        return literal(time.time(), Double)
    return cast(extract("epoch", func.clock_timestamp()), Double)
