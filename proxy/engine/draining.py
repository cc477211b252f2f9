"""Answers whose client has left, and which are read to their end all the same, to be recorded.

The engine closes what belongs to a client once the hook on its disconnecting has returned: as long as that waits, the
upstream goes on.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from mitmproxy import http

from chatreel.decide import Action
from chatreel.engine.route import route_of

MAX_BYTES = 16_000_000
"""Of an answer that nobody waits for any more."""


@dataclass(slots=True)
class _Client:
    """The answers that are drained of one client's connection."""

    flows: set[str] = field(default_factory=set)
    none_left: asyncio.Event = field(default_factory=asyncio.Event)


class Drains:
    """Knows which answers go on without a client, and for how long."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: after which an answer is given up; 0: as soon as its client leaves."""
        self.seconds = seconds
        self._clients: dict[str, _Client] = {}

    def begin(self, flow: http.HTTPFlow) -> bool:
        """A client has left: whether its answer is to be drained, since it is to be recorded."""
        route = route_of(flow)
        exchange = route.exchange if route else None
        if not self.seconds or exchange is None:
            return False
        if exchange.logged or exchange.action is not Action.RECORD:
            return False
        exchange.client_left = True
        self._clients.setdefault(flow.client_conn.id, _Client()).flows.add(flow.id)
        return True

    def end(self, flow: http.HTTPFlow) -> None:
        """The answer is there, or will never be. Does nothing for one that is not drained."""
        client = self._clients.get(flow.client_conn.id)
        if client is None:
            return
        client.flows.discard(flow.id)
        if not client.flows:
            client.none_left.set()
            del self._clients[flow.client_conn.id]

    async def wait(self, client_id: str) -> None:
        """Return once nothing of that client's is drained any more, or the time is over."""
        if client := self._clients.get(client_id):
            with suppress(TimeoutError):
                await asyncio.wait_for(client.none_left.wait(), self.seconds)

    def stop(self) -> None:
        """Nothing is waited for any longer."""
        self.seconds = 0
        for client in self._clients.values():
            client.none_left.set()
