"""The thread that completes rows of the log: many at a time, so that a call costs the event loop nothing but a note."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from chatreel.store.alike import Hit
from chatreel.store.backlog import Backlog, Entry
from chatreel.store.call import Call
from chatreel.store.spool import Written

GATHER = 0.02
"""Seconds that a row waits for others. A thread that woke up for each would take turns with the event loop for each."""

BUSY = 0.2
"""The same while many come: a transaction of many rows costs a fraction of what many transactions cost."""

_MANY = 32

_MOST = 500
"""Rows, or hits of one turn of the event loop, in one go; they are written in one transaction."""

type Complete = Callable[[Call], Call]

type Told = Callable[[Call], None]
"""To be called with the completed row that a hit is like."""

logger = logging.getLogger(__name__)


class _Row(NamedTuple):
    call: Call
    complete: Complete
    written: Written


class _Hits(NamedTuple):
    several: Sequence[tuple[Hit, Told]]
    written: Written


class _Work(NamedTuple):
    """Something to do once the rows before it have been completed."""

    future: Future[Any]
    work: Callable[[], Any]


class Clerk:
    """Rows in, completed rows out to the backlog, in the same order."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._waiting: SimpleQueue[_Row | _Hits | _Work | None] = SimpleQueue()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chatreel-store-clerk", daemon=True)
        self._thread.start()

    def add(self, call: Call, complete: Complete, written: Written) -> None:
        """Have a row completed, and written; `written` is called then. If `complete` fails, it is written as it is."""
        self._waiting.put(_Row(call, complete, written))

    def add_hits(self, several: Sequence[tuple[Hit, Told]], written: Written) -> None:
        """The same of hits; `written` is called for each."""
        self._waiting.put(_Hits(several, written))

    def once_settled[T](self, work: Callable[[], T]) -> Future[T]:
        """What `work` comes to once all rows that were added before have been completed; none is meanwhile."""
        future: Future[T] = Future()
        if self._thread.is_alive():
            self._waiting.put(_Work(future, work))
            self._hurry.set()
        else:
            _do(_Work(future, work))
        return future

    def close(self) -> None:
        """Complete what is waiting, then end."""
        self._waiting.put(None)
        self._hurry.set()
        self._thread.join()

    def _run(self) -> None:
        going = True
        rows: list[Entry] = []
        while going:
            patience = BUSY if len(rows) > _MANY else GATHER
            batch = [self._waiting.get()]
            self._hurry.wait(patience)
            self._hurry.clear()
            with suppress(Empty):
                while len(batch) < _MOST:
                    batch.append(self._waiting.get_nowait())
            going = None not in batch
            rows = [row for one in batch for row in _rows(one)]
            self._backlog.add(rows)
            for one in batch:
                if isinstance(one, _Work):
                    _do(one)


def _do(one: _Work) -> None:
    if one.future.set_running_or_notify_cancel():
        try:
            one.future.set_result(one.work())
        except Exception as error:
            one.future.set_exception(error)


def _rows(one: _Row | _Hits | _Work | None) -> list[Entry]:
    """What is to be written of it."""
    if isinstance(one, _Row):
        return [(_completed(one), one.written)]
    if not isinstance(one, _Hits):
        return []
    for hit, told in one.several:
        told(hit.like.completed())
    return [(hit, one.written) for hit, _ in one.several]


def _completed(row: _Row) -> Call:
    try:
        return row.complete(row.call)
    except Exception:  # whatever it is, the call did happen
        logger.exception("a row of the log is not complete")
        return row.call
