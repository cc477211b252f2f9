"""The store as one sees it who looks after it: no event loop, nothing kept in memory, each look one snapshot."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from chatreel.errors import StoreError
from chatreel.eviction import Candidate
from chatreel.model import Neighbour, Recording
from chatreel.selection import Selection, Subject
from chatreel.store import counting, growth, listing, log, neighbours, recordings, removing, shrinking, verifying
from chatreel.store.call import Call
from chatreel.store.database import open_engine, reason_of, require_store, store_url, writing
from chatreel.store.listing import Listed, Use
from chatreel.store.removing import Removed
from chatreel.store.shrinking import Shrunk

_BEGIN = {
    "sqlite": ("PRAGMA query_only=ON", "BEGIN"),
    "postgresql": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",),
}
"""Statements after which a connection sees one state of the store, and can change nothing."""


class Archive:
    """A store that exists. Every method raises `StoreError` if the database fails."""

    def __init__(self, location: str) -> None:
        """Open a store. Raises `StoreError` if there is none, or none of this version."""
        require_store(location)
        self._engine = open_engine(store_url(location))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.dispose()

    def find(self, subject: Subject) -> list[int]:
        """See `chatreel.store.listing.find`. Raises `NotFound`."""
        return self._look(listing.find, subject)

    def load(self, recording_id: int) -> tuple[Recording, Use, int]:
        """A recording that has been found, how it was used, and the number of its take, from 1.

        Raises `StoreError` if it is damaged.
        """
        return self._look(_load, recording_id)

    def pages(self, chosen: Selection) -> Iterator[list[tuple[Listed, Use]]]:
        """Yield the chosen recordings, the newest first, a page at a time."""
        before: tuple[float, int] | None = None
        while rows := self._look(_page, chosen, before):
            yield rows
            before = (rows[-1][0].recorded_at, rows[-1][0].id)

    def count(self, chosen: Selection) -> int:
        """How many recordings are chosen."""
        return self._look(listing.count, chosen)

    def contents(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Contents of payloads by id; those that are damaged are left out."""
        return self._look(listing.contents, ids)

    def call(self, call_id: str) -> Call | None:
        """The row of the log with that id."""
        return self._look(log.find, call_id)

    def alike(self, since: float) -> list[counting.Alike]:
        """See `chatreel.store.counting.alike`."""
        return self._look(counting.alike, since)

    def seconds_saved(self, since: float) -> float:
        """See `chatreel.store.counting.seconds_saved`."""
        return self._look(counting.seconds_saved, since)

    def totals(self) -> counting.Contents:
        """What there is in the store."""
        return self._look(counting.contents)

    def growth(self) -> list[tuple[float, int, int]]:
        """See `chatreel.store.growth`."""
        return self._look(growth.growth)

    def near(self, cassette: str, document: bytes, limit: int) -> list[Neighbour]:
        """See `chatreel.store.neighbours.near`."""
        return self._look(neighbours.near, cassette, document, limit)

    def recordings(self) -> Iterator[list[tuple[int, Recording | str]]]:
        """Yield all recordings in batches, each as it is or with what is wrong with it."""
        after = 0
        while rows := self._look(verifying.batch, after):
            yield rows
            after = rows[-1][0]

    def damaged_requests(self) -> list[tuple[str, str]]:
        """Refused calls whose request cannot be read, and why."""
        return self._look(lambda connection: list(verifying.refused(connection)))

    def orphans(self) -> list[int]:
        """Ids of payloads that belong to nothing."""
        return self._look(removing.orphans)

    def integrity(self) -> list[str]:
        """What the database finds wrong with its own pages."""
        return self._look(verifying.integrity)

    def used(self) -> int:
        """Bytes of the database that are in use."""
        return self._look(counting.used)

    def size(self) -> int:
        """Bytes of the database."""
        return self._look(counting.size)

    def candidates(
        self, chosen: Selection, *, by_use: bool, limit: int | None = removing.CANDIDATES
    ) -> list[Candidate]:
        """See `chatreel.store.removing.candidates`."""
        return self._look(partial(removing.candidates, by_use=by_use, limit=limit), chosen)

    def chosen_ids(self, chosen: Selection, *, by_use: bool) -> list[int]:
        """See `chatreel.store.removing.chosen_ids`."""
        return self._look(lambda connection: removing.chosen_ids(connection, chosen, by_use=by_use))

    def count_calls(self, before: float) -> int:
        """Rows of the log that are older."""
        return self._look(removing.count_calls, before)

    def remove(self, ids: Sequence[int], *, marks_later: bool = False) -> Removed:
        """Remove recordings, in one transaction; `marks_later`: `sweep_marks` follows."""
        return self._change(partial(removing.remove, marks_later=marks_later), ids)

    def remove_calls(self, before: float) -> int:
        """Remove a batch of older rows of the log; how many there were."""
        return self._change(removing.remove_calls, before)

    def remove_orphans(self, ids: Sequence[int]) -> tuple[int, int]:
        """Remove payloads that belong to nothing, in one transaction; how many and how many bytes."""
        return self._change(removing.remove_orphans, ids)

    def sweep_marks(self) -> None:
        """Remove marks that lead nowhere, in small steps."""
        after: int | None = None
        while True:
            astray, after = self._look(removing.marks_astray, after)
            if astray:
                self._change(removing.remove_marks, astray)
            if after is None:
                return

    def shrink(self) -> Iterator[int]:
        """Give free pages back; yields how many are left."""
        with _store_errors():
            yield from shrinking.shrink(self._engine)

    def rewrite(self) -> Shrunk:
        """See `chatreel.store.shrinking.rewrite`."""
        with _store_errors():
            return shrinking.rewrite(self._engine)

    def _look[T](self, query: Callable[..., T], *values: Any) -> T:
        with _store_errors(), self._engine.connect() as connection:
            for statement in _BEGIN[connection.dialect.name]:
                connection.exec_driver_sql(statement)
            try:
                return query(connection, *values)
            finally:
                connection.invalidate()  # what is read only stays so: a change gets a connection of its own

    def _change[T](self, work: Callable[..., T], *values: Any) -> T:
        with _store_errors(), writing(self._engine, alone=True) as connection:
            return work(connection, *values)


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the store failed: {reason_of(error)}") from error


def _load(connection: Connection, recording_id: int) -> tuple[Recording, Use, int]:
    listed = listing.one(connection, recording_id)
    takes = recordings.takes(connection, listed.cassette, listed.key)
    number = [take.id for take in takes].index(recording_id) + 1
    return recordings.load(connection, recording_id), listing.uses(connection, [listed])[recording_id], number


def _page(connection: Connection, chosen: Selection, before: tuple[float, int] | None) -> list[tuple[Listed, Use]]:
    listed = listing.page(connection, chosen, before)
    uses = listing.uses(connection, listed) if listed else {}
    return [(one, uses[one.id]) for one in listed]
