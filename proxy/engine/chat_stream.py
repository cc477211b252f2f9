"""mitmproxy's HTTP stream, one request and its response, changed where no hook can: see `chat_layer`."""

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    HttpResponseHook,
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

from chatreel.api_errors import ApiError
from chatreel.engine.answers import BoundedHttpStream
from chatreel.engine.bodies import SMALL, Bodies
from chatreel.engine.draining import MAX_BYTES, Drains
from chatreel.engine.upstream_errors import upstream_error
from chatreel.pace import Part

LINGER = 0.05
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


@dataclass
class ChatLargeBodyHook(commands.StartHook):
    """A request body grows large. Whoever sets `flow.response` refuses it; what has come of it is not kept then."""

    name = "chat_large_body"
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
    admits: Callable[[http.HTTPFlow], bool]
    """Whether a request may have a connection to its upstream."""
    opening: Callable[[Server], None]
    """Told of each connection that is opened for a request that was admitted."""
    drains: Drains
    bodies: Bodies
    begin: Callable[[commands.StartHook], bool]
    """Begins a hook; whether that was all of it."""


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
        self._is_large = False
        self._left: RequestProtocolError | None = None
        """That the client has, while its answer is drained."""
        self._drained = 0
        self._deadline: commands.RequestWakeup | None = None

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup):
            yield from self._wake_up(event)
        elif isinstance(event, RequestProtocolError):
            self._parts.clear()
            if self._may_drain() and self._rules.drains.begin(self.flow):
                yield from self._drain(event)
            else:
                yield from self._go_on(event)
        elif self._lingering and self.server_state == self.state_done:
            return  # it came in the same read as what was taken for the end of the answer
        elif self._left and isinstance(event, ResponseData) and self._is_too_much(event):
            yield from self._give_up()
        else:
            yield from self._go_on(event)

    def _is_too_much(self, event: ResponseData) -> bool:
        """Of an answer that is drained."""
        self._drained += len(event.data)
        return self._drained > MAX_BYTES

    def _go_on(self, event: events.Event) -> Commands:
        """What the engine does, but for failures that a client can be told of in the API's shape."""
        inner = super()._handle_event(event)
        result: object = None
        with suppress(StopIteration):
            while True:
                command = inner.send(result)
                result = None
                if isinstance(command, DropStream):
                    self._rules.bodies.leave(self.flow)
                if isinstance(command, SendHttp):
                    self._answering |= isinstance(command.event, ResponseHeaders)
                    self._forwarded |= isinstance(command.event, RequestHeaders)
                if (failure := self._failure(command)) is not None:
                    yield from self._answer(failure)
                else:
                    result = yield command

    def _wake_up(self, event: events.Wakeup) -> Commands:
        """A part of a paced replay is due, an upstream lingers, or a drain takes too long."""
        if event.command is self._deadline:
            yield from self._give_up()
        elif self._parts:
            yield from self._send_due_parts()
        elif self._lingering:
            yield from self._end_lingering()

    def _end_lingering(self) -> Commands:
        if self.server_state == self.state_stream_response_body:
            yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))
            yield commands.CloseConnection(self.flow.server_conn)  # whatever it says now is nobody's

    def _may_drain(self) -> bool:
        waiting = self.server_state in (
            self.state_wait_for_response_headers,
            self.state_consume_response_body,
            self.state_stream_response_body,
        )
        return self._forwarded and waiting and self.client_state == self.state_done and not self._left

    def _drain(self, left: RequestProtocolError) -> Commands:
        """The client has left and nobody is told: the answer goes on, to be recorded."""
        self._left = left
        if self._lingering:
            yield from self._end_lingering()  # the engine forgets wake-ups when a client disconnects
            return
        self._deadline = commands.RequestWakeup(self._rules.drains.seconds)
        yield self._deadline

    def _give_up(self) -> Commands:
        """What the engine does at once when a client leaves."""
        left, self._left = self._left, None
        if left and self.server_state not in (self.state_done, self.state_errored):
            yield from self._go_on(left)
            self.server_state = self.state_errored  # what had arrived before is nobody's

    def state_consume_request_body(self, event: events.Event) -> Commands:
        if isinstance(event, RequestData):
            length = len(self.request_body_buf) + len(event.data)
            if not self.flow.response:
                if length > self._rules.max_body:
                    self.flow.response = self._rules.turn_away(self.flow)
                elif length > SMALL and not self._is_large:
                    self._is_large = True
                    yield ChatLargeBodyHook(self.flow)
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
            if self._left:
                yield from self._end_lingering()  # wake-ups are forgotten: see `_drain`
            else:
                yield commands.RequestWakeup(LINGER)

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
