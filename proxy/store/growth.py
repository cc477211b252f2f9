"""How a store came to be as large as it is."""

from sqlalchemy import Connection, func, select

from chatreel.figures import DAY
from chatreel.store.counting import day_of
from chatreel.store.schema import payloads, recordings

_ASKED, _ANSWERED = payloads.alias("asked"), payloads.alias("answered")


def growth(connection: Connection) -> list[tuple[float, int, int]]:
    """For each day: seconds since the epoch at its beginning, recordings of it, bytes of their requests and responses.

    Of those that are still there, as they travelled.
    """
    day = day_of(recordings.c.recorded_at, connection.dialect.name).label("day")
    query = (
        select(day, func.count(), func.sum(_ASKED.c.size + _ANSWERED.c.size))
        .join(_ASKED, _ASKED.c.id == recordings.c.request)
        .join(_ANSWERED, _ANSWERED.c.id == recordings.c.body)
        .group_by(day)
        .order_by(day)
    )
    return [(float(number) * DAY, int(count), int(size)) for number, count, size in connection.execute(query)]
