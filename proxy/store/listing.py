"""Recordings as a list: the newest first, page by page, with what the log says about each."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, true, tuple_

from chatreel.errors import NotFound, StoreError
from chatreel.model import SERVED
from chatreel.selection import Selection, Subject
from chatreel.store import log, payloads
from chatreel.store.schema import calls, recordings
from chatreel.store.schema import payloads as payload_table

PAGE = 200
"""Recordings that are read at once."""

_EMPTY = select(payload_table.c.id).where(payload_table.c.digest == sha256(b"").digest()).scalar_subquery()
_ANSWER = case((recordings.c.completion == _EMPTY, recordings.c.body), else_=recordings.c.completion)
_SHOWN = [
    recordings.c[name]
    for name in (
        "id",
        "cassette",
        "key",
        "recorded_at",
        "model",
        "upstream",
        "path",
        "form",
        "status",
        "request",
        "body",
    )
] + [_ANSWER.label("answer")]
_NAMED = 5
"""Keys that are told of those that begin alike."""


@dataclass(frozen=True, slots=True)
class Use:
    """What the log and the other recordings say about one."""

    takes: int
    """Recordings of the same key in the same cassette, this one included."""
    hits: int
    """Calls that it answered."""
    last_used: float
    """Seconds since the epoch: when it last answered a call, else when it was recorded."""
    size: int
    """Bytes of its request and its response."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list."""

    id: int
    cassette: str
    key: str
    recorded_at: float
    model: str
    upstream: str
    path: str
    form: str
    status: int
    request: int
    """Id of its request, a payload."""
    body: int
    """Of its response."""
    answer: int
    """Of what was answered: the completion, or the response if it is none."""


def condition(chosen: Selection) -> ColumnElement[bool]:
    """What is true of the recordings that are chosen."""
    columns = recordings.c
    parts: list[ColumnElement[bool]] = []
    if chosen.model is not None:
        name = chosen.model.removesuffix("*")
        prefix = func.substr(columns.model, 1, len(name)) if chosen.model.endswith("*") else columns.model
        parts.append(prefix == name)
    if chosen.upstreams:
        parts.append(columns.upstream.in_(chosen.upstreams))
    if chosen.cassette is not None:
        parts.append(columns.cassette == chosen.cassette)
    if chosen.since is not None:
        parts.append(columns.recorded_at >= chosen.since)
    if chosen.until is not None:
        parts.append(columns.recorded_at < chosen.until)
    if chosen.ids is not None:
        parts.append(columns.id.in_(chosen.ids))
    return and_(true(), *parts)


def page(connection: Connection, chosen: Selection, before: tuple[float, int] | None) -> list[Listed]:
    """Up to `PAGE` recordings, the newest first. `before`: moment and id of the last one of the page before."""
    query = select(*_SHOWN).where(condition(chosen))
    if before is not None:
        query = query.where(tuple_(recordings.c.recorded_at, recordings.c.id) < before)
    ordered = query.order_by(recordings.c.recorded_at.desc(), recordings.c.id.desc()).limit(PAGE)
    return [Listed(*row) for row in connection.execute(ordered)]


def one(connection: Connection, recording_id: int) -> Listed:
    """A recording that has been found."""
    return Listed(*connection.execute(select(*_SHOWN).where(recordings.c.id == recording_id)).one())


def contents(connection: Connection, ids: Iterable[int]) -> dict[int, bytes]:
    """Contents of payloads by id; those that are damaged are left out."""
    wanted = {*ids}
    try:
        return payloads.get(connection, wanted)
    except StoreError:
        return {one: content for one in wanted for content in _readable(connection, one)}


def count(connection: Connection, chosen: Selection) -> int:
    return int(connection.execute(select(func.count()).select_from(recordings).where(condition(chosen))).scalar_one())


def uses(connection: Connection, listed: Iterable[Listed]) -> dict[int, Use]:
    """How each of these was used, by id."""
    known = {one.id: one for one in listed}
    sizes = _sizes(connection, {side for one in known.values() for side in (one.request, one.body)})
    served = _served(connection, known)
    takes = _takes(connection, {(one.cassette, one.key) for one in known.values()})
    return {
        one.id: Use(
            takes=takes[one.cassette, one.key],
            hits=served[one.id][0],
            last_used=max(one.recorded_at, served[one.id][1]),
            size=sizes.get(one.request, 0) + sizes.get(one.body, 0),
        )
        for one in known.values()
    }


def find(connection: Connection, subject: Subject) -> list[int]:
    """Ids of the recordings that are named, in the order of recording: one, or all takes of a key.

    Raises `NotFound` if there is none, or if several keys begin like that.
    """
    if subject.call_id is not None:
        return [_of_call(connection, subject.call_id)]
    if subject.id is not None:
        found = connection.execute(select(recordings.c.id).where(recordings.c.id == subject.id)).scalars().all()
    else:
        found = _by_key(connection, subject)
    if not found:
        raise NotFound(f"there is no recording {subject.text} in this store; `chatreel ls` lists them")
    return list(found)


def last_used_of(served: Any) -> ColumnElement[float]:
    """When a recording was last of use, given a join with what served it."""
    newest = func.coalesce(served.c.last_used, recordings.c.recorded_at)
    return case((newest > recordings.c.recorded_at, newest), else_=recordings.c.recorded_at)


def _of_call(connection: Connection, call_id: str) -> int:
    call = log.find(connection, call_id)
    if call is None:
        raise NotFound(f"there is no call {call_id} in the log of this store")
    if call.recording_id is None:
        raise NotFound(
            f"call {call_id} was {call.outcome}: no recording answered it and none was made. {call.reason} "
            f"Its request: chatreel explain {call_id}"
        )
    query = select(recordings.c.id).where(recordings.c.id == call.recording_id)
    if connection.execute(query).first() is None:
        raise NotFound(f"the recording {call.recording_id} of call {call_id} is no longer in this store")
    return call.recording_id


def _by_key(connection: Connection, subject: Subject) -> list[int]:
    text = subject.key or ""
    key = recordings.c.key
    # Hexadecimal digits and a colon: nothing in it means anything to LIKE.
    rows = connection.execute(
        select(key, recordings.c.id)
        .where(key.like(f"{text}%" if ":" in text else f"%:{text}%"))
        .order_by(recordings.c.id)
    ).all()
    keys = sorted({row.key for row in rows})
    if len(keys) > 1:
        shown = ", ".join(one[:19] for one in keys[:_NAMED])
        more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
        raise NotFound(f"{len(keys)} keys begin with {subject.text}: {shown}{more}. Give more digits")
    return [row.id for row in rows]


def _readable(connection: Connection, payload: int) -> list[bytes]:
    try:
        return [*payloads.get(connection, [payload]).values()]
    except StoreError:
        return []


def _sizes(connection: Connection, ids: set[int]) -> dict[int, int]:
    columns = payload_table.c
    rows = connection.execute(select(columns.id, columns.size).where(columns.id.in_(ids)))
    return {row.id: row.size for row in rows}


def _served(connection: Connection, ids: Iterable[int]) -> defaultdict[int, tuple[int, float]]:
    """Calls that each recording answered, and when the last call was that it answered or was made by."""
    answered = func.count().filter(calls.c.outcome.in_(SERVED))
    query = (
        select(calls.c.recording_id, answered, func.max(calls.c.started_at))
        .where(calls.c.recording_id.in_(ids))
        .group_by(calls.c.recording_id)
    )
    rows = {recording_id: (hits, last) for recording_id, hits, last in connection.execute(query)}
    return defaultdict(lambda: (0, 0.0), rows)


def _takes(connection: Connection, keys: set[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How many recordings each key of a cassette has."""
    query = (
        select(recordings.c.cassette, recordings.c.key, func.count())
        .where(
            recordings.c.cassette.in_({cassette for cassette, _ in keys}),
            recordings.c.key.in_({key for _, key in keys}),
        )
        .group_by(recordings.c.cassette, recordings.c.key)
    )
    return Counter({(cassette, key): number for cassette, key, number in connection.execute(query)})
