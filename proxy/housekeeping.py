"""What a running proxy does for its store on the side: nobody waits for it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from chatreel.errors import StoreError
from chatreel.explain import STALE
from chatreel.spending import Spending
from chatreel.store import Store
from chatreel.store.place import store_name

PERIOD = 1.0
"""Seconds between two looks."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def housekeeping(store: Store, location: str, max_size: int | None, spending: Spending) -> AsyncIterator[None]:
    """Keep house until the end of the block: forget what others have removed, learn what they have spent, tidy up.

    `location`: of the store, as it was given. `max_size`: bytes that the store is held to.
    """
    task = asyncio.create_task(_keep(Keeper(store, max_size), store, location, spending))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep(keeper: "Keeper", store: Store, location: str, spending: Spending) -> None:
    try:
        await store.warm_up()
        if await store.keyed_otherwise():
            logger.warning("%s: %s", store_name(location), STALE)
    except StoreError as error:
        logger.warning("%s", error)
    while True:
        await asyncio.sleep(PERIOD)
        store.calls.tidy()
        try:
            await spending.look(time.time())
            await keeper.look()
        except StoreError as error:
            logger.warning("the store could not be looked after: %s", error)


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
