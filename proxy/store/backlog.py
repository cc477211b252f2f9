"""Rows of the log on their way into the store. A row that cannot be written costs a warning, never an answer."""

import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import groupby
from operator import itemgetter
from threading import Lock

from chatreel.alarm import Alarm
from chatreel.store.bases import Bases
from chatreel.store.breaker import Unreachable
from chatreel.store.later import bulk, database
from chatreel.store.spool import Written
from chatreel.store.writer import Writer, said

_KEPT = 1_000
"""Rows that wait for a store that does not take any; beyond that the oldest are left to the next start."""

type Entry = tuple[bulk.Row, Written]
"""A row, and whom to tell that it is written."""

logger = logging.getLogger(__name__)


class Backlog:
    """Writes rows soon. While the store fails it keeps the newest, and writes them once it works again."""

    def __init__(self, writer: Writer, bases: Bases) -> None:
        self._writer = writer
        self._bases = bases
        self._waiting: deque[Entry] = deque(maxlen=_KEPT)
        self._lock = Lock()
        self._alarm = Alarm(
            logger,
            logging.WARNING,
            f"the log could not be written: %s; the newest {_KEPT:,} rows are kept until it can",
            "the log is written again, after it failed %d times",
        )

    def add(self, rows: Sequence[Entry]) -> None:
        """Have rows written, all in one transaction. Each is told when it is written, or never can be."""
        if rows:
            several = [row for row, _ in rows]
            self._writer.submit(lambda connection: bulk.insert_all(connection, several, self._bases)).add_done_callback(
                lambda future: self._done(rows, future)
            )

    def retry(self) -> None:
        """The store works: write what is waiting."""
        if not self._waiting:
            return
        with self._lock:
            waiting = [*self._waiting]
            self._waiting.clear()
        self.add(waiting)

    def _done(self, rows: Sequence[Entry], future: Future[None]) -> None:
        """In the writer's thread, or in the caller's if the store does not even try."""
        error = future.exception()
        if error is None:
            for written, run in groupby(rows, itemgetter(1)):
                written(len(list(run)))
            self._alarm.rest()
            self.retry()
        elif isinstance(error, Unreachable) or database.is_operational(error):
            with self._lock:
                self._waiting.extend(rows)
                self._alarm.ring(said(error))
        elif len(rows) > 1:  # one bad row must not take its neighbours with it
            for row in rows:
                self.add([row])
        else:
            rows[0][1](1)
            logger.warning("a row of the log could not be written: %s", error)
