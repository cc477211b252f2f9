"""The thread that completes rows of the log: many at a time, so that a call costs the event loop nothing but a note."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from chatreel.store.backlog import Backlog
from chatreel.store.log import Call

GATHER = 0.02
"""Seconds that a row waits for others. A thread that woke up for each would take turns with the event loop for each."""

BUSY = 0.2
"""The same while many come: a transaction of many rows costs a fraction of what many transactions cost."""

_MANY = 32

_MOST = 2_000
"""Rows in one go; they are written in one transaction."""

type Complete = Callable[[Call], Call]

logger = logging.getLogger(__name__)


class Clerk:
    """Rows in, completed rows out to the backlog, in the same order."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._waiting: SimpleQueue[tuple[Call, Complete] | Future[None] | None] = SimpleQueue()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chatreel-store-clerk", daemon=True)
        self._thread.start()

    def add(self, call: Call, complete: Complete) -> None:
        """Have a row completed, and written. If `complete` fails, it is written as it is."""
        self._waiting.put((call, complete))

    def settled(self) -> Future[None]:
        """Done when all rows that were added before have been completed, whether they are written yet or not."""
        future: Future[None] = Future()
        if not self._thread.is_alive():
            future.set_result(None)
        self._waiting.put(future)
        self._hurry.set()
        return future

    def close(self) -> None:
        """Complete what is waiting, then end."""
        self._waiting.put(None)
        self._hurry.set()
        self._thread.join()

    def _run(self) -> None:
        going = True
        batch: list[tuple[Call, Complete] | Future[None] | None] = []
        while going:
            patience = BUSY if len(batch) > _MANY else GATHER
            batch = [self._waiting.get()]
            self._hurry.wait(patience)
            self._hurry.clear()
            try:
                while len(batch) < _MOST:
                    batch.append(self._waiting.get_nowait())
            except Empty:
                pass
            going = None not in batch
            self._backlog.add([_completed(*one) for one in batch if isinstance(one, tuple)])
            for one in batch:
                if isinstance(one, Future) and one.set_running_or_notify_cancel():
                    one.set_result(None)


def _completed(call: Call, complete: Complete) -> Call:
    try:
        return complete(call)
    except Exception:  # whatever it is, the call did happen
        logger.exception("a row of the log is not complete")
        return call
