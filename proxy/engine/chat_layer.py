"""mitmproxy's HTTP layer with eight things changed, each of them impossible from a hook.

- Before the end of a streamed response goes out, a hook of our own is awaited: the recording is stored before the
  client can have the whole answer.
- A request body that is refused, or grows past the limit, is read to its end but not kept: the client gets its 413
  instead of a reset, and memory stays flat.
- An upstream that refuses a request because of what we added to it is asked again without.
- A replayed stream goes out at a pace, piece by piece, instead of in one write.
- An interim response (1xx) is not taken for the answer, which would leave the real one to the next request.
- A stream that has said `[DONE]` is over, also if its upstream keeps the connection open.
- A body that ends with trailers is a body, not the end of the connection.
- An upstream that fails before its response has begun is answered in the API's shape, not with a page of HTML.

Written against mitmproxy 12.2 (`mitmproxy/proxy/layers/http/__init__.py`); pyproject.toml caps the version.
"""

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    ErrorCode,
    Http1Client,
    HTTPMode,
    HttpResponseHook,
    HttpStream,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)

from chatreel.api_errors import ApiError, Problem
from chatreel.engine.answers import BoundedHttpStream
from chatreel.engine.heads import BoundedHttpLayer
from chatreel.pace import Part

_LINGER = 0.05
"""Seconds for an upstream to end its message after `[DONE]`: nearly all do at once, some stay connected (Q15)."""

type Commands = Generator[commands.Command, Any, None]


@dataclass
class ChatStreamEndHook(commands.StartHook):
    """A streamed response is complete, and its end has not been passed on yet."""

    name = "chat_stream_end"
    flow: http.HTTPFlow


@dataclass
class ChatRejectedHook(commands.StartHook):
    """An upstream answered with a 4xx. Whoever takes `flow.response` away has the request asked again as it is then."""

    name = "chat_rejected"
    flow: http.HTTPFlow


@dataclass(frozen=True, slots=True)
class Rules:
    """What the layer has to know of the addon."""

    max_body: int
    """Bytes of a request body."""
    turn_away: Callable[[http.HTTPFlow], http.Response]
    """What a request gets whose body grew past the limit."""
    refuse: Callable[[ApiError], http.Response]
    parts: Callable[[http.HTTPFlow], tuple[Part, ...]]
    """How a replayed response goes out; empty for all at once."""
    is_over: Callable[[http.HTTPFlow], bool]
    """Whether a streamed response has said that it is (`[DONE]`), while its message goes on."""


class ChatHttpLayer(BoundedHttpLayer):
    """Puts `ChatHttpStream` where mitmproxy puts its own stream, and survives trailers."""

    def __init__(self, context: Context, mode: HTTPMode, rules: Rules) -> None:
        super().__init__(context, mode)
        self._rules = rules

    def make_stream(self, stream_id: int) -> Commands:
        self.streams[stream_id] = ChatHttpStream(self.context.fork(), stream_id, self._rules)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

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


class ChatHttpStream(BoundedHttpStream):
    """One request and its response."""

    def __init__(self, context: Context, stream_id: int, rules: Rules) -> None:
        super().__init__(context, stream_id)
        self._rules = rules
        self._answering = False
        self._forwarded = False
        self._parts: deque[Part] = deque()
        self._paced_since = 0.0
        self._lingering = False

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup):
            yield from self._wake_up()
            return
        if isinstance(event, RequestProtocolError):
            self._parts.clear()
        if isinstance(event, ResponseHeaders) and _is_interim(event.response):
            # The engine thinks it has the answer: on this connection the real one would be the next request's.
            yield commands.CloseConnection(self.flow.server_conn)
            event = _interim_error(event)
        inner = super()._handle_event(event)
        result: object = None
        with suppress(StopIteration):
            while True:
                command = inner.send(result)
                result = None
                if isinstance(command, SendHttp):
                    self._answering |= isinstance(command.event, ResponseHeaders)
                    self._forwarded |= isinstance(command.event, RequestHeaders)
                if (failure := self._failure(command)) is not None:
                    yield from self._answer(failure)
                else:
                    result = yield command

    def _wake_up(self) -> Commands:
        """A part of a paced replay is due, or an upstream lingers; the client may have left meanwhile."""
        if self._parts:
            yield from self._send_due_parts()
        elif self._lingering and self.server_state == self.state_stream_response_body:
            yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))
            yield commands.CloseConnection(self.flow.server_conn)  # whatever it says now is nobody's

    def state_consume_request_body(self, event: events.Event) -> Commands:
        if isinstance(event, RequestData):
            if len(self.request_body_buf) + len(event.data) > self._rules.max_body and not self.flow.response:
                self.flow.response = self._rules.turn_away(self.flow)
            if self.flow.response:
                self.request_body_buf.clear()
                return
        yield from super().state_consume_request_body(event)

    def send_response(self, already_streamed: bool = False) -> Commands:
        response = self.flow.response
        if self._forwarded and response and 400 <= response.status_code <= 499:
            # A hook ends only when the upstream's connection is done with this answer and can take the next request.
            yield ChatRejectedHook(self.flow)
            if self.flow.response is None:
                yield from self._ask_again()
                return
        if not already_streamed and (parts := self._rules.parts(self.flow)):
            yield from self._send_paced(parts)
        else:
            yield from super().send_response(already_streamed)

    def _send_paced(self, parts: tuple[Part, ...]) -> Commands:
        """Send the head now and each part when it is due; the flow ends with the last one."""
        assert self.flow.response  # noqa: S101 - as in the method this one stands in for
        yield HttpResponseHook(self.flow)
        self.server_state = self.state_done  # no upstream has to be told if the client leaves
        if (yield from self.check_killed(False)):
            return
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response), self.context.client)
        self._parts = deque(parts)
        self._paced_since = time.perf_counter()
        yield from self._send_due_parts()

    def _send_due_parts(self) -> Commands:
        while self._parts:
            wait = self._parts[0].at - (time.perf_counter() - self._paced_since)
            if wait > 0:
                yield commands.RequestWakeup(wait)
                return
            yield SendHttp(ResponseData(self.stream_id, self._parts.popleft().data), self.context.client)
        yield from self.flow_done()

    def _ask_again(self) -> Commands:
        self.server_state = self.state_wait_for_response_headers
        self.request_body_buf += self.flow.request.raw_content or b""
        yield from super().state_consume_request_body(RequestEndOfMessage(self.stream_id))

    def state_stream_response_body(self, event: events.Event) -> Commands:
        if isinstance(event, ResponseEndOfMessage):
            yield ChatStreamEndHook(self.flow)
            if (yield from self.check_killed(False)):
                return
        yield from super().state_stream_response_body(event)
        if isinstance(event, ResponseData) and not self._lingering and self._rules.is_over(self.flow):
            self._lingering = True
            yield commands.RequestWakeup(_LINGER)

    def _failure(self, command: commands.Command) -> ResponseProtocolError | None:
        """The error in `command`, if it is one that the client can still be told about as an HTTP response."""
        if not isinstance(command, SendHttp) or not isinstance(command.event, ResponseProtocolError):
            return None
        request_is_read = self.client_state == self.state_done
        speakable = command.event.code.http_status_code() is not None
        return command.event if request_is_read and speakable and not self._answering else None

    def _answer(self, failure: ResponseProtocolError) -> Commands:
        response = self._rules.refuse(upstream_error(failure, self.flow.request))
        for event in (
            ResponseHeaders(self.stream_id, response),
            ResponseData(self.stream_id, response.raw_content or b""),
            ResponseEndOfMessage(self.stream_id),
        ):
            yield SendHttp(event, self.context.client)


def _http1_reader(handler: object) -> Http1Client | None:
    """What reads HTTP/1 from an upstream, at the bottom of the layers that handle its connection."""
    while handler is not None and not isinstance(handler, Http1Client):
        handler = getattr(handler, "child_layer", None) or getattr(handler, "layer", None)
    return handler


def _is_interim(response: http.Response) -> bool:
    """Whether another response follows (RFC 9110, section 15.2); 101 is the last one that is HTTP."""
    return 100 <= response.status_code <= 199 and response.status_code != 101


def _interim_error(headers: ResponseHeaders) -> ResponseProtocolError:
    message = f"it sent an interim response, status {headers.response.status_code}, which chatreel cannot pass on"
    return ResponseProtocolError(headers.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR)


def upstream_error(failure: ResponseProtocolError, request: http.Request) -> ApiError:
    where = f"{request.scheme}://{request.host}:{request.port}"
    if failure.code is ErrorCode.CONNECT_FAILED:
        return ApiError(Problem.UPSTREAM_UNREACHABLE, f"chatreel cannot reach the upstream {where}: {failure.message}")
    return ApiError(
        Problem.UPSTREAM_BROKEN, f"the upstream {where} broke off before its answer was complete: {failure.message}"
    )
