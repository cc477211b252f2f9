"""Bounds for what a client sends between two bodies over HTTP/1. mitmproxy has none, in size or in time.

HTTP/2 has bounds of its own: h2 refuses more than 64 KiB of headers, and its windows hold back what nobody reads.
"""

import re
from html import unescape

from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import Http1Server, HttpLayer

from chatreel.api_errors import ApiError, head_too_large, head_too_slow, malformed_head
from chatreel.engine.messages import response_of
from chatreel.reply import refusal

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers."""

HEAD_SECONDS = 30.0
"""From the first byte of a head to its last."""

LINGER = 5.0
"""Seconds for a client to take in why its connection ends. To close at once on what it still sends would be a reset,
which may overtake the answer, and take it away again (RFC 9112, section 9.6)."""

MAX_AHEAD = 1024 * 1024
"""Bytes that a client may send after a request while it waits for the answer. Hardly any sends one (pipelining)."""


_HTTP_1 = (None, b"", b"http/1.1", b"http/1.0")
"""What TLS says of a connection that speaks it; nothing, without TLS."""

_PAGE = re.compile(rb"HTTP/1\.1 400 .*<p>(.*)</p>", re.DOTALL)
"""What the engine says to a request that is none, and why."""

_EMPTY_LINE = re.compile(rb"\n\r?\n")
"""As the engine knows the end of a head."""


class _Reader(Http1Server):
    """Says it in the API's shape, and leaves it to the layer to close for good."""

    has_refused = False

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """However a head comes in, in one piece or in many, it is too large or it is not."""
        if len(self.buf) > MAX_HEAD and not _EMPTY_LINE.search(bytes(self.buf), 0, MAX_HEAD):
            yield from self.refuse(head_too_large(MAX_HEAD))
        else:
            yield from super().read_headers(event)

    def refuse(self, error: ApiError) -> layer.CommandGenerator[None]:
        self.has_refused = True
        self.state = self.done
        yield commands.SendData(self.conn, _closing(error))
        yield commands.CloseTcpConnection(self.conn, half_close=True)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        for command in super()._handle_event(event):
            if isinstance(command, commands.SendData) and self.response is None and (page := _PAGE.match(command.data)):
                self.has_refused = True
                yield commands.SendData(self.conn, _closing(malformed_head(unescape(page[1].decode(errors="replace")))))
            elif self.has_refused and isinstance(command, commands.CloseConnection):
                yield commands.CloseTcpConnection(self.conn, half_close=True)
            else:
                yield command


class BoundedHttpLayer(HttpLayer):
    """Ends a connection whose head is too long or takes too long."""

    _alarm: commands.RequestWakeup | None = None
    _awaited = 0
    """Number of the request whose head the alarm is for."""
    _ended = False
    _farewell: commands.RequestWakeup | None = None
    """Due when a client that was refused has had the time to read why."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._ended:
            return
        if self._farewell:
            yield from self._see_off(event)
        elif isinstance(event, events.Wakeup) and event.command is self._alarm:
            yield from self._look_at_the_clock()
        else:
            self._begin(event)
            yield from super()._handle_event(event)
            yield from self._look(event)

    def _look_at_the_clock(self) -> layer.CommandGenerator[None]:
        self._alarm = None
        reader = self._unfinished()
        if reader and reader.stream_id == self._awaited:
            yield from reader.refuse(head_too_slow(HEAD_SECONDS))
            yield from self._linger()
        elif reader:
            yield from self._watch(reader)

    def _look(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Whether it is to go on so, after what an event has led to."""
        if self._has_refused():
            yield from self._linger()
        elif not isinstance(event, events.DataReceived):
            return
        elif reader := self._unfinished():
            if self._alarm is None:
                yield from self._watch(reader)
        elif self._is_flooded():
            yield from self._end()

    def _begin(self, event: events.Event) -> None:
        """A connection gets our reader: the engine takes what is there."""
        if isinstance(event, events.Start) and self.context.client.alpn in _HTTP_1:
            self.connections.setdefault(self.context.client, _Reader(self.context.fork()))

    def _unfinished(self) -> _Reader | None:
        """The reader of a request of whose head a part is there."""
        reader = self.connections.get(self.context.client)
        if isinstance(reader, _Reader) and reader.state == reader.read_headers and len(reader.buf):
            return reader
        return None

    def _has_refused(self) -> bool:
        reader = self.connections.get(self.context.client)
        return isinstance(reader, _Reader) and reader.has_refused

    def _is_flooded(self) -> bool:
        reader = self.connections.get(self.context.client)
        return isinstance(reader, Http1Server) and reader.state == reader.wait and len(reader.buf) > MAX_AHEAD

    def _watch(self, reader: Http1Server) -> layer.CommandGenerator[None]:
        self._awaited = reader.stream_id
        self._alarm = commands.RequestWakeup(HEAD_SECONDS)
        yield self._alarm

    def _end(self) -> layer.CommandGenerator[None]:
        self._ended = True
        yield commands.CloseConnection(self.context.client)

    def _linger(self) -> layer.CommandGenerator[None]:
        """All is said: what the client still sends is read for a while, and goes nowhere."""
        self._farewell = commands.RequestWakeup(LINGER)
        yield self._farewell

    def _see_off(self, event: events.Event) -> layer.CommandGenerator[None]:
        is_clients = isinstance(event, events.ConnectionEvent) and event.connection is self.context.client
        has_left = is_clients and isinstance(event, events.ConnectionClosed)
        if has_left or (isinstance(event, events.Wakeup) and event.command is self._farewell):
            yield from self._end()
        elif not is_clients:
            yield from super()._handle_event(event)


def _closing(error: ApiError) -> bytes:
    response = response_of(refusal(error))
    response.headers["connection"] = "close"
    return bytes(assemble_response(response))
