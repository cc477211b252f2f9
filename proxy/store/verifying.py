"""Reading a whole store for `chatreel verify`: every recording, every payload, and what the database says of itself."""

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from chatreel.errors import StoreError
from chatreel.model import Recording
from chatreel.store import payloads, recordings
from chatreel.store.schema import calls
from chatreel.store.schema import recordings as table

_BATCH = 200

_CHECKS = {"sqlite": "PRAGMA integrity_check"}
"""Of a database, by its engine. PostgreSQL checks its pages itself where it was set up to."""


def batch(connection: Connection, after: int) -> list[tuple[int, Recording | str]]:
    """Recordings with ids beyond `after`, in order, each as it is or with what is wrong with it; none at the end."""
    rows = connection.execute(select(table).where(table.c.id > after).order_by(table.c.id).limit(_BATCH)).all()
    try:
        ids = {one for row in rows for one in (row.document, row.request, row.body, row.completion)}
        contents = payloads.get(connection, ids)
        return [(row.id, recordings.assemble(row, contents)) for row in rows]
    except StoreError:
        return [(row.id, _one(connection, row.id)) for row in rows]


def refused(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield calls whose request cannot be read, and why."""
    query = select(calls.c.call_id, calls.c.request).where(calls.c.request.is_not(None)).order_by(calls.c.id)
    for row in connection.execute(query).all():
        try:
            payloads.get(connection, [row.request])
        except StoreError as error:
            yield row.call_id, str(error)


def total(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def integrity(connection: Connection) -> list[str]:
    """What the database finds wrong with its own pages."""
    check = _CHECKS.get(connection.dialect.name)
    found = connection.exec_driver_sql(check).scalars().all() if check else []
    return [line for line in found if line != "ok"]


def _one(connection: Connection, recording_id: int) -> Recording | str:
    try:
        return recordings.load(connection, recording_id)
    except StoreError as error:
        return str(error)
