"""The log of calls: rows in, rows out."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from chatreel.model import Mode, Outcome
from chatreel.store import payloads
from chatreel.store.bases import Bases
from chatreel.store.schema import calls


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the log. Times in seconds; `None` where a thing did not happen."""

    call_id: str
    started_at: float
    outcome: Outcome
    reason: str
    mode: Mode
    cassette: str
    upstream: str
    path: str
    model: str
    stream: bool
    status: int | None
    key: str | None
    recording_id: int | None
    latency: float
    first_piece: float | None
    query: str = ""
    """Less what carries credentials."""
    tenant: str | None = None
    """As in `Recording`."""
    request: bytes | None = field(default=None, repr=False)
    """Body of a refused call: what was recorded has it in its recording."""
    session: str = ""
    """Id of the session; empty for the default one."""
    take: int | None = None
    """Number of the take that was served, from 1."""


_COLUMNS = [calls.c[field.name] for field in fields(Call)]


def insert(connection: Connection, call: Call, bases: Bases | None = None) -> None:
    """Add a row. `bases`: as for `chatreel.store.recordings.insert`."""
    digest = None
    if call.request is not None:
        route = (call.upstream, call.path, call.tenant)
        digest = (bases or Bases()).put_alone(connection, "request", route, call.request, call.request)
    connection.execute(calls.insert(), asdict(replace(call, request=None)) | {"request": digest})


def find(connection: Connection, call_id: str) -> Call | None:
    """The call of that id. Raises `StoreError` if its request is damaged."""
    row = connection.execute(select(*_COLUMNS).where(calls.c.call_id == call_id)).one_or_none()
    return _call(connection, row) if row else None


def misses(connection: Connection, cassette: str, limit: int) -> list[Call]:
    """The newest calls of a cassette that no recording answered, the newest first, `limit` of them at most."""
    missed = calls.c.outcome.in_([Outcome.RECORDED, Outcome.REFUSED]) & calls.c.key.is_not(None)
    query = select(*_COLUMNS).where(missed, calls.c.cassette == cassette).order_by(calls.c.id.desc()).limit(limit)
    return [_call(connection, row) for row in connection.execute(query).all()]


def _call(connection: Connection, row: Row[Any]) -> Call:
    digest = row.request
    content = payloads.get(connection, [digest])[digest] if digest is not None else None
    members = row._asdict() | {"outcome": Outcome(row.outcome), "mode": Mode(row.mode), "request": content}
    return Call(**members)
