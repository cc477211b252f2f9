"""Ports that several processes listen on: the system gives each new connection to one of them.

Modes of the engine of our own, which register themselves when this is imported.
"""

import asyncio
from typing import TYPE_CHECKING

from mitmproxy.proxy import layers, mode_specs
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.mode_servers import AsyncioServerInstance, ServerInstance

if TYPE_CHECKING:
    from mitmproxy_rs.udp import UdpServer
    from mitmproxy_rs.wireguard import WireGuardServer

    type Listener = asyncio.Server | UdpServer | WireGuardServer


class SharedReverseMode(mode_specs.ReverseMode):
    """A reverse proxy."""


class SharedRegularMode(mode_specs.RegularMode):
    """A forward proxy."""


class SharedReverse(AsyncioServerInstance[SharedReverseMode]):
    """Its listener."""

    async def listen(self, host: str, port: int) -> "list[Listener]":
        return [await _listening(self, host, port)]

    def make_top_layer(self, context: Context) -> Layer:
        return layers.modes.ReverseProxy(context)


class SharedRegular(AsyncioServerInstance[SharedRegularMode]):
    """Its listener."""

    async def listen(self, host: str, port: int) -> "list[Listener]":
        return [await _listening(self, host, port)]

    def make_top_layer(self, context: Context) -> Layer:
        return layers.modes.HttpProxy(context)


def named(modes: tuple[str, ...]) -> tuple[str, ...]:
    """The same modes on shared ports, as the engine reads them."""
    return tuple(f"shared{mode}" for mode in modes)


async def _listening(
    server: ServerInstance[SharedReverseMode] | ServerInstance[SharedRegularMode], host: str, port: int
) -> asyncio.Server:
    return await asyncio.start_server(server.handle_stream, host, port, reuse_port=True)
