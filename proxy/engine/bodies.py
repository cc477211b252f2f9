"""Large request bodies: so many bytes of them are held at a time, and one more waits for its turn, unread.

Small ones are held whatever there is: a hit, or a question of the usual size, waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mitmproxy import http
from mitmproxy.proxy.server import ConnectionHandler

from chatreel.engine.route import route_of
from chatreel.request import LARGEST

SMALL = 2**20
"""Bytes of a body up to which nobody waits; the fast path reads no longer ones."""

PATIENCE = 60.0
"""Seconds that a body waits for others; then it is refused."""


class Bodies:
    """Knows which large bodies are held, and lets in those that wait, in order."""

    def __init__(self, limit: int, handlers: Mapping[Any, ConnectionHandler]) -> None:
        """`limit`: bytes; a body that is larger comes in alone. `handlers`: by the id of the client."""
        self._limit = limit
        self._free = limit
        self._handlers = handlers
        self._held: dict[str, tuple[str, int]] = {}
        """By the id of the flow: its client, and bytes."""
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, flow: http.HTTPFlow, length: int) -> bool:
        """Return once there is room for a body of `length` bytes, of which the client sends no more meanwhile.

        Whether there is: nobody waits for ever, and over HTTP/2 nobody waits, since other requests come that way, too.
        """
        # As long as its upstream is waited for, one that is recorded is held as it came and as its key has it.
        size = min(length if length > LARGEST else 2 * length, self._limit)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._let_in()
        if not turn.done() and not flow.request.is_http2:
            with _unread(self._handlers.get(flow.client_conn.id)):
                await asyncio.wait([turn], timeout=PATIENCE)
        if not turn.done():
            turn.cancel()
            self._let_in()
            return False
        self._held[flow.id] = (flow.client_conn.id, size)
        return True

    def leave(self, flow: http.HTTPFlow) -> None:
        """Its call is over: its body is let go of. Does nothing a second time, or for a small one."""
        _, size = self._held.pop(flow.id, ("", 0))
        if size:
            flow.request.data.content = None  # a flow is part of a cycle: it may be there for long
            if route := route_of(flow):
                route.exchange = None
            self._free += size
            self._let_in()

    def leave_all(self, client_id: str) -> None:
        """A client is gone, and whatever was under way for it."""
        for flow_id, (owner, size) in tuple(self._held.items()):
            if owner == client_id:
                del self._held[flow_id]
                self._free += size
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and (self._waiting[0][1].cancelled() or self._waiting[0][0] <= self._free):
            size, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= size
                turn.set_result(None)


@contextmanager
def _unread(handler: ConnectionHandler | None) -> Iterator[None]:
    """Until the end of the block nothing more is read from a client: the engine reads on once it has drained."""
    if handler is None:
        yield
        return
    read_on = asyncio.Event()
    drain: Callable[[], Coroutine[Any, Any, None]] = handler.drain_writers

    async def wait() -> None:
        await read_on.wait()
        await drain()

    handler.drain_writers = wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        handler.drain_writers = drain  # type: ignore[method-assign]
        read_on.set()
