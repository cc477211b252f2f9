"""Who works on the database for the event loop: two threads that read, and the one that writes."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from chatreel.errors import StoreError
from chatreel.store.breaker import Breaker
from chatreel.store.landing import Expected, Landing
from chatreel.store.later import database
from chatreel.store.opening import Database
from chatreel.store.scribe import Scribe
from chatreel.store.writer import Together, Work, Writer, said

_READERS = 2

_PATIENCE = 1.0
"""Seconds that housekeeping waits for writers; it can come again, and lookups need the thread."""


class Threads:
    """Raises `StoreError` from everything that is waited for."""

    def __init__(self, opened: Database, scribe: Scribe) -> None:
        self._database = opened
        self.writer = Writer(opened, scribe)
        self._landing: Landing | None = None
        self._reading = Breaker()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="chatreel-store-reader")

    async def read[T](self, query: Work[T]) -> T:
        """What a query comes to, on a connection of its own."""

        def run() -> T:
            with self._database.engine().connect() as connection:
                return query(connection)

        return await self.in_a_reader(run)

    async def in_a_reader[T](self, work: Callable[[], T]) -> T:
        """What something comes to that reads on a connection that it has. Not even tried while nothing answers."""
        self._reading.enter()
        started = time.monotonic()
        try:
            found = await _wait(self._readers.submit(work))
        except StoreError as error:
            self._reading.failed(error, time.monotonic() - started)
            raise
        self._reading.succeeded()
        return found

    async def change[T](self, work: Work[T]) -> T:
        """Delete something: that needs a transaction that nobody writes beside."""

        def run() -> T:
            with database.writing(self._database.engine(), alone=True, patience=_PATIENCE) as connection:
                return work(connection)

        return await _wait(self._readers.submit(run))

    async def write[T](self, work: Work[T]) -> T:
        """What a change comes to. When this returns, it is committed."""
        return await _wait(self.writer.submit(work))

    async def write_one[One, T](self, work: Together[One, T], one: One) -> T:
        """The same of one of several, which are written together."""
        expected: Expected[T] = self._landing_here().expect()
        self.writer.submit_one(work, one, expected)
        return await _told(expected.future)

    def _landing_here(self) -> Landing:
        loop = asyncio.get_running_loop()
        if self._landing is None or self._landing.loop is not loop:
            self._landing = Landing(loop)
        return self._landing

    def aside(self, work: Callable[[], object]) -> None:
        """Do what takes a while and nobody waits for."""
        self._readers.submit(work)

    def close(self) -> None:
        """Write what is waiting, and end."""
        self.writer.close()
        self._readers.shutdown()


async def _wait[T](future: Future[T]) -> T:
    return await _told(asyncio.wrap_future(future))


async def _told[T](future: asyncio.Future[T]) -> T:
    try:
        return await future
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(said(error)) from error
