"""mitmproxy's HTTP layer with eleven things changed, each of them impossible from a hook.

- Before the end of a streamed response goes out, a hook of our own is awaited: the recording is stored before the
  client can have the whole answer.
- A request body that is refused, or grows past the limit, is read to its end but not kept: the client gets its 413
  instead of a reset, and memory stays flat.
- An upstream that refuses a request because of what we added to it is asked again without.
- A replayed stream goes out at a pace, piece by piece, instead of in one write.
- An interim response (1xx) is not taken for the answer (`chatreel.engine.interim`).
- A stream that has said `[DONE]` is over, also if its upstream keeps the connection open.
- A body that ends with trailers is a body, not the end of the connection.
- A request gets a connection, new or reused, only if it was admitted to its upstream (`chatreel.engine.firewall`).
- An answer that is to be recorded is read to its end also if its client leaves (`chatreel.engine.draining`).
- A hook that has nothing to wait for is over when it was asked for (`chatreel.engine.hooks`).
- An upstream that fails before its response has begun is answered in the API's shape, not with a page of HTML.

Written against mitmproxy 12.2 (`mitmproxy/proxy/layers/http/__init__.py`); pyproject.toml caps the version.
"""

import logging
from collections import deque

from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    Http1Client,
    HTTPMode,
    HttpStream,
    ResponseEndOfMessage,
)

from chatreel.engine.chat_stream import ChatHttpStream, Commands, Rules
from chatreel.engine.heads import BoundedHttpLayer

logger = logging.getLogger(__name__)


class ChatHttpLayer(BoundedHttpLayer):
    """Puts `ChatHttpStream` where mitmproxy puts its own stream, and survives trailers."""

    def __init__(self, context: Context, mode: HTTPMode, rules: Rules) -> None:
        super().__init__(context, mode)
        self._rules = rules

    def _handle_event(self, event: events.Event) -> Commands:
        """What the engine does, but that it need not be asked to run a hook that has nothing to wait for."""
        coming = deque([event])
        while coming:
            for command in super()._handle_event(coming.popleft()):
                if isinstance(command, commands.StartHook) and command.blocking and self._rules.begin(command):
                    coming.append(events.HookCompleted(command))
                else:
                    yield command

    def make_stream(self, stream_id: int) -> Commands:
        self.streams[stream_id] = ChatHttpStream(self.context.fork(), stream_id, self._rules)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> Commands:
        stream = self.command_sources.get(event)
        if not isinstance(stream, ChatHttpStream) or not self._rules.admits(stream.flow):
            yield from self._refuse_connection(event)
            return
        for command in super().get_connection(event, reuse=reuse):
            if isinstance(command, commands.OpenConnection) and isinstance(command.connection, Server):
                self._announce(command.connection)
            yield command

    def _announce(self, connection: Server) -> None:
        try:
            self._rules.opening(connection)
        except Exception:
            # A layer that raises leaves its client without an answer; a connection nobody was told of is not opened.
            logger.exception("a connection was not announced")

    def _refuse_connection(self, event: GetHttpConnection) -> Commands:
        host, port = event.address
        failure = f"chatreel lets this request have no connection to {host}:{port}"
        stream = self.command_sources.pop(event)
        yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, (None, failure)))

    def event_to_child(self, child: layer.Layer | HttpStream, event: events.Event) -> Commands:
        try:
            yield from super().event_to_child(child, event)
        except NotImplementedError:
            # mitmproxy reads a chunked body with trailers to its end, and gives up there (RFC 9110, section 6.5).
            reader = _http1_reader(child)
            if reader is None or reader.stream_id is None:
                raise
            if stream := self.streams.get(reader.stream_id):
                yield from self.event_to_child(stream, ResponseEndOfMessage(reader.stream_id))
            yield commands.CloseConnection(reader.conn)


def _http1_reader(handler: object) -> Http1Client | None:
    """What reads HTTP/1 from an upstream, at the bottom of the layers that handle its connection."""
    while handler is not None and not isinstance(handler, Http1Client):
        handler = getattr(handler, "child_layer", None) or getattr(handler, "layer", None)
    return handler
