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

MAX_AHEAD = 1024 * 1024
"""Bytes that a client may send after a request while it waits for the answer. Hardly any sends one (pipelining)."""


_HTTP_1 = (None, b"", b"http/1.1", b"http/1.0")
"""What TLS says of a connection that speaks it; nothing, without TLS."""

_PAGE = re.compile(rb"HTTP/1\.1 400 .*<p>(.*)</p>", re.DOTALL)
"""What the engine says to a request that is none, and why."""


class _Reader(Http1Server):
    """Says it in the API's shape."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        for command in super()._handle_event(event):
            if isinstance(command, commands.SendData) and self.response is None and (page := _PAGE.match(command.data)):
                yield commands.SendData(self.conn, _closing(malformed_head(unescape(page[1].decode(errors="replace")))))
            else:
                yield command


class BoundedHttpLayer(HttpLayer):
    """Ends a connection whose head is too long or takes too long."""

    _alarm: commands.RequestWakeup | None = None
    _awaited = 0
    """Number of the request whose head the alarm is for."""
    _ended = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._ended:
            return
        self._begin(event)
        if isinstance(event, events.Wakeup) and event.command is self._alarm:
            self._alarm = None
            reader = self._unfinished()
            if reader and reader.stream_id == self._awaited:
                yield from self._end(head_too_slow(HEAD_SECONDS))
            elif reader:
                yield from self._watch(reader)
            return
        yield from super()._handle_event(event)
        if not isinstance(event, events.DataReceived):
            return
        if reader := self._unfinished():
            if len(reader.buf) > MAX_HEAD:
                yield from self._end(head_too_large(MAX_HEAD))
            elif self._alarm is None:
                yield from self._watch(reader)
        elif self._is_flooded():
            self._ended = True
            yield commands.CloseConnection(self.context.client)

    def _begin(self, event: events.Event) -> None:
        """A connection gets our reader: the engine takes what is there."""
        if isinstance(event, events.Start) and self.context.client.alpn in _HTTP_1:
            self.connections.setdefault(self.context.client, _Reader(self.context.fork()))

    def _unfinished(self) -> Http1Server | None:
        """The reader of a request of whose head a part is there."""
        reader = self.connections.get(self.context.client)
        if isinstance(reader, Http1Server) and reader.state == reader.read_headers and len(reader.buf):
            return reader
        return None

    def _is_flooded(self) -> bool:
        reader = self.connections.get(self.context.client)
        return isinstance(reader, Http1Server) and reader.state == reader.wait and len(reader.buf) > MAX_AHEAD

    def _watch(self, reader: Http1Server) -> layer.CommandGenerator[None]:
        self._awaited = reader.stream_id
        self._alarm = commands.RequestWakeup(HEAD_SECONDS)
        yield self._alarm

    def _end(self, error: ApiError) -> layer.CommandGenerator[None]:
        self._ended = True
        yield commands.SendData(self.context.client, _closing(error))
        yield commands.CloseConnection(self.context.client)


def _closing(error: ApiError) -> bytes:
    response = response_of(refusal(error))
    response.headers["connection"] = "close"
    return bytes(assemble_response(response))
