"""Not waiting again and again for a store that does not answer: whoever asks meanwhile is told so at once."""

import threading
import time
from collections.abc import Callable

from chatreel.errors import StoreError

SLOW = 0.25
"""Seconds. What fails sooner may be tried by everybody; nobody has to be spared it."""

RETRY = 0.5
"""Seconds from one attempt to the next while the store does not answer."""


class Unreachable(StoreError):  # noqa: N818 - says what the store is
    """The store did not even begin a transaction: what was to be written is not at fault."""


class Breaker:
    """A circuit breaker: once an attempt has failed slowly, others go ahead one at a time until one succeeds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._took = 0.0
        self._next = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the store does not answer, as far as is known."""
        return self._error is not None

    def enter(self) -> None:
        """Go ahead with an attempt. Raises `StoreError` if the store has not answered lately."""
        with self._lock:
            if self._error is None:
                return
            now = self._clock()
            if now < self._next:
                raise StoreError(str(self._error)) from self._error
            self._next = now + self._took + RETRY  # this one tries; should it never end, another one will

    def succeeded(self) -> None:
        """The store answers."""
        if self._error is not None:
            with self._lock:
                self._error = None

    def failed(self, error: Exception, took: float) -> None:
        """An attempt has failed after so many seconds."""
        with self._lock:
            if self._error is not None or took >= SLOW:
                self._error, self._took = error, took
                self._next = self._clock() + RETRY
