"""The thread that completes rows of the log: many at a time, so that a call costs the event loop nothing but a note."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple

from chatreel.store.alike import Hit, tell_all
from chatreel.store.backlog import Backlog, Entry
from chatreel.store.call import Call
from chatreel.store.spool import Written

GATHER = 0.02
"""Seconds that a row waits for others. A thread that woke up for each would take turns with the event loop for each."""

LULL = 0.1
"""Seconds in which few rows have to come for a burst to be over. Until then the event loop has the processor alone."""

LONGEST = 1.0
"""Seconds that rows wait for a lull."""

_BURST = 300
"""Rows a second that are one."""

_MOST = 4_000
"""Rows in one go; they are written in one transaction. Of hits, what they have in common is written once for each."""

type Complete = Callable[[Call], Call]

logger = logging.getLogger(__name__)


class _Row(NamedTuple):
    call: Call
    complete: Complete
    written: Written


class _Hits(NamedTuple):
    several: Sequence[Hit]
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
        self._added = 0
        """Rows, by the thread that adds them."""
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chatreel-store-clerk", daemon=True)
        self._thread.start()

    def add(self, call: Call, complete: Complete, written: Written) -> None:
        """Have a row completed, and written; `written` is called then. If `complete` fails, it is written as it is."""
        self._added += 1
        self._waiting.put(_Row(call, complete, written))

    def add_hits(self, several: Sequence[Hit], written: Written) -> None:
        """The same of hits, which are told what their rows are like."""
        self._added += len(several)
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
        while going:
            batch = [self._waiting.get()]
            self._wait_for_a_lull()
            self._hurry.clear()
            rows = 0
            for _ in range(self._waiting.qsize()):  # nobody else takes any
                if rows >= _MOST:
                    self._complete(batch)
                    batch, rows = [], 0
                batch.append(one := self._waiting.get())
                rows += len(one.several) if isinstance(one, _Hits) else 1
            going = None not in batch
            self._complete(batch)

    def _wait_for_a_lull(self) -> None:
        ends = time.monotonic() + LONGEST
        seconds, before = GATHER, self._added
        while not self._hurry.wait(seconds) and time.monotonic() < ends:
            if self._added - before < _BURST * seconds:
                return
            seconds, before = LULL, self._added

    def _complete(self, batch: Sequence[_Row | _Hits | _Work | None]) -> None:
        tell_all(hit for one in batch if isinstance(one, _Hits) for hit in one.several)
        self._backlog.add([row for one in batch for row in _rows(one)])
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
    return [(hit, one.written) for hit in one.several] if isinstance(one, _Hits) else []


def _completed(row: _Row) -> Call:
    try:
        return row.complete(row.call)
    except Exception:  # whatever it is, the call did happen
        logger.exception("a row of the log is not complete")
        return row.call
