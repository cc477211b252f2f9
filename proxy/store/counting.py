"""What the log and the tables amount to, in numbers."""

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select, text

from chatreel.figures import Kind
from chatreel.model import Outcome
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


def latencies(connection: Connection, since: float) -> dict[Kind, list[tuple[float, float]]]:
    """Moment and latency of every call since then, in seconds, by kind."""
    kinds = select(calls.c.outcome, calls.c.model, calls.c.upstream).distinct()
    found = {}
    for row in connection.execute(kinds).all():
        same = (calls.c.outcome == row.outcome, calls.c.model == row.model, calls.c.upstream == row.upstream)
        result = connection.execute(
            select(calls.c.started_at, calls.c.latency).where(*same, calls.c.started_at >= since)
        )
        # Straight from the driver: there may be hundreds of thousands, and two floats need no conversion.
        if times := list(result.cursor.fetchall()):
            found[Kind(Outcome(row.outcome), row.model, row.upstream)] = times
    return found


def seconds_saved(connection: Connection, since: float) -> float:
    """What the hits since then would have taken upstream, less what they took.

    Upstream is what the call took that made the recording; a hit on one that no row of the log has made counts nothing.
    """
    hit = (calls.c.outcome == Outcome.HIT) & (calls.c.started_at >= since)
    made = func.max(case((calls.c.outcome == Outcome.RECORDED, calls.c.latency)))
    gain = made * func.count(case((hit, 1))) - func.sum(case((hit, calls.c.latency), else_=0.0))
    by_recording = (
        select(gain.label("gain")).where(calls.c.recording_id.is_not(None)).group_by(calls.c.recording_id).subquery()
    )
    total = select(func.sum(by_recording.c.gain)).where(by_recording.c.gain > 0)
    return float(connection.execute(total).scalar() or 0.0)
