"""How many connections there may be at a time: one more is told so, and closed."""

import logging

from mitmproxy.connection import Client
from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context

from chatreel.api_errors import too_many_connections
from chatreel.engine.messages import response_of
from chatreel.reply import refusal

_LINGER = 1.0
"""Seconds for a client to read its refusal: closing on what it sends meanwhile would take the refusal away again."""

logger = logging.getLogger(__name__)


class Crowd:
    """Counts clients. Comes after whatever else chooses a layer, since it may put another one in its place."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._clients: set[str] = set()
        self._excess: set[str] = set()
        self._full = False

    def client_connected(self, client: Client) -> None:
        if len(self._clients) < self._limit:
            self._clients.add(client.id)
            self._full = False
            return
        self._excess.add(client.id)
        if not self._full:
            self._full = True
            logger.warning("%d connections are open; further ones are refused (--max-connections)", self._limit)

    def client_disconnected(self, client: Client) -> None:
        self._clients.discard(client.id)
        self._excess.discard(client.id)

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        if nextlayer.context.client.id in self._excess:
            nextlayer.layer = Refusing(nextlayer.context, self._limit)


class Refusing(layer.Layer):
    """Says 503 to whatever a client may want, and closes."""

    def __init__(self, context: Context, limit: int) -> None:
        super().__init__(context)
        self._limit = limit

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        client = self.context.client
        if isinstance(event, events.Start):
            response = response_of(refusal(too_many_connections(self._limit)))
            response.headers["connection"] = "close"
            yield commands.SendData(client, assemble_response(response))
            yield commands.CloseTcpConnection(client, half_close=True)
            yield commands.RequestWakeup(_LINGER)
        elif isinstance(event, events.Wakeup | events.ConnectionClosed):
            yield commands.CloseConnection(client)
