"""The store as the proxy sees it: asynchronous, with what is hot in memory and one thread that writes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import batched
from typing import TYPE_CHECKING

from chatreel.canonical import KeyOptions, keyed_by
from chatreel.errors import StoreError
from chatreel.eviction import evicted
from chatreel.model import Neighbour, Recording, Replayable, Take
from chatreel.rates import PriceOverride
from chatreel.selection import Selection
from chatreel.store.bases import Bases
from chatreel.store.call_log import CallLog
from chatreel.store.coming import Coming
from chatreel.store.foretelling import Foretold
from chatreel.store.in_use import InUse
from chatreel.store.later import counting, import_all, leases, neighbours, recordings, removing, shrinking
from chatreel.store.opening import Database
from chatreel.store.others import Others
from chatreel.store.place import StoreFile, path_of
from chatreel.store.quick import Quick
from chatreel.store.remembered import Remembered
from chatreel.store.scribe import USUAL_HASTE, Haste, Scribe, Task
from chatreel.store.spool import Spool
from chatreel.store.threads import Threads
from chatreel.store.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chatreel.request import Kept

_SHARE = 10
"""Of the memory, a tenth is for the takes of keys, and two for what the next recordings are differences to."""

_EVICTED_AT_ONCE = 100
"""Recordings that go in one transaction to hold a store to a size: whoever wants to record waits for it."""

DEFAULT_KEYS = keyed_by(KeyOptions())


class Store:
    """Raises `StoreError` from every method that touches the database."""

    def __init__(
        self,
        location: str,
        *,
        memory_limit: int,
        keyed_by: str = DEFAULT_KEYS,
        rates: tuple[PriceOverride, ...] = (),
        worker: str = "",
        haste: Haste = USUAL_HASTE,
    ) -> None:
        """`memory_limit`: bytes of what is kept in memory. `keyed_by`: how the keys are made that come in.

        `rates`: by which the calls are priced that are logged, for whoever has to do it in our place. `worker`: the
        name of this process among those of one proxy on this store; empty if it is the only one. `haste`: when a store
        in a file has recordings written by a process of its own.
        """
        self._keyed_by = keyed_by
        path = path_of(location)
        self._on_server = path is None
        file = StoreFile(path) if path else None
        self._quick = Quick(file) if file else None
        """Of the event loop; `None` where it would have to wait for a server."""
        self._database = Database(location, file)
        if self._quick is None or not self._quick.is_ready():
            self._database.engine()
        self._worker = worker
        self.shared = self._on_server or bool(worker)
        """Whether others fetch recordings for this store, too, with whom that has to be agreed."""
        share = memory_limit // _SHARE
        # Workers keep all cores busy by themselves.
        self._scribe = Scribe(Task(location, file, keyed_by, share) if file and not worker else None, haste)
        self._threads = Threads(self._database, self._scribe)
        self._bases = Bases(share)
        spool = Spool(location, rates)
        self._coming = Coming(spool, keyed_by)
        self.calls = CallLog(self._threads, spool, self._bases, self._coming)
        """The log."""
        self._remembered = Remembered(share, memory_limit - 3 * share, self._threads.aside)
        self.additions = 0
        """Recordings that were added through this object."""
        self._watch = Watch(self._database)
        self._others = Others(self._threads, self._watch, self._quick, self._doubt)
        self._removals: str | None = None
        """The token of the last removal that is known; `None`: not looked yet."""
        self._in_use = InUse()

    @cached_property
    def _memory(self) -> "recordings.Memory":
        """Of the thread that writes."""
        return recordings.Memory(self._bases)

    async def warm_up(self) -> None:
        """Have ready what takes its time to import. Until then whoever needs it waits for it; hits do not."""
        await self._threads.in_a_reader(import_all)
        await self._threads.read(lambda connection: connection.exec_driver_sql("SELECT 1"))

    async def takes(self, cassette: str, key: str) -> tuple[Take, ...]:
        """All takes of a key, in the order of recording, as they were less than a second ago or are now.

        That there is none is never remembered.
        """
        await self._coming.come(cassette, key)
        await self._others.notice()
        known = self._remembered.takes((cassette, key))
        if known is not None:
            return known
        doubts = self._remembered.doubts
        # Not by `_quick`: SQLite lets go of the interpreter's lock with each row, and to have it back from busy threads
        # takes up to 5 ms each time, for which the event loop would stand still.
        found = await self._threads.read(lambda connection: recordings.takes(connection, cassette, key))
        if found and doubts == self._remembered.doubts:  # else a newer take may have come in while we read
            self._remembered.remember((cassette, key), found)
        return found

    def takes_at_once(self, cassette: str, key: str) -> tuple[Take, ...]:
        """The same without waiting; empty also where that cannot be known."""
        name = (cassette, key)
        if self._quick is None or name in self._coming or not self._others.notice_at_once():
            return ()
        known = self._remembered.takes(name)
        if known is None:
            known = self._quick.takes(cassette, key)
            self._remembered.found(name, known)
        return known

    async def load(self, recording_id: int) -> Recording:
        """A recording, whole, from the database."""
        return await self._threads.read(lambda connection: recordings.load(connection, recording_id))

    async def replayable(self, recording_id: int) -> Replayable:
        """What a hit needs of a recording, from memory if it is there."""
        self._in_use.add(recording_id)
        if known := self._remembered.answer(recording_id):
            return known
        try:
            found = await self._threads.read(lambda connection: recordings.replayable(connection, recording_id))
        except StoreError:
            self._doubt()  # it may have been deleted by another process: look again next time
            raise
        self._remembered.keep(found)
        return found

    def replayable_at_once(self, recording_id: int) -> Replayable | None:
        """The same without waiting, if it can be had so, of a key whose takes were asked for just now."""
        self._in_use.add(recording_id)
        if known := self._remembered.answer(recording_id):
            return known
        found = self._quick.replayable(recording_id) if self._quick else None
        if found:
            self._remembered.read(found)
        return found

    async def add(self, recording: Recording, foretold: Foretold | None = None) -> Recording:
        """Store a recording as the newest take of its key. When this returns, it is committed.

        `foretold`: the call that made it, whose client has the end of its answer as soon as no kill can take it away.
        """
        recording_id = await self._coming.bring(
            recording, foretold, lambda: self._threads.write_one(self._insert, recording)
        )
        self.additions += 1
        self.calls.retry()
        self._in_use.add(recording_id)
        stored = replace(recording, id=recording_id)
        self._remembered.added((stored.cassette, stored.identity.key))
        self._forget_ahead()
        self._remembered.keep(stored.replayable)
        return stored

    def prepare(self, cassette: str, kept: "Kept") -> None:
        """A recording of this request comes soon: do now what takes time of it."""
        if self._scribe.is_writing:  # which would not know of it
            return
        self._threads.writer.aside(lambda: recordings.prepare(self._memory, cassette, kept))

    def _insert(self, connection: "Connection", several: Sequence[Recording]) -> list[int]:
        return recordings.insert_all(connection, several, self._keyed_by, self._memory)

    async def acquire(self, cassette: str, key: str, owner: str, seconds: float) -> bool:
        """Whether `owner` fetches the recording of a key, of all proxies on this store, for so many seconds at most."""
        name = self._worker + owner
        return await self._threads.write(lambda connection: leases.acquire(connection, cassette, key, name, seconds))

    async def release(self, cassette: str, key: str, owner: str) -> None:
        """`owner` is done, or has failed: the next one may try."""
        await self._threads.write(lambda connection: leases.release(connection, cassette, key, self._worker + owner))

    async def take_over(self) -> None:
        """The worker of the same name before this one has died: nobody waits for what it was fetching."""
        if self._worker:
            await self._threads.write(lambda connection: leases.release_all(connection, self._worker))

    async def near(self, cassette: str, document: bytes, limit: int) -> list[Neighbour]:
        """Recordings of the same upstream and path that are like a canonical document, the likeliest first."""
        return await self._threads.read(lambda connection: neighbours.near(connection, cassette, document, limit))

    async def keyed_otherwise(self) -> bool:
        """Whether some recordings may have keys that were made in another way: they are not found."""
        found = self._quick.keyed_otherwise(self._keyed_by) if self._quick else None
        if found is not None:
            return found
        return await self._threads.read(lambda connection: recordings.keyed_otherwise(connection, self._keyed_by))

    async def count(self, cassette: str) -> int:
        return await self._threads.read(lambda connection: recordings.count(connection, cassette))

    async def notice_removals(self) -> None:
        """Forget what is in memory if anybody has removed recordings since the last time."""
        token = await self._threads.read(lambda connection: removing.removals(connection))
        if token != self._removals:
            self._remembered.forget()
            self._forget_ahead()
        self._removals = token

    async def evict(self, limit: int) -> "tuple[removing.Removed, bool]":
        """Remove recordings of no cassette, the least recently used, if more than `limit` bytes are in use.

        None goes that was asked for or made just now. Looks at some thousands; whether there may be more to do.
        """
        used = await self._threads.read(lambda connection: counting.used(connection))
        if used <= limit:
            return removing.Removed(), False
        working = Selection(cassette="")
        found = await self._threads.read(lambda connection: removing.candidates(connection, working, by_use=True))
        doomed = evicted(found, used=used, limit=limit, spared=self._in_use.all())
        removed = removing.Removed()
        for ids in batched(doomed, _EVICTED_AT_ONCE):
            removed += await self._threads.change(partial(removing.remove, ids=ids))
            self._doubt()
            for recording_id in ids:
                self._remembered.gone(recording_id)
        return removed, True

    async def give_back(self, limit: int) -> bool:
        """Give some free space back if the database is larger than `limit` bytes; whether there may be more to do."""

        def step(connection: "Connection") -> bool:
            too_large = shrinking.can_shrink(connection) and counting.size(connection) > limit
            return too_large and shrinking.step(connection) > 0

        more = await self._threads.change(step)
        if not more and not self._on_server:
            await self._threads.read(lambda connection: shrinking.checkpoint(connection))
        return more

    def close(self) -> None:
        """Write what is waiting and let go of the database."""
        self.calls.finish()
        self._threads.close()
        self.calls.close()
        self._watch.close()
        if self._quick:
            self._quick.close()
        self._database.close()

    def _doubt(self) -> None:
        self._remembered.doubt()
        self._forget_ahead()

    def _forget_ahead(self) -> None:
        if self._quick:
            self._quick.forget()
