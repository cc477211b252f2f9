"""The log as the proxy sees it: rows are handed over, and are safe from a kill before they are in the database."""

import asyncio
from collections.abc import Callable

from chatreel.store.alike import Hit
from chatreel.store.backlog import Backlog
from chatreel.store.bases import Bases
from chatreel.store.call import Call
from chatreel.store.clerk import Clerk
from chatreel.store.coming import Coming
from chatreel.store.later import counting, log
from chatreel.store.spool import Spool, Written
from chatreel.store.threads import Threads


class CallLog:
    """Adding to it waits for nothing. Raises `StoreError` from all that reads."""

    def __init__(self, threads: Threads, spool: Spool, bases: Bases, coming: Coming) -> None:
        self._threads = threads
        self._coming = coming
        self._spool = spool
        self._backlog = Backlog(threads.writer, bases)
        self._clerk = Clerk(self._backlog)
        self._noted: list[Hit] = []

    def add(
        self,
        call: Call,
        complete: Callable[[Call], Call] | None = None,
        *,
        answered_at: float | None = None,
        written: Written | None = None,
    ) -> None:
        """Add a row, soon; from now on no kill can take it away. One that cannot be written costs a warning.

        `complete` adds what takes time to find out, in a thread of its own: neither the event loop nor a recording that
        is being written waits for it. If it fails, the row is written as it is. `answered_at`: when the recording was
        made that answered the call, by which it is found again in a cassette. `written`: of a row that is safe already.
        """
        self.keep()
        written = written or self._spool.add(call, answered_at)
        if complete is None:
            self._backlog.add([(call, written)])
        else:
            self._clerk.add(call, complete, written)

    def note(self, hit: Hit) -> None:
        """Add the row of a hit, as `add` does, once `keep` is called."""
        self._noted.append(hit)

    def keep(self) -> None:
        """Save from a kill what was noted, before any of the clients has the end of its answer."""
        if self._noted:
            noted, self._noted = self._noted, []
            self._clerk.add_hits(noted, self._spool.add_lines([hit.line for hit in noted]))

    def tidy(self) -> None:
        """Forget what was kept of rows that are in the database; in the thread that logs."""
        self._spool.tidy()

    def retry(self) -> None:
        """The database takes rows again: hand over what is waiting."""
        self._backlog.retry()

    async def settled(self) -> None:
        """All rows that were handed in before have been completed, whether they are written yet or not."""
        await self.once_settled(lambda: None)

    async def once_settled[T](self, work: Callable[[], T]) -> T:
        """What `work` comes to then. It is done in the thread that completes rows, so that none is meanwhile.

        Whose client has the end of its answer has handed in its row, or is waited for.
        """
        await self._coming.all_come()
        self.keep()
        return await asyncio.wrap_future(self._clerk.once_settled(work))

    async def find(self, call_id: str) -> Call | None:
        """The row with that id."""
        return await self._threads.read(lambda connection: log.find(connection, call_id))

    async def misses(self, cassette: str, limit: int) -> list[Call]:
        """The newest calls that no recording answered, the newest first."""
        return await self._threads.read(lambda connection: log.misses(connection, cassette, limit))

    async def last(self) -> int:
        """Number of the newest row."""
        return await self._threads.read(lambda connection: counting.last_call(connection))

    async def spent(self, since: float, after: int, upto: int) -> "list[counting.Spent]":
        """See `chatreel.store.counting.spent`."""
        return await self._threads.read(lambda connection: counting.spent(connection, since, after, upto))

    def finish(self) -> None:
        """Complete what is waiting, and hand it over to the thread that writes."""
        self.keep()
        self._clerk.close()
        self._backlog.retry()

    def close(self) -> None:
        """Let go of the file once that thread has ended."""
        self._spool.close()
