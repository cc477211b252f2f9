"""What killed proxies have left behind, into the store: each once, whoever else does the same meanwhile."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import batched
from typing import Final

from cachetools import LRUCache
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import NoResultFound, OperationalError

from chatreel.errors import StoreError
from chatreel.model import Recording
from chatreel.rates import PriceOverride
from chatreel.store import log, recordings
from chatreel.store.bases import Bases
from chatreel.store.call import Call
from chatreel.store.database import open_engine, reason_of, require_store, store_url, writing
from chatreel.store.foretelling import LeftRecording
from chatreel.store.leavings import left_behind, taken
from chatreel.store.lines import Left
from chatreel.store.schema import calls

_BATCH: Final = 200
_REMEMBERED: Final = 1_000
"""Recordings: many hits are of few."""

type Complete = Callable[[Left, Recording | None], Call]
"""A row with all that follows from the recording that answered its call, which is given if it is in the store."""

logger = logging.getLogger(__name__)


def recover(location: str, completing: Callable[[tuple[PriceOverride, ...]], Complete]) -> int:
    """Write what proxies that have ended left behind of a store's log; how many rows. The rest is said, and stays.

    `completing`: the rates of a proxy -> how its rows are completed. Raises `StoreError` if the store is gone.
    """
    paths = left_behind(location)
    if not paths:
        return 0
    require_store(location)
    engine = open_engine(store_url(location))
    written = 0
    try:
        for path in paths:
            try:
                with taken(path) as leavings:
                    if leavings:
                        made = {**leavings.stored, **_add(engine, leavings.recordings)}
                        rows = [_linked(left, made) for left in leavings.rows]
                        written += _Writing(engine, completing(leavings.rates)).write(rows)
            except (OSError, StoreError, OperationalError) as error:
                reason = str(reason_of(error)).strip()
                logger.warning("rows that a killed proxy left behind in %s are not in the log yet: %s", path, reason)
    finally:
        engine.dispose()
    return written


def _add(engine: Engine, several: Sequence[LeftRecording]) -> dict[str, int]:
    """Store those recordings that are not there; the numbers of all, by the call that made each."""
    made = {}
    for left in several:
        try:
            with writing(engine) as connection:
                known = recordings.made_before(connection, left.recording)
                made[left.call_id] = known or recordings.insert(connection, left.recording, left.keyed_by)
        except OperationalError:
            raise
        except Exception as error:  # one bad recording must not take its neighbours with it
            logger.warning("a recording that a killed proxy left behind could not be stored: %s", reason_of(error))
    return made


def _linked(left: Left, made: Mapping[str, int]) -> Left:
    """A row, with the recording that its call made: when it was told of, that had no number yet."""
    number = made.get(left.call.call_id)
    return left if number is None else replace(left, call=replace(left.call, recording_id=number))


class _Writing:
    """Of the rows of one proxy."""

    def __init__(self, engine: Engine, complete: Complete) -> None:
        self._engine = engine
        self._complete = complete
        self._bases = Bases()
        self._known: LRUCache[int, Recording | None] = LRUCache(_REMEMBERED)

    def write(self, rows: Sequence[Left]) -> int:
        return sum(self._write(batch) for batch in batched(rows, _BATCH))

    def _write(self, batch: Sequence[Left]) -> int:
        with self._engine.connect() as connection:
            absent = _absent(connection, [left.call for left in batch])
            some = [self._completed(connection, left) for left in batch if left.call.call_id in absent]
        try:
            return self._insert(some)
        except OperationalError:
            raise
        except Exception as error:
            if len(some) > 1:  # one bad row must not take its neighbours with it
                return sum(map(self._write, ([left] for left in batch)))
            logger.warning("a row of the log could not be written: %s", reason_of(error))
            return 0

    def _completed(self, connection: Connection, left: Left) -> Call:
        number = left.call.recording_id
        if number is not None and number not in self._known:
            self._known[number] = _load(connection, number)
        return self._complete(left, None if number is None else self._known[number])

    def _insert(self, some: Sequence[Call]) -> int:
        if not some:
            return 0
        with writing(self._engine) as connection:
            absent = _absent(connection, some)
            for call in some:
                if call.call_id in absent:
                    log.insert(connection, call, self._bases)
        return len(absent)


def _absent(connection: Connection, some: Sequence[Call]) -> set[str]:
    """Ids of the calls that are not in the log."""
    ids = {call.call_id for call in some}
    return ids - set(connection.execute(select(calls.c.call_id).where(calls.c.call_id.in_(ids))).scalars())


def _load(connection: Connection, number: int) -> Recording | None:
    """If it is still there, and whole."""
    with suppress(StoreError, NoResultFound):
        return recordings.load(connection, number)
    return None
