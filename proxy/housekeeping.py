"""What a running proxy does for its store on the side: nobody waits for it."""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from chatreel.errors import StoreError
from chatreel.spending import Spending
from chatreel.store import Store

PERIOD = 1.0
"""Seconds between two looks."""

LULL = 0.2
"""Seconds after which a proxy that listens goes on to import: whoever has waited for it is answered before."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def housekeeping(store: Store, max_size: int | None, spending: Spending) -> AsyncIterator[None]:
    """Keep house until the end of the block: forget what others have removed, learn what they have spent, tidy up.

    `max_size`: bytes that the store is held to.
    """
    task = asyncio.create_task(_keep(Keeper(store, max_size), store, spending))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(keeper: "Keeper", store: Store, spending: Spending) -> None:
    await asyncio.sleep(LULL)
    with suppress(StoreError), _without_garbage():
        await store.warm_up()
    while True:
        await asyncio.sleep(PERIOD)
        store.calls.tidy()
        try:
            await spending.look(time.time())
            await keeper.look()
        except StoreError as error:
            logger.warning("the store could not be looked after: %s", error)


@contextmanager
def _without_garbage() -> Iterator[None]:
    """What comes in a block stays: to look through it for garbage would keep all calls waiting, again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class Keeper:
    """Looks after a store, one look at a time."""

    def __init__(self, store: Store, max_size: int | None) -> None:
        self._store = store
        self._max_size = max_size
        self._seen = store.additions
        self._complained = False

    async def look(self) -> None:
        """Do what there is to do. Raises `StoreError`."""
        await self._store.notice_removals()
        if self._max_size is None or self._store.additions == self._seen:
            return  # who records nothing removes nothing
        additions = self._store.additions
        removed, more = await self._store.evict(self._max_size)
        if removed.ids:
            said = "%d recordings removed (%.1f MB), the least recently used: the store was larger than max_size"
            logger.info(said, len(removed.ids), removed.size / 1e6)
        elif more and not self._complained:
            self._complained = True
            logger.warning("the store is larger than max_size, and nothing in it may go at the moment")
        elif not more and not await self._store.give_back(self._max_size):
            self._seen = additions
