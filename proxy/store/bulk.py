"""Many rows of the log in one go.

The event loop wants the interpreter's lock all the time, and whoever gives it back for each row has to wait for it as
often. So rows of hits, of which there may be ten thousand a second, go to SQLite all together: what they have in common
as rows of a table that it keeps for the while, and what is their own as one JSON text.
"""

from collections.abc import Sequence
from enum import Enum, auto
from itertools import groupby
from typing import Any, Final, Protocol

import orjson
from sqlalchemy import Connection

from chatreel.store import log
from chatreel.store.alike import Hit
from chatreel.store.bases import Bases
from chatreel.store.call import OWN, PLAIN, Call
from chatreel.store.direct import is_direct


class Row(Protocol):
    """A call, or what adds up to one."""

    @property
    def call(self) -> Call: ...
    @property
    def is_plain(self) -> bool:
        """Whether its request is not kept, as that of nearly all."""

    @property
    def values(self) -> tuple[object, ...]:
        """What its columns hold, if it is plain, in the order of `PLAIN`."""


class _Way(Enum):
    """How a row gets there."""

    ALIKE = auto()
    PLAIN = auto()
    WHOLE = auto()


_COMMON: Final = PLAIN[len(OWN) :]
_INSERT = f"INSERT INTO calls ({', '.join(PLAIN)})"
_INSERT_PLAIN = f"{_INSERT} VALUES ({', '.join('?' for _ in PLAIN)})"
_MAKE_LIKES = f"CREATE TEMP TABLE IF NOT EXISTS likes (number INTEGER PRIMARY KEY, {', '.join(_COMMON)})"
_FORGET_LIKES = "DELETE FROM temp.likes"
_INSERT_LIKE = f"INSERT INTO temp.likes VALUES (?, {', '.join('?' for _ in _COMMON)})"  # noqa: S608
_OF_HIT = ", ".join(f"json_extract(hit.value, '$[{place}]')" for place in range(len(OWN)))
_OF_LIKE = ", ".join(f"likes.{name}" for name in _COMMON)
_INSERT_ALIKE = (
    f"{_INSERT} SELECT {_OF_HIT}, {_OF_LIKE} FROM json_each(?) hit "  # noqa: S608
    f"CROSS JOIN temp.likes ON likes.number = json_extract(hit.value, '$[{len(OWN)}]')"
)


def insert_all(connection: Connection, several: Sequence[Row], bases: Bases | None = None) -> None:
    """Add rows, as `log.insert` does each. SQLite gets them as they are: SQLAlchemy would take ten times as long."""
    on_sqlite = is_direct(connection)
    for way, run in groupby(several, lambda row: _way_of(row) if on_sqlite else _Way.WHOLE):
        rows: list[Any] = list(run)
        if way is _Way.ALIKE:
            _insert_hits(connection, rows)
        elif way is _Way.PLAIN:
            _insert_plain(connection, rows)
        else:
            for row in rows:
                log.insert(connection, row.call, bases)


def _way_of(row: Row) -> _Way:
    if isinstance(row, Hit):
        return _Way.ALIKE
    return _Way.PLAIN if row.is_plain else _Way.WHOLE


def _insert_plain(connection: Connection, rows: Sequence[Row]) -> None:
    connection.exec_driver_sql(_INSERT_PLAIN, [row.values for row in rows])


def _insert_hits(connection: Connection, hits: Sequence[Hit]) -> None:
    numbers: dict[Any, int] = {}
    own = [(*hit[1:], numbers.setdefault(hit.like, len(numbers))) for hit in hits]
    if 2 * len(numbers) > len(hits):
        _insert_plain(connection, hits)
        return
    connection.exec_driver_sql(_MAKE_LIKES)
    connection.exec_driver_sql(_FORGET_LIKES)
    connection.exec_driver_sql(_INSERT_LIKE, [(number, *like.values) for like, number in numbers.items()])
    connection.exec_driver_sql(_INSERT_ALIKE, (orjson.dumps(own).decode(),))
