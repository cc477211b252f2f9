"""Results on their way from a thread to the event loop that waits for them: what comes together wakes it up once."""

import asyncio
from collections import deque
from collections.abc import Callable

_AT_ONCE = 8
"""Results that are handed out in one turn of the event loop: whoever gets one has something to do with it."""


class Landing:
    """Of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._landed: deque[Callable[[], None]] = deque()
        self._woken = False

    def expect[T](self) -> "Expected[T]":
        """Something that is awaited, and made elsewhere."""
        return Expected(self, self.loop.create_future())

    def land(self, settle: Callable[[], None]) -> None:
        """Have something done by the event loop, from any thread. Nothing is if that has ended."""
        self._landed.append(settle)
        if not self._woken and not self.loop.is_closed():
            self._woken = True
            self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._woken = False  # before it looks: what lands now wakes it up again
        for _ in range(min(len(self._landed), _AT_ONCE)):
            self._landed.popleft()()
        if self._landed:
            self.loop.call_soon(self._settle)


class Expected[T]:
    """What `concurrent.futures.Future` is to whoever makes the result, without a lock of its own."""

    def __init__(self, landing: Landing, future: asyncio.Future[T]) -> None:
        self._landing = landing
        self.future = future
        """What is awaited."""

    def set_running_or_notify_cancel(self) -> bool:
        """Whether anybody still waits."""
        return not self.future.cancelled()

    def set_result(self, result: T) -> None:
        self._landing.land(lambda: None if self.future.done() else self.future.set_result(result))

    def set_exception(self, error: BaseException) -> None:
        self._landing.land(lambda: None if self.future.done() else self.future.set_exception(error))
