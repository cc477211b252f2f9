"""A mitmproxy master with the addons a reverse proxy needs and no others: twice the requests of `DumpMaster`."""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.mode_specs import ProxyMode

from chatreel.engine.addon import ChatreelAddon
from chatreel.engine.authority import Tls
from chatreel.engine.crowd import Crowd
from chatreel.engine.engine_addons import NextLayer, Proxyserver
from chatreel.engine.forwarding import Forwarding
from chatreel.engine.gate import OPEN, Policy
from chatreel.engine.hooks import Hooks, take_over
from chatreel.errors import ServeError

_NOWHERE = "http://127.0.0.1:9"
"""Reverse mode needs a target. Each request is given its own; one that slipped through would end at this one."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen, and for whom."""

    host: str
    port: int
    """Of the reverse proxy; 0: any free one."""
    proxy_port: int | None = None
    """Of the forward proxy; `None`: there is none."""
    intercepted: Sequence[str] = ()
    """Whose TLS the forward proxy opens, as regular expressions of `HOST:PORT`; all others are tunnelled untouched."""

    policy: Policy = OPEN
    max_connections: int = 2_000
    """Of clients, at a time."""
    shared: bool = False
    """Whether other processes listen on the same ports, which are not 0 then."""

    @property
    def any_port(self) -> bool:
        """Whether a port may be chosen anew if it was taken in the meantime."""
        return 0 in (self.port, self.proxy_port)


class ProxyMaster:
    """The engine, from listening to stopped."""

    def __init__(
        self,
        bolts: Sequence[object],
        addon: ChatreelAddon,
        server: Proxyserver,
        hooks: Hooks,
        listen: Listen,
        certificates: Path,
        forwarding: Forwarding,
    ) -> None:
        """`bolts`: addons that are asked before ours. `certificates`: folder for the engine's own authority."""
        self._forwarding = forwarding
        self._listen = listen
        self._server = server
        self._master = Master(Options(), event_loop=asyncio.get_running_loop())
        take_over(self._master, hooks)
        # In the order in which their hooks run.
        self._master.addons.add(*bolts)
        tls = Tls()
        self._master.addons.add(addon, Crowd(listen.max_connections), self._server, NextLayer(), tls)
        self._master.options.update(
            allow_hosts=list(listen.intercepted),
            confdir=str(certificates),
            # The control API answers to its own name only, so it has to know by which it was called.
            keep_host_header=True,
            # Nothing may be asked of an upstream before a request is known, not even its certificate.
            upstream_cert=False,
            # Eager would connect when a client does: an unreachable upstream would then end replay, too.
            connection_strategy="lazy",
            # The engine trusts certifi; whoever sets this variable has roots of their own.
            ssl_verify_upstream_trusted_ca=os.environ.get("SSL_CERT_FILE"),
        )
        if listen.proxy_port is not None:
            tls.read_authority()  # its clients have to trust it, so it has to be there
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> list[str]:
        """Listen; the origins, that of the forward proxy second if there is one. Raises `ServeError`."""
        for last_try in (False, False, True):
            self._master.options.update(mode=self._modes())
            await self._server.setup_servers()
            down = [server for server in self._server.servers if not server.is_running]
            if not down:
                break
            if last_try or not self._listen.any_port:
                # mitmproxy goes on without its listener: nobody else would notice.
                raise ServeError(_why_not_listening(down[0]))
        self._task = asyncio.create_task(self._master.run())
        addresses = [server.listen_addrs[0] for server in self._server.servers]
        return [f"http://{_bracketed(host)}:{port}" for host, port, *_ in addresses]

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._task is None:
            return
        await self._server.servers.update([])
        await self._forwarding.stop()
        tasks = [io.handler for handler in self._server.connections.values() for io in handler.transports.values()]
        for task in filter(None, tasks):
            task.cancel()
        self._master.should_exit.set()
        await self._task

    def _modes(self) -> list[str]:
        """What to listen as, and where. The engine refuses two listeners that ask for port 0: it takes them for one."""
        listen = self._listen
        ports = [listen.port] if listen.proxy_port is None else [listen.port, listen.proxy_port]
        chosen = [port or free for port, free in zip(ports, _free_ports(listen.host), strict=False)]
        names: tuple[str, ...] = (f"reverse:{_NOWHERE}", "regular")
        if listen.shared:
            from chatreel.engine import sharing

            names = sharing.named(names)
        return [f"{name}@{_bracketed(listen.host)}:{port}" for name, port in zip(names, chosen, strict=False)]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _free_ports(host: str) -> tuple[int, int]:
    """Two different ports that nobody has at this moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as one, socket.create_server((host, 0), family=family) as other:
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def _why_not_listening(server: ServerInstance[ProxyMode]) -> str:
    where = f"{server.mode.custom_listen_host}:{server.mode.custom_listen_port}"
    error = server.last_exception
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{where} is taken by another program. Stop it, or choose another port with --port (0: any free one)."
    cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
    return f"cannot listen on {where}: {cause}"
