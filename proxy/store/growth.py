"""How a store came to be as large as it is."""

from typing import Final

from sqlalchemy import Connection, text

_DAY: Final = {"sqlite": "CAST(r.recorded_at / 86400 AS INTEGER)", "postgresql": "floor(r.recorded_at / 86400)::BIGINT"}
_GROWTH: Final = """
SELECT {day}, count(*), sum(asked.size + answered.size) FROM recordings AS r
JOIN payloads AS asked ON asked.digest = r.request JOIN payloads AS answered ON answered.digest = r.body
GROUP BY 1 ORDER BY 1
"""


def growth(connection: Connection) -> list[tuple[float, int, int]]:
    """For each day: seconds since the epoch at its beginning, recordings of it, bytes of their requests and responses.

    Of those that are still there, as they travelled.
    """
    rows = connection.execute(text(_GROWTH.format(day=_DAY[connection.dialect.name])))
    return [(float(day) * 86_400, int(number), int(size)) for day, number, size in rows]
