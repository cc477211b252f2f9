"""A mitmproxy master with the addons a reverse proxy needs and no others: twice the requests of `DumpMaster`."""

import asyncio
import errno
import os
from pathlib import Path

from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.master import Master
from mitmproxy.options import Options

from chatreel.engine.addon import ChatreelAddon
from chatreel.errors import ServeError

_NOWHERE = "http://127.0.0.1:9"
"""Reverse mode needs a target. Each request is given its own; one that slipped through would end at this one."""


class ProxyMaster:
    """The engine, from listening to stopped."""

    def __init__(self, addon: ChatreelAddon, *, host: str, port: int, certificates: Path) -> None:
        """`certificates`: folder for the engine's own certificate authority."""
        self._server = Proxyserver()
        self._master = Master(Options(), event_loop=asyncio.get_running_loop())
        self._master.addons.add(addon, self._server, NextLayer(), TlsConfig())
        self._master.options.update(
            mode=[f"reverse:{_NOWHERE}"],
            listen_host=host,
            listen_port=port,
            confdir=str(certificates),
            # Eager would connect when a client does: an unreachable upstream would then end replay, too.
            connection_strategy="lazy",
            # The engine trusts certifi; whoever sets this variable has roots of their own.
            ssl_verify_upstream_trusted_ca=os.environ.get("SSL_CERT_FILE"),
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; the address. Raises `ServeError`."""
        await self._server.setup_servers()
        addresses = self._server.listen_addrs()
        if not addresses:
            # mitmproxy goes on without its listener: nobody else would notice.
            raise ServeError(self._why_not_listening())
        self._task = asyncio.create_task(self._master.run())
        host, port, *_ = addresses[0]
        return host, port

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._task is None:
            return
        await self._server.servers.update([])
        tasks = [io.handler for handler in self._server.connections.values() for io in handler.transports.values()]
        for task in filter(None, tasks):
            task.cancel()
        self._master.should_exit.set()
        await self._task

    def _why_not_listening(self) -> str:
        options = self._master.options
        where = f"{options.listen_host}:{options.listen_port}"
        error = next((server.last_exception for server in self._server.servers), None)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            return (
                f"{where} is taken by another program. Stop it, or choose another port with --port (0: any free one)."
            )
        cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        return f"cannot listen on {where}: {cause}"
