"""Connections to upstreams that are not the engine's: each serves the calls of one client's connection, in turn."""

import asyncio
import os
import ssl
from functools import cache
from typing import Protocol, cast

import certifi

from chatreel.upstreams import Upstream


class Receiver(Protocol):
    """The call that a connection serves."""

    def receive(self, data: bytes) -> None: ...

    def upstream_closed(self) -> None:
        """Nothing more comes."""


class UpstreamLine(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.receiver: Receiver | None = None
        self.is_open = True
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone

    def data_received(self, data: bytes) -> None:
        if self.receiver:
            self.receiver.receive(data)
        else:
            self.close()  # nobody has asked for it

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter to the answer
        self.is_open = False
        receiver, self.receiver = self.receiver, None
        if receiver:
            receiver.upstream_closed()

    def write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def pause(self) -> None:
        """Read nothing more for now: the client does not keep up."""
        if self._transport and self.is_open:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport and self.is_open:
            self._transport.resume_reading()

    def close(self) -> None:
        """Nobody is told of it."""
        self.receiver = None
        self.is_open = False
        if self._transport:
            self._transport.abort()


async def open_line(upstream: Upstream) -> UpstreamLine:
    """Raises `OSError`, also for a certificate that is not to be trusted."""
    context = _trusting(os.environ.get("SSL_CERT_FILE")) if upstream.scheme == "https" else None
    loop = asyncio.get_running_loop()
    name = upstream.host if context else None  # whatever address it leads to
    _, line = await loop.create_connection(
        UpstreamLine, upstream.host, upstream.port, ssl=context, server_hostname=name
    )
    return line


@cache
def _trusting(roots: str | None) -> ssl.SSLContext:
    """As the engine has it: by the same roots, and by names that stand where names belong.

    Not `ssl.create_default_context`: from Python 3.13 on it is stricter with what private authorities issue.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.load_verify_locations(roots or certifi.where())
    return context
