"""The one thread that writes to a store. The event loop hands work over and is told when it is committed."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chatreel.errors import StoreError
from chatreel.store.breaker import Breaker
from chatreel.store.later import database
from chatreel.store.opening import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

type Work[T] = Callable[[Connection], T]
type Together[One, T] = Callable[[Connection, Sequence[One]], Sequence[T]]
"""What several of a kind come to, in their order."""


class Promise[T](Protocol):
    """Where a result goes."""

    def set_running_or_notify_cancel(self) -> bool:
        """Whether anybody still waits for it."""

    def set_result(self, result: T) -> None: ...
    def set_exception(self, exception: BaseException) -> None: ...


class _Job(NamedTuple):
    work: Together[Any, Any]
    one: Any
    future: Promise[Any]


_BATCH = 256
"""Jobs a transaction holds at most: what piled up while the last one committed goes into one commit."""

_MANY = 5
"""Jobs of a transaction from which on the next one waits for more: there are clients whose answers come together."""

_GATHER = 0.002
"""Seconds that it waits. Each transaction, and each statement in it, is a turn of the interpreter's lock, and a busy
event loop does without the lock as long."""

_PATIENCE = 5.0
"""Seconds to wait for others who write."""

_PATIENCE_OF_A_TRIAL = 0.1
"""The same while they are known to take longer than that."""


class Unreachable(StoreError):  # noqa: N818 - says what the store is
    """The store did not even begin a transaction: what was to be written is not at fault."""


class Writer:
    """Group commit: a future is done only when its work is on disk, in the order the work came in."""

    def __init__(self, opened: Database) -> None:
        self._database = opened
        self._closed = False
        self._breaker = Breaker()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="chatreel-store-writer", daemon=True)
        self._thread.start()

    def submit[T](self, work: Work[T]) -> Future[T]:
        """Have `work` done inside a transaction; the future holds its result once that is committed, or its error.

        A store that does not answer is an error at once for all but those who try it again: `Unreachable`.
        """
        future: Future[T] = Future()
        self.submit_one(lambda connection, _: [work(connection)], None, future)
        return future

    def submit_one[One, T](self, work: Together[One, T], one: One, future: Promise[T]) -> None:
        """The same of one of several: those that come one after the other, with the same `work`, are done together."""
        if self._closed:
            future.set_exception(StoreError("the store is closed"))
            return
        try:
            self._breaker.enter()
        except StoreError as error:
            future.set_exception(Unreachable(str(error)))
            return
        self._jobs.put(_Job(work, one, future))

    def close(self) -> None:
        """Write what is waiting, then end."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        size = 0
        while (job := self._jobs.get()) is not None:
            if size >= _MANY:
                time.sleep(_GATHER)
            batch = [job]
            while len(batch) < _BATCH and not self._jobs.empty():
                if (job := self._jobs.get()) is None:
                    self._jobs.put(None)
                    break
                batch.append(job)
            size = len(batch)
            # A result for a future that somebody has cancelled would be an error, and the end of this thread.
            if wanted := [job for job in batch if job.future.set_running_or_notify_cancel()]:
                self._commit(wanted)

    def _commit(self, batch: list[_Job]) -> None:
        try:
            results = self._transaction(batch)
        except Unreachable as error:
            for job in batch:
                job.future.set_exception(error)
        except Exception as error:
            if len(batch) > 1:
                # One bad job must not take its neighbours with it.
                for job in batch:
                    self._commit([job])
                return
            batch[0].future.set_exception(error)
        else:
            for job, result in zip(batch, results, strict=True):
                job.future.set_result(result)

    def _transaction(self, batch: list[_Job]) -> list[Any]:
        """What each job comes to, committed. Raises `Unreachable` if the transaction cannot even begin."""
        patience = _PATIENCE_OF_A_TRIAL if self._breaker.is_open else _PATIENCE
        started, began = time.monotonic(), False
        try:
            with database.writing(self._database.engine(), patience=patience) as connection:
                began = True
                self._breaker.succeeded()
                return [result for some in _alike(batch) for result in _done(connection, some)]
        except Exception as error:
            if began:
                raise
            unreachable = Unreachable(said(error))
            self._breaker.failed(unreachable, time.monotonic() - started)
            raise unreachable from error


def _done(connection: "Connection", alike: list[_Job]) -> Sequence[Any]:
    return alike[0].work(connection, [job.one for job in alike])


def _alike(batch: list[_Job]) -> Iterator[list[_Job]]:
    """Those that are done together."""
    return (list(some) for _, some in groupby(batch, lambda job: job.work))


def said(error: Exception) -> str:
    """What to tell of an error of the store or of its database."""
    return (
        str(error) if isinstance(error, StoreError) else f"the store failed: {str(database.reason_of(error)).strip()}"
    )
