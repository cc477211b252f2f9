"""Whether others have written to the store, other processes too: a look every now and then says so."""

import time
from collections.abc import Callable

from chatreel.errors import StoreError
from chatreel.store.quick import Quick
from chatreel.store.threads import Threads
from chatreel.store.watch import Watch

_TRUST = 0.5
"""Seconds for which what is known is believed without a look."""


class Others:
    """Of one event loop, which may look at once where there is `Quick`, and else has a thread do it."""

    def __init__(self, threads: Threads, watch: Watch, quick: Quick | None, have_written: Callable[[], None]) -> None:
        """`have_written` is called when they have, or when that cannot be known."""
        self._threads = threads
        self._watch = watch
        self._quick = quick
        self._have_written = have_written
        self._quick_version: tuple[object, ...] | None = None
        self._quick_at = -_TRUST
        self._version = ""
        self._watched_at = -_TRUST
        self._watching = False

    async def notice(self) -> None:
        """Costs a look only if there may be something to see. Raises `StoreError` if there is nothing to look at."""
        now = time.monotonic()
        if self._watching or now - self._watched_at < _TRUST:
            return
        self._watching, self._watched_at = True, now
        try:
            version = await self._threads.in_a_reader(self._watch.version)
        except StoreError:
            self._have_written()
            raise
        finally:
            self._watching = False
        if version != self._version:
            self._have_written()
        self._version = version

    def notice_at_once(self) -> bool:
        """The same without waiting; whether what is known may be believed."""
        now = time.monotonic()
        if now - self._quick_at < _TRUST:
            return True
        version = self._quick.version() if self._quick else None
        if version != self._quick_version:
            self._have_written()
        self._quick_version = version
        if version is None:
            return False
        self._quick_at = now
        return True
