"""The log of calls: rows in, rows out."""

from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy import Row as Found

from chatreel.facts import NO_FACTS, Facts
from chatreel.model import Mode, Outcome
from chatreel.store import payloads
from chatreel.store.bases import Bases
from chatreel.store.schema import calls
from chatreel.store.usual import packed_usage, usage_of


@dataclass(frozen=True, slots=True)
class Charge:
    """Money, in billionths of a USD. `None`: not known, which is not 0."""

    cost: int | None = None
    """Paid upstream for this call."""
    saved: int | None = None
    """What would have been paid for what was served from a recording."""
    price_source: str | None = None
    price_version: str | None = None
    price_model: str | None = None
    """The entry of the price list that was used."""
    unpriced: str | None = None
    """Why an answer has no price."""


NOT_CHARGED = Charge()


@dataclass(slots=True)
class Call:
    """One row of the log. Times in seconds; `None` where a thing did not happen.

    Not frozen, since it is completed before it is written, and since to make one that is takes three times as long.
    """

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
    session_name: str | None = None
    """Of the test or the run."""
    tags: str | None = None
    """JSON object of texts; see `chatreel.tags`."""
    upstream_time: float | None = None
    """From the request going upstream to the last byte of its answer."""
    spared: float | None = None
    """What the upstream took when what was served was recorded."""
    miss_reason: str | None = None
    """Why no recording answered."""
    prompt: str | None = None
    """Digest of the messages alone."""
    facts: Facts = NO_FACTS
    """What the answer says; that of the recording if one was served."""
    charge: Charge = NOT_CHARGED

    @property
    def call(self) -> "Call":
        """As `chatreel.store.bulk.Row` has it."""
        return self

    @property
    def is_plain(self) -> bool:
        return self.request is None

    @property
    def values(self) -> tuple[object, ...]:
        """What its columns hold, in the order of `PLAIN`."""
        return _OWN_PLAIN(self) + _FACTS_BUT_USAGE(self.facts) + (_usage(self.facts),) + _CHARGE_OF(self.charge)


OWN = ("call_id", "started_at", "latency", "take")
"""Members in which calls differ that one recording has answered alike. Rows and lines begin with them."""
_APART = ("facts", "charge")
"""Members of a call whose members are columns of their own."""
_OWN = (*OWN, *(field.name for field in fields(Call) if field.name not in (*OWN, *_APART)))
_FACTS = (*(field.name for field in fields(Facts) if field.name in calls.c and field.name != "usage"), "usage")
_CHARGE = tuple(field.name for field in fields(Charge))
_COLUMNS = [calls.c[name] for name in (*_OWN, *_FACTS, *_CHARGE)]


_PLAIN = tuple(name for name in _OWN if name != "request")
_OWN_PLAIN = attrgetter(*(f"{name}.value" if name in ("outcome", "mode") else name for name in _PLAIN))
_FACTS_BUT_USAGE, _CHARGE_OF = attrgetter(*_FACTS[:-1]), attrgetter(*_CHARGE)
PLAIN: Final = (*_PLAIN, *_FACTS, *_CHARGE)
"""Columns of a call whose request is not kept, as that of nearly all; `OWN` come first."""

PRICED = (*_FACTS, *_CHARGE)
"""Columns that follow from what was answered."""


def insert(connection: Connection, call: Call, bases: Bases | None = None) -> None:
    """Add a row. `bases`: as for `chatreel.store.recordings.insert`."""
    row = _values(call, _OWN) | priced_values(call)
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
    return _values(call.facts, _FACTS) | _values(call.charge, _CHARGE) | {"usage": _usage(call.facts)}


def _call(connection: Connection, row: Found[Any]) -> Call:
    body = row.request
    content = payloads.get(connection, [body])[body] if body is not None else None
    return replace(_call_without_body(row), request=content)


def _call_without_body(row: Found[Any]) -> Call:
    answered = any(value is not None for value in (row.usage, row.finish_reason, row.model_served))
    usage = usage_of(bytes(row.usage)) if row.usage is not None else None
    facts = Facts(**_values(row, _FACTS) | {"usage": usage}, answered=answered)
    charge = Charge(**_values(row, _CHARGE))
    members = {"outcome": Outcome(row.outcome), "mode": Mode(row.mode), "request": None}
    return Call(**_values(row, _OWN) | members, facts=facts, charge=charge)


def _usage(facts: Facts) -> bytes | None:
    return packed_usage(facts.usage) if facts.usage is not None else None


def _values(holder: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(holder, name) for name in names}
