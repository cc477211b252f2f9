"""Names that lead to guarded addresses: looked up before a connection is opened, and looked at again when it is.

Twice, because a name may be given another address in between (DNS rebinding). The second look is at where the
connection has really gone, before a byte is sent on it.
"""

import asyncio
import logging

from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.mode_specs import ReverseMode

from chatreel.destinations import is_guarded
from chatreel.engine.engine_addons import Proxyserver
from chatreel.upstreams import Upstreams

logger = logging.getLogger(__name__)


class Destinations:
    """Of the forward proxy; the reverse proxy goes nowhere but to configured upstreams."""

    def __init__(self, upstreams: Upstreams, server: Proxyserver) -> None:
        self._upstreams = upstreams
        self._server = server

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        address = data.server.address
        if data.server.error or address is None or self._is_named(data):
            return
        data.server.error = "chatreel failed to look at the address; see its log"
        if any(map(is_guarded, await _addresses(*address[:2]))):
            data.server.error = _why(address[0])
            logger.warning("%s", data.server.error)
        else:
            data.server.error = None

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        peer = data.server.peername
        if peer is None or self._is_named(data) or not is_guarded(peer[0]):
            return
        logger.warning("%s", _why(peer[0]))
        for handler in self._server.connections.values():
            connection = handler.transports.get(data.server)
            if connection and connection.writer:
                connection.writer.transport.abort()  # type: ignore[union-attr]  # TCP, so an asyncio stream

    def _is_named(self, data: server_hooks.ServerConnectionHookData) -> bool:
        address = data.server.address
        is_listed = address is not None and self._upstreams.is_at(*address[:2])
        return is_listed or isinstance(data.client.proxy_mode, ReverseMode)


async def _addresses(host: str, port: int) -> list[str]:
    """Where a name leads; the name itself if it is an address. Empty if nobody knows: connecting will say why."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port)
    except (OSError, UnicodeError):
        return []
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _why(host: str) -> str:
    return f"chatreel does not connect to {host}, a link-local address or one of a metadata service, unless it is named"
