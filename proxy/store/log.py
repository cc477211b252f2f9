"""The log of calls: rows in, rows out."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy import Row as Found

from chatreel.facts import Facts
from chatreel.model import Mode, Outcome
from chatreel.store import payloads
from chatreel.store.bases import Bases
from chatreel.store.call import CHARGE_MEMBERS, FACTS_MEMBERS, OWN_MEMBERS, Call, Charge, usage_column
from chatreel.store.schema import calls
from chatreel.store.usual import usage_of

_COLUMNS = [calls.c[name] for name in (*OWN_MEMBERS, *FACTS_MEMBERS, *CHARGE_MEMBERS)]


def insert(connection: Connection, call: Call, bases: Bases | None = None) -> None:
    """Add a row. `bases`: as for `chatreel.store.recordings.insert`."""
    row = _values(call, OWN_MEMBERS) | priced_values(call)
    if call.request is not None:
        route = (call.upstream, call.path, call.tenant)
        row["request"] = (bases or Bases()).put_alone(connection, "request", route, call.request, call.request)
    connection.execute(calls.insert(), row)


def find(connection: Connection, call_id: str) -> Call | None:
    """The call of that id. Raises `StoreError` if its request is damaged."""
    row = connection.execute(select(*_COLUMNS).where(calls.c.call_id == call_id)).one_or_none()
    return _call(connection, row) if row else None


def misses(connection: Connection, cassette: str, limit: int) -> list[Call]:
    """The newest calls of a cassette that no recording answered, the newest first, `limit` of them at most."""
    missed = calls.c.outcome.in_([Outcome.RECORDED, Outcome.REFUSED]) & calls.c.key.is_not(None)
    query = select(*_COLUMNS).where(missed, calls.c.cassette == cassette).order_by(calls.c.id.desc()).limit(limit)
    return [_call(connection, row) for row in connection.execute(query).all()]


def page(
    connection: Connection, after: int, limit: int, *, since: float | None = None, until: float | None = None
) -> list[tuple[int, Call]]:
    """Rows that follow the one with id `after`, each with its id; bodies of refused calls are left out."""
    query = select(calls.c.id, *_COLUMNS).where(calls.c.id > after).order_by(calls.c.id).limit(limit)
    if since is not None:
        query = query.where(calls.c.started_at >= since)
    if until is not None:
        query = query.where(calls.c.started_at < until)
    return [(row.id, _call_without_body(row)) for row in connection.execute(query)]


def priced_values(call: Call) -> dict[str, Any]:
    """The columns `PRICED` of a row."""
    return (
        _values(call.facts, FACTS_MEMBERS) | _values(call.charge, CHARGE_MEMBERS) | {"usage": usage_column(call.facts)}
    )


def _call(connection: Connection, row: Found[Any]) -> Call:
    body = row.request
    content = payloads.get(connection, [body])[body] if body is not None else None
    return replace(_call_without_body(row), request=content)


def _call_without_body(row: Found[Any]) -> Call:
    answered = any(value is not None for value in (row.usage, row.finish_reason, row.model_served))
    usage = usage_of(bytes(row.usage)) if row.usage is not None else None
    facts = Facts(**_values(row, FACTS_MEMBERS) | {"usage": usage}, answered=answered)
    charge = Charge(**_values(row, CHARGE_MEMBERS))
    members = {"outcome": Outcome(row.outcome), "mode": Mode(row.mode), "request": None}
    return Call(**_values(row, OWN_MEMBERS) | members, facts=facts, charge=charge)


def _values(holder: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(holder, name) for name in names}
