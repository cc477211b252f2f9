"""What the log and the tables amount to, in numbers."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, case, cast, func, select, text

from chatreel.figures import DAY
from chatreel.model import SERVED, UPSTREAM, Outcome
from chatreel.store.schema import calls, payloads, recordings

_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}
_USED = {
    "sqlite": "SELECT (page_count - freelist_count) * page_size"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    # What is deleted leaves the files of a server's tables late or never, so its payloads are what counts.
    "postgresql": "SELECT coalesce(sum(length(data)), 0) FROM payloads",
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What there is in a store."""

    recordings: int
    payloads: int
    content: int
    """Bytes of all payloads as they travelled, each counted once."""
    stored: int
    """Bytes of them as they lie in the store."""
    size: int
    """Bytes of the database."""


def contents(connection: Connection) -> Contents:
    content, stored, number = connection.execute(
        select(
            func.coalesce(func.sum(payloads.c.size), 0),
            func.coalesce(func.sum(func.length(payloads.c.data)), 0),
            func.count(),
        )
    ).one()
    count = connection.execute(select(func.count()).select_from(recordings)).scalar_one()
    return Contents(int(count), int(number), int(content), int(stored), size(connection))


def size(connection: Connection) -> int:
    """Bytes of the database, what is free in it included."""
    return int(connection.execute(text(_SIZE[connection.dialect.name])).scalar_one())


def used(connection: Connection) -> int:
    """Bytes that are in use: what has been removed does not count, even if the file is as large as before."""
    return int(connection.execute(text(_USED[connection.dialect.name])).scalar_one())


@dataclass(frozen=True, slots=True)
class Alike:
    """Calls that have all of this in common, and what they came to."""

    outcome: Outcome
    model: str
    upstream: str
    tags: str | None
    """As in the log."""
    day: int
    """Since the epoch, UTC."""
    latencies: list[float]
    """Seconds, of each call."""
    known: int
    """Billionths of a USD, as far as it is known: paid upstream, or spared where a recording answered."""
    priced: int
    """Calls with an answer whose price is known."""
    unpriced: int
    """And those with one whose price is not."""


def day_of(moment: ColumnElement[float], engine: str) -> ColumnElement[int]:
    """Days since the epoch, UTC, of a column of seconds."""
    days = moment / DAY
    return cast(days if engine == "sqlite" else func.floor(days), Integer)  # SQLite truncates, PostgreSQL rounds


def alike(connection: Connection, since: float) -> list[Alike]:
    """The calls since then, put together."""
    day = day_of(calls.c.started_at, connection.dialect.name)
    same = (calls.c.outcome, calls.c.model, calls.c.upstream, calls.c.tags, day)
    priced, unpriced = (case((which, 1), else_=0) for which in (calls.c.price_source.is_not(None), _is_unpriced()))
    query = select(*same, calls.c.latency, func.coalesce(_worth(), 0), priced, unpriced)
    if since > 0:
        query = query.where(calls.c.started_at >= since)
    found: dict[tuple[Any, ...], tuple[list[float], list[int]]] = {}
    # Straight from the driver, and put together here: there may be hundreds of thousands, and nothing is as fast.
    for outcome, model, upstream, tags, at, latency, known, is_priced, is_unpriced in connection.execute(
        query
    ).cursor.fetchall():
        key = (outcome, model, upstream, tags, at)
        if (group := found.get(key)) is None:
            group = found[key] = ([], [0, 0, 0])
        latencies, sums = group
        latencies.append(latency)
        sums[0] += known
        sums[1] += is_priced
        sums[2] += is_unpriced
    return [
        Alike(Outcome(outcome), model, upstream, tags, at, latencies, *sums)
        for (outcome, model, upstream, tags, at), (latencies, sums) in found.items()
    ]


def _worth() -> ColumnElement[int]:
    """What a call cost, or would have."""
    return case((calls.c.outcome.in_(sorted(SERVED)), calls.c.saved), else_=calls.c.cost)


def _is_unpriced() -> ColumnElement[bool]:
    """Whether a call cost something nobody knows. Rows of an older version may not say why."""
    silent = _worth().is_(None) & calls.c.outcome.not_in([Outcome.FAILED, Outcome.REFUSED])
    return calls.c.unpriced.is_not(None) | silent


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls with the same tags cost upstream."""

    tags: str | None
    """As in the log."""
    known: int
    """Billionths of a USD, as far as it is known."""
    unpriced: int
    """Calls of unknown price."""


def spent(connection: Connection, since: float, after: int, upto: int) -> list[Spent]:
    """Of the rows with ids from `after`, exclusive, to `upto`: the calls that were over then or later.

    None takes a day.
    """
    known = func.coalesce(func.sum(calls.c.cost), 0)
    query = (
        select(calls.c.tags, known, func.count(case((_is_unpriced(), 1))))
        .where(calls.c.id > after, calls.c.id <= upto, calls.c.started_at + calls.c.latency >= since)
        .where(calls.c.started_at >= since - DAY, calls.c.outcome.in_(sorted(UPSTREAM)))
        .group_by(calls.c.tags)
    )
    return [Spent(tags, int(cost), int(unpriced)) for tags, cost, unpriced in connection.execute(query)]


def last_call(connection: Connection) -> int:
    """Number of the newest row of the log; 0 if there is none."""
    return int(connection.execute(select(func.max(calls.c.id))).scalar() or 0)


def seconds_saved(connection: Connection, since: float) -> float:
    """What hits would have taken upstream, less what they took; none of them counts less than nothing."""
    gain = calls.c.spared - calls.c.latency
    query = select(func.sum(gain)).where(calls.c.outcome == Outcome.HIT, calls.c.started_at >= since, gain > 0)
    return float(connection.execute(query).scalar() or 0.0)
