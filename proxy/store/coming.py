"""Recordings on their way into the store whose clients have got the end of their answers already."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from chatreel.errors import StoreError
from chatreel.model import Recording
from chatreel.store.foretelling import Foretold, LeftRecording
from chatreel.store.spool import Spool

_LATER = 0.005
"""Seconds after which it is written: streams that end together share the interpreter's lock, and then a transaction."""


class Coming:
    """Of one event loop. Who looks for such a key, or counts calls, waits until it has come."""

    def __init__(self, spool: Spool, keyed_by: str) -> None:
        self._spool = spool
        self._keyed_by = keyed_by
        self._works = False
        """Whether the store took the last one, so that it is likely to take the next. Else clients shall be told."""
        self._some: dict[tuple[str, str], list[asyncio.Future[None]]] = {}
        """By cassette and key."""

    def __contains__(self, name: tuple[str, str]) -> bool:
        return name in self._some

    async def bring(self, recording: Recording, foretold: Foretold | None, insert: Callable[[], Awaitable[int]]) -> int:
        """What `insert` comes to, the number of a recording. Its client is told if it need not wait until then."""
        stored = self._foretell(recording, foretold) if foretold and self._works else None
        try:
            if stored:
                with self._expected((recording.cassette, recording.identity.key)):
                    await asyncio.sleep(_LATER)
                    number = await insert()
            else:
                number = await insert()
        except StoreError:
            self._works = False
            raise
        self._works = True
        if stored:
            stored(number)
        return number

    async def come(self, cassette: str, key: str) -> None:
        """Wait for those of a key."""
        while some := self._some.get((cassette, key)):
            await asyncio.wait(some)

    async def all_come(self) -> None:
        """Wait for all that are on their way now."""
        if some := [future for futures in self._some.values() for future in futures]:
            await asyncio.wait(some)

    def _foretell(self, recording: Recording, foretold: Foretold) -> Callable[[int], None] | None:
        """What to call with its number once it is in the store; `None` if nobody but the store can keep it."""
        left = LeftRecording(recording, self._keyed_by, foretold.call.call_id)
        if kept := self._spool.foretell(left, foretold.call):
            stored, written = kept
            foretold.safe(written)
            return stored
        return None

    @contextmanager
    def _expected(self, name: tuple[str, str]) -> Iterator[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._some.setdefault(name, []).append(future)
        try:
            yield
        finally:
            self._some[name].remove(future)
            if not self._some[name]:
                del self._some[name]
            future.set_result(None)
