"""The one thread that writes to a store. The event loop hands work over and is told when it is committed.

While recordings come fast, the thread in turn hands them over: see `chatreel.store.scribe`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chatreel.errors import StoreError
from chatreel.model import Recording
from chatreel.store.breaker import Breaker, Unreachable
from chatreel.store.later import database
from chatreel.store.opening import Database
from chatreel.store.scribe import Scribe, Unsent

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


class Writer:
    """Group commit: a future is done only when its work is on disk, in the order the work came in."""

    def __init__(self, opened: Database, scribe: Scribe) -> None:
        """`scribe`: writes recordings in the place of the thread while they come fast."""
        self._database = opened
        self._scribe = scribe
        self._closed = False
        self._breaker = Breaker()
        self._jobs: SimpleQueue[_Job | Callable[[], object] | None] = SimpleQueue()
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

    def aside(self, work: Callable[[], object]) -> None:
        """Have something done by the thread that writes, which nobody waits for. Done or not, nothing else changes."""
        self._jobs.put(work)

    def close(self) -> None:
        """Write what is waiting, then end."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        size = 0
        while (job := self._next()) is not None:
            if not isinstance(job, _Job):
                _do(job)
                continue
            if size >= _MANY and not self._scribe.is_writing:
                time.sleep(_GATHER)
            batch = [job]
            while len(batch) < _BATCH and not self._jobs.empty():
                if (job := self._jobs.get()) is None:
                    self._jobs.put(None)
                    break
                if isinstance(job, _Job):
                    batch.append(job)  # there is no time for anything else
            size = len(batch)
            # A result for a future that somebody has cancelled would be an error, and the end of this thread.
            if wanted := [job for job in batch if job.future.set_running_or_notify_cancel()]:
                for share in self._shares(wanted):
                    self._commit(share)
        self._scribe.close()

    def _next(self) -> _Job | Callable[[], object] | None:
        """What is to be done next; while there is nothing, the scribe may end."""
        while True:
            try:
                return self._jobs.get(timeout=self._scribe.patience)
            except Empty:
                self._scribe.notice(0)

    def _shares(self, batch: list[_Job]) -> Iterator[list[_Job]]:
        """What is one transaction: recordings, for which clients wait, apart from the rest if the scribe writes."""
        additions = [job for job in batch if isinstance(job.one, Recording)]
        self._scribe.notice(len(additions))
        if not (self._scribe.is_writing and additions):
            yield batch
            return
        yield additions
        if rest := [job for job in batch if not isinstance(job.one, Recording)]:
            yield rest

    def _commit(self, batch: list[_Job]) -> None:
        try:
            results = self._results(batch)
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

    def _results(self, batch: list[_Job]) -> Sequence[Any]:
        """What each job comes to, committed. Raises `Unreachable` if the transaction cannot even begin."""
        if self._scribe.is_writing and isinstance(batch[0].one, Recording):
            with suppress(Unsent):
                return self._by_scribe([job.one for job in batch])
        return self._transaction(batch)

    def _by_scribe(self, several: list[Recording]) -> list[int]:
        """As `_results`. Raises `Unsent` as well."""
        started = time.monotonic()
        try:
            ids = self._scribe.write(several, self._patience)
        except Unreachable as error:
            self._breaker.failed(error, time.monotonic() - started)
            raise
        except StoreError:
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return ids

    @property
    def _patience(self) -> float:
        return _PATIENCE_OF_A_TRIAL if self._breaker.is_open else _PATIENCE

    def _transaction(self, batch: list[_Job]) -> list[Any]:
        """As `_results`."""
        started, began = time.monotonic(), False
        try:
            with database.writing(self._database.engine(), patience=self._patience) as connection:
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


def _do(work: Callable[[], object]) -> None:
    with suppress(Exception):  # who needs what comes of it finds out by itself what is wrong
        work()


def said(error: Exception) -> str:
    """What to tell of an error of the store or of its database."""
    return (
        str(error) if isinstance(error, StoreError) else f"the store failed: {str(database.reason_of(error)).strip()}"
    )
