"""The store as the proxy sees it: asynchronous, with what is hot in memory and one thread that writes."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from cachetools import LRUCache
from sqlalchemy import Connection

from chatreel.canonical import KeyOptions, keyed_by
from chatreel.errors import StoreError
from chatreel.model import Recording, Replayable, Take
from chatreel.store import leases, log, neighbours, recordings
from chatreel.store.breaker import Breaker
from chatreel.store.database import open_engine, store_url
from chatreel.store.journal import Journal
from chatreel.store.log import Call
from chatreel.store.neighbours import Neighbour
from chatreel.store.watch import Watch
from chatreel.store.writer import Writer, said

_READERS = 2
_KEYS_IN_MEMORY = 100_000

_TRUST = 0.5
"""Seconds for which what is known of a key is believed without asking whether others have written."""

DEFAULT_KEYS = keyed_by(KeyOptions())


class Store:
    """Raises `StoreError` from every method that touches the database."""

    def __init__(self, location: str, *, memory_limit: int, keyed_by: str = DEFAULT_KEYS) -> None:
        """`memory_limit`: bytes of recordings kept in memory. `keyed_by`: how the keys are made that come in."""
        self._keyed_by = keyed_by
        self._engine = open_engine(store_url(location))
        self.shared = self._engine.dialect.name != "sqlite"
        """Whether proxies on other machines may write here, too."""
        self._writer = Writer(self._engine)
        self._memory = recordings.Memory()
        self._journal = Journal(self._writer, self._memory.bases)
        self._reading = Breaker()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="chatreel-store-reader")
        self._takes: LRUCache[tuple[str, str], tuple[Take, ...]] = LRUCache(_KEYS_IN_MEMORY)
        self._forgotten = 0
        """How often something that is known may have become wrong."""
        self._watch = Watch(self._engine)
        self._version = ""
        self._watched_at = -_TRUST
        self._watching = False
        self._hot: LRUCache[int, Replayable] = LRUCache(memory_limit, getsizeof=_memory_size)

    async def takes(self, cassette: str, key: str) -> tuple[Take, ...]:
        """All takes of a key, in the order of recording, as they were less than a second ago or are now.

        That there is none is never remembered.
        """
        await self._notice_others()
        if known := self._takes.get((cassette, key)):
            return known
        forgotten = self._forgotten
        found = await self._read(lambda connection: recordings.takes(connection, cassette, key))
        if found and forgotten == self._forgotten:  # else a newer take may have come in while we read
            self._takes[cassette, key] = found
        return found

    async def load(self, recording_id: int) -> Recording:
        """A recording, whole, from the database."""
        return await self._read(lambda connection: recordings.load(connection, recording_id))

    async def replayable(self, recording_id: int) -> Replayable:
        """What a hit needs of a recording, from memory if it is there."""
        if known := self._hot.get(recording_id):
            return known
        try:
            found = await self._read(lambda connection: recordings.replayable(connection, recording_id))
        except StoreError:
            self._forget_takes()  # it may have been deleted by another process: look again next time
            raise
        self._keep(found)
        return found

    async def add(self, recording: Recording) -> Recording:
        """Store a recording as the newest take of its key. When this returns, it is committed."""
        recording_id = await self._write(
            lambda connection: recordings.insert(connection, recording, self._keyed_by, self._memory)
        )
        self._forgotten += 1
        self._journal.retry()
        stored = replace(recording, id=recording_id)
        self._takes.pop((stored.cassette, stored.identity.key), None)
        self._keep(stored.replayable)
        return stored

    async def acquire(self, cassette: str, key: str, owner: str, seconds: float) -> bool:
        """Whether `owner` fetches the recording of a key, of all proxies on this store, for so many seconds at most."""
        return await self._write(lambda connection: leases.acquire(connection, cassette, key, owner, seconds))

    async def release(self, cassette: str, key: str, owner: str) -> None:
        """`owner` is done, or has failed: the next one may try."""
        await self._write(lambda connection: leases.release(connection, cassette, key, owner))

    async def near(self, cassette: str, document: bytes, limit: int) -> list[Neighbour]:
        """Recordings of the same upstream and path that are like a canonical document, the likeliest first."""
        return await self._read(lambda connection: neighbours.near(connection, cassette, document, limit))

    async def call(self, call_id: str) -> Call | None:
        """The row of the log with that id."""
        return await self._read(lambda connection: log.find(connection, call_id))

    async def misses(self, cassette: str, limit: int) -> list[Call]:
        """The newest calls that no recording answered, the newest first."""
        return await self._read(lambda connection: log.misses(connection, cassette, limit))

    async def keyed_otherwise(self) -> bool:
        """Whether some recordings may have keys that were made in another way: they are not found."""
        return await self._read(lambda connection: recordings.keyed_otherwise(connection, self._keyed_by))

    async def count(self, cassette: str) -> int:
        return await self._read(lambda connection: recordings.count(connection, cassette))

    def log(self, call: Call) -> None:
        """Add a row to the log, soon. A row that cannot be written costs a warning, never an answer."""
        self._journal.add(call)

    def close(self) -> None:
        """Write what is waiting and let go of the database."""
        self._journal.retry()
        self._writer.close()
        self._readers.shutdown()
        self._watch.close()
        self._engine.dispose()

    async def _notice_others(self) -> None:
        """What another process adds or removes is seen soon, and costs a look-up only if there is something to see."""
        now = time.monotonic()
        if self._watching or now - self._watched_at < _TRUST:
            return
        self._watching, self._watched_at = True, now
        try:
            version = await self._in_a_reader(self._watch.version)
        except StoreError:
            self._forget_takes()
            raise
        finally:
            self._watching = False
        if version != self._version:
            self._forget_takes()
        self._version = version

    def _forget_takes(self) -> None:
        self._forgotten += 1
        self._takes.clear()

    def _keep(self, recording: Replayable) -> None:
        if _memory_size(recording) <= self._hot.maxsize:
            self._hot[recording.id] = recording

    async def _read[T](self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._engine.connect() as connection:
                return query(connection)

        return await self._in_a_reader(run)

    async def _in_a_reader[T](self, work: Callable[[], T]) -> T:
        self._reading.enter()
        started = time.monotonic()
        try:
            found = await self._wait(self._readers.submit(work))
        except StoreError as error:
            self._reading.failed(error, time.monotonic() - started)
            raise
        self._reading.succeeded()
        return found

    async def _write[T](self, work: Callable[[Connection], T]) -> T:
        return await self._wait(self._writer.submit(work))

    async def _wait[T](self, future: Future[T]) -> T:
        try:
            return await asyncio.wrap_future(future)
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(said(error)) from error


def _memory_size(recording: Replayable) -> int:
    return 1_000 + 120 * len(recording.pieces) + len(recording.body) + len(recording.completion)
