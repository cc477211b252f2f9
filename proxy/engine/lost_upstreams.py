"""Upstreams that reset a connection as soon as it is there: told to the engine, which takes that for impossible.

The kernel does not know the address of such a peer any more, and the engine asserts that it does; the task ends, and
the client waits for ever. One call in some thirty to three hundred to such an upstream met it.

Written against mitmproxy 12.2 (`mitmproxy/proxy/server.py`); pyproject.toml caps the version.
"""

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy.commands import OpenConnection
from mitmproxy.proxy.events import OpenConnectionCompleted
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectErrorHook, ServerConnectionHookData

_RESET = "the connection was reset at once"

_open_connection = ConnectionHandler.open_connection


def notice_lost_upstreams() -> None:
    """From now on, in this process."""
    ConnectionHandler.open_connection = _open  # type: ignore[method-assign]


async def _open(self: ConnectionHandler, command: OpenConnection) -> None:
    try:
        await _open_connection(self, command)
    except AssertionError:
        if command.connection.peername:
            raise
        await _fail(self, command)


async def _fail(handler: ConnectionHandler, command: OpenConnection) -> None:
    """As the engine does where it could not connect."""
    connection = command.connection
    connection.error, connection.state = _RESET, ConnectionState.CLOSED
    transport = handler.transports.pop(connection, None)
    if transport and transport.writer:
        transport.writer.close()
    await handler.handle_hook(
        ServerConnectErrorHook(ServerConnectionHookData(client=handler.client, server=connection))
    )
    await handler.server_event(OpenConnectionCompleted(command, _RESET))
