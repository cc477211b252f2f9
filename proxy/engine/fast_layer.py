"""Where the fast path stands: in front of mitmproxy's HTTP layer, and of its protocol where there is no TLS.

`FastLayer` is a layer as any other. What reaches it has cost a task, a future and an event by then, which is more than
a hit costs; so once a connection is under way, `Shortcut` takes the place of the engine's own protocol and looks at
what the socket gives. What is not answered goes to that protocol, and comes by at the layer again.

Written against mitmproxy 12.2 (`mitmproxy/proxy/server.py`, `handle_connection`); pyproject.toml caps the version.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import Http1Server, HTTPMode
from mitmproxy.proxy.server import ConnectionHandler, TimeoutWatchdog

from chatreel.engine.chat_layer import ChatHttpLayer
from chatreel.engine.chat_stream import Commands, Rules
from chatreel.engine.fast_path import FastPath, Line
from chatreel.engine.forwarding import Forwarding, ForwardingClient

HELD = 1.0
"""Seconds for which the beginning of a request is held back; then the engine waits for the rest."""

_READ = 65_535
"""Bytes that the engine reads at most at a time."""


class FastLayer(layer.Layer):
    """Stands in front of mitmproxy's HTTP layer, and lets it alone until it has answered what it was given."""

    def __init__(
        self,
        context: Context,
        rules: Rules,
        fast: FastPath,
        forwarding: Forwarding,
        handlers: Mapping[Any, ConnectionHandler],
    ) -> None:
        """`handlers`: of the connections there are, by the id of the client."""
        super().__init__(context)
        self.line = Line(fast, context)
        self.departures = fast.departures
        self.owed = 0
        """Bytes that `Shortcut` has given to the engine and that have not come by here yet."""
        self._http = ChatHttpLayer(context, HTTPMode.transparent, rules)
        self._forwarding = forwarding
        self._handlers = handlers
        self._shortcut: Shortcut | None = None
        self._alarm: commands.RequestWakeup | None = None
        self._may_cut_short = not context.client.tls
        self._is_at_rest = False
        """Whether the engine was idle, and has been told nothing since."""

    @property
    def is_idle(self) -> bool:
        """Whether the engine waits for the next request, of which it has nothing yet."""
        client = self.context.client
        if not self._is_at_rest:
            reader = self._http.connections.get(client)
            if isinstance(reader, Http1Server):
                self._is_at_rest = reader.state == reader.read_headers and not reader.buf
        return self._is_at_rest and client.state is ConnectionState.OPEN

    def _handle_event(self, event: events.Event) -> Commands:
        client = self.context.client
        if isinstance(event, events.DataReceived) and event.connection is client:
            yield from self._receive(event.data)
        elif isinstance(event, events.Wakeup) and event.command is self._alarm:
            self._alarm = None
            yield from self._pass_on(self.line.release())
        else:
            if isinstance(event, events.ConnectionClosed) and event.connection is client:
                yield from self._pass_on(self.line.release())
            yield from self._tell(event)

    def _receive(self, data: bytes) -> Commands:
        if self._may_cut_short and len(data) < _READ:
            self._cut_short()
        if self._shortcut and self._shortcut.forwards.busy:
            self._shortcut.forwards.hold(data)
            return
        if self.owed:
            self.owed -= len(data)
        elif not self.is_idle:
            data = self.line.release() + data
        else:
            answers, data = self.line.take(data)
            self.departures.leave()
            if answers:
                yield commands.SendData(self.context.client, b"".join(answers))
            if self.line.holds and self._alarm is None:
                self._alarm = commands.RequestWakeup(HELD)
                yield self._alarm
            if self._shortcut and not answers:
                data = self._shortcut.forward(data)
        yield from self._pass_on(data)

    def _pass_on(self, data: bytes) -> Commands:
        if data:
            yield from self._tell(events.DataReceived(self.context.client, data))

    def _tell(self, event: events.Event) -> Commands:
        self._is_at_rest = False
        yield from self._http.handle_event(event)

    def _cut_short(self) -> None:
        """Put a shortcut in, at a moment when nothing is on its way to the engine."""
        handler = self._handlers.get(self.context.client.id)
        writer = handler.transports[self.context.client].writer if handler else None
        reader = handler.transports[self.context.client].reader if handler else None
        if getattr(reader, "_buffer", b""):  # it came while there was no layer yet: no public name says so
            return
        self._may_cut_short = False
        if handler and isinstance(writer, asyncio.StreamWriter):
            protocol = writer.transport.get_protocol()
            if isinstance(protocol, asyncio.StreamReaderProtocol):
                self._shortcut = Shortcut(self, handler.timeout_watchdog, writer.transport, protocol, self._forwarding)
                writer.transport.set_protocol(self._shortcut)


class Shortcut(asyncio.Protocol):
    """Stands in front of the engine's own protocol where there is no TLS: no task, no future, no event for a hit."""

    def __init__(
        self,
        fast: FastLayer,
        watchdog: TimeoutWatchdog,
        transport: asyncio.WriteTransport,
        engine: asyncio.StreamReaderProtocol,
        forwarding: Forwarding,
    ) -> None:
        self._fast = fast
        self._watchdog = watchdog
        self._transport = transport
        self._engine = engine
        self._timer: asyncio.TimerHandle | None = None
        self.forwards = ForwardingClient(forwarding, fast.context, transport, watchdog, self.data_received)

    def forward(self, data: bytes) -> bytes:
        """Send on what can go upstream without the engine; what is left for it."""
        return self.forwards.take(data) if data else b""

    def pause_writing(self) -> None:
        """Told to whoever waits for it."""
        self._engine.pause_writing()
        self.forwards.pause()

    def resume_writing(self) -> None:
        self._engine.resume_writing()
        self.forwards.resume()

    def data_received(self, data: bytes) -> None:
        """A client that does not read its answers is left to the engine, which stops reading what it sends."""
        fast, line = self._fast, self._fast.line
        if self.forwards.busy:
            self.forwards.hold(data)
            return
        if fast.owed or not fast.is_idle or self._transport.get_write_buffer_size():
            self._pass_on(line.release() + data)
            return
        answers, rest = line.take(data)
        if answers:
            self._watchdog.register_activity()
            fast.departures.add(self._transport, answers)
            if rest:
                fast.departures.leave()
        if line.holds and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HELD, self._let_go)
        self._pass_on(rest if answers else self.forward(rest))

    def eof_received(self) -> bool | None:
        self.forwards.leave()
        self._fast.departures.leave()
        self._pass_on(self._fast.line.release())
        return self._engine.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        self.forwards.leave()
        self._pass_on(self._fast.line.release())
        self._engine.connection_lost(exc)

    def _let_go(self) -> None:
        self._timer = None
        self._pass_on(self._fast.line.release())

    def _pass_on(self, data: bytes) -> None:
        if data:
            self._fast.owed += len(data)
            self._engine.data_received(data)
