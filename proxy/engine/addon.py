"""mitmproxy's hooks, told to the recorder, and its answers, done to the flow.

mitmproxy logs an exception in a hook and lets the request go on to the live upstream. Hence three bolts: a request
points nowhere until it has been routed, it carries a refusal until the recorder has decided, and the firewall
(`chatreel.engine.firewall`) gives a connection to no request that was not decided to go upstream.
"""

import re
import time
from collections.abc import Callable

from mitmproxy import connection, http
from mitmproxy.proxy import layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer, modes
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream

from chatreel import tags
from chatreel.api_errors import ApiError, Problem
from chatreel.control import Control
from chatreel.engine.admission import Admission
from chatreel.engine.chat_layer import ChatHttpLayer
from chatreel.engine.chat_stream import Rules
from chatreel.engine.decoding import BrokenCoding
from chatreel.engine.messages import (
    add_cache_status,
    answered_in_pieces,
    answered_whole,
    asked_of,
    broken,
    is_stream,
    response_of,
    tee_into,
)
from chatreel.engine.route import Route, asking_of, is_control, route_of
from chatreel.engine.tee import Tee
from chatreel.exchange import Exchange
from chatreel.http_caching import CacheStatus
from chatreel.recorder import Recorder
from chatreel.upstreams import Upstreams

type FastLayers = Callable[[Context], layer.Layer]

_SAYS_NOTHING_OF_OPTIONS = frozenset({401, 402, 403, 407, 408, 409, 413, 429})
"""Statuses of an upstream that have reasons of their own; asking again would not mend them."""

_METHOD = re.compile(rb"[A-Z]{3,20} ")
"""How a request begins; no TLS record does."""


class ChatreelAddon:
    """All sessions behind mitmproxy's hooks."""

    def __init__(
        self,
        recorder: Recorder,
        admission: Admission,
        control: Control,
        upstreams: Upstreams,
        rules: Rules,
    ) -> None:
        self._recorder = recorder
        self._admission = admission
        self._control = control
        self._upstreams = upstreams
        self._rules = rules
        self.fast_layer: FastLayers | None = None
        """Makes what stands in front of the HTTP layer, if anything does."""

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Put our HTTP layer where the engine would put its own. What is tunnelled never asks for one."""
        match nextlayer.context.layers[-1]:
            case modes.ReverseProxy() | ClientTLSLayer() if self.fast_layer and nextlayer.context.client.alpn != b"h2":
                nextlayer.layer = self.fast_layer(nextlayer.context)
            case modes.ReverseProxy() | ClientTLSLayer():
                nextlayer.layer = ChatHttpLayer(nextlayer.context, HTTPMode.transparent, self._rules)
            case modes.HttpProxy():
                nextlayer.layer = ChatHttpLayer(nextlayer.context, HTTPMode.regular, self._rules)
            case HttpStream() if self._is_plain_call(nextlayer):
                nextlayer.layer = ChatHttpLayer(nextlayer.context, HTTPMode.transparent, self._rules)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if _is_open(flow):
            self._admission.admit(flow)

    async def chat_large_body(self, flow: http.HTTPFlow) -> None:
        if _is_open(flow) and not await self._rules.bodies.enter(flow, self._admission.largest(flow.request)):
            flow.response = self._admission.no_room(flow)

    async def request(self, flow: http.HTTPFlow) -> None:
        if not _is_open(flow):
            return
        route = route_of(flow)
        if is_control(flow):
            flow.response = broken()
            flow.response = response_of(await self._control.answer(asking_of(flow.request)))
        elif route and route.is_chat and not route.exchange:
            flow.response = broken()
            flow.response = await self._open(flow, route)

    async def _open(self, flow: http.HTTPFlow, route: Route) -> http.Response | None:
        """What a call gets without anybody being asked; `None` if it goes upstream."""
        try:
            asked = asked_of(flow.request, route, self._rules.max_body)
        except BrokenCoding as error:
            problem = ApiError(Problem.BAD_REQUEST, f"chatreel cannot read this request: {error}")
            return response_of(self._recorder.turn_away(route.target, route.session, problem))
        exchange = await self._recorder.open(asked, route.session)
        if not exchange.reply:
            try:
                _prepare(flow.request, exchange)
            except Exception as error:
                self._recorder.fail(exchange, f"chatreel failed: {error!r}", status=500)
                raise
        route.exchange = exchange
        route.forwarded = time.perf_counter()
        return response_of(exchange.reply) if exchange.reply else None

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or flow.response is None:
            return
        if route.exchange is None:
            flow.response.stream = True  # nothing of ours: pass it on as it comes
        else:
            self.begin(route, flow.response)

    def begin(self, route: Route, response: http.Response) -> None:
        """The head of an answer is there: a stream is passed on from now on."""
        if route.exchange and not route.exchange.reply and is_stream(response, route.exchange):
            route.tee = tee_into(response, route)
            self._recorder.streams(route.exchange, route.tee.news)
            add_cache_status(response, self._recorder.forward_status(route.exchange))

    async def response(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or route.exchange is None or route.exchange.logged or flow.response is None:
            return
        try:
            flow.response = await self.finish_whole(route, route.exchange, flow.response)
        finally:
            self._rules.drains.end(flow)

    async def finish_whole(self, route: Route, exchange: Exchange, response: http.Response) -> http.Response:
        """A response that was kept back until it was complete; what the client gets."""
        self._learn(route, response)
        try:
            answered = answered_whole(response, route)
        except BrokenCoding as error:
            self._recorder.fail(exchange, str(error), status=response.status_code)
            add_cache_status(response, CacheStatus(fwd="miss", detail="not-stored-corrupt"))
            return response
        result = await self._recorder.finish(exchange, answered)
        if isinstance(result, ApiError):
            refused = self._rules.refuse(result)
            status = self._recorder.forward_status(exchange)._replace(fwd_status=answered.status)
            refused.headers["cache-status"] = str(status._replace(detail=result.problem.value.code))
            return refused
        add_cache_status(response, result)
        return response

    async def chat_stream_end(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or route.exchange is None or route.tee is None or flow.response is None:
            return
        if route.exchange.logged:  # given up, and the rest came all the same
            return
        try:
            if not await self.finish_stream(route, route.exchange, route.tee, flow.response):
                flow.kill()
        finally:
            self._rules.drains.end(flow)

    async def finish_stream(
        self,
        route: Route,
        exchange: Exchange,
        tee: Tee,
        response: http.Response,
        release: Callable[[], None] | None = None,
    ) -> bool:
        """A response that was passed on as it came; whether its end may be, too.

        `release`: called if it may be before this returns.
        """
        self._learn(route, response)
        tee.close()
        exchange.first_piece = tee.first_piece
        if tee.broken:
            self._recorder.fail(exchange, tee.broken)
            return False
        if tee.unkept:
            self._recorder.fail(exchange, tee.unkept, status=response.status_code)
            return True
        result = await self._recorder.finish(exchange, answered_in_pieces(response, tee), release)
        return not isinstance(result, ApiError)

    def chat_rejected(self, flow: http.HTTPFlow) -> None:
        """An upstream says 4xx: if the reason may be the usage we asked for, take the answer away and ask without."""
        route = route_of(flow)
        if route and route.exchange and flow.response and self.asks_again(route, route.exchange, flow.response):
            flow.request.content = route.exchange.forwarded_body
            flow.response = None

    def asks_again(self, route: Route, exchange: Exchange, response: http.Response) -> bool:
        """Whether an upstream that says 4xx is asked once more, and from now on without what we added."""
        if not exchange.adds_usage or response.status_code in _SAYS_NOTHING_OF_OPTIONS:
            return False
        exchange.adds_usage = False
        route.asked_again = True
        return True

    def error(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or route.exchange is None or flow.error is None:
            return
        reason = flow.error.msg
        gone = route.exchange.client_left or reason.startswith("Client disconnected")
        route.exchange.first_piece = route.tee.first_piece if route.tee else None
        self._recorder.fail(route.exchange, reason, status=502 if route.tee is None and not gone else None)
        self._rules.drains.end(flow)

    async def client_disconnected(self, client: connection.Client) -> None:
        """The engine waits for this before it closes the connections to upstreams that belong to a client."""
        await self._rules.drains.wait(client.id)
        self._rules.bodies.leave_all(client.id)

    def done(self) -> None:
        """The proxy stops."""
        self._rules.drains.stop()

    def _is_plain_call(self, nextlayer: layer.NextLayer) -> bool:
        """Whether a tunnel leads to an upstream without TLS, as some clients have it (undici, `curl --proxytunnel`)."""
        address = nextlayer.context.server.address
        is_upstream = address is not None and self._upstreams.is_at(*address[:2])
        return is_upstream and _METHOD.match(nextlayer.data_client()) is not None

    def _learn(self, route: Route, response: http.Response) -> None:
        if route.exchange and route.asked_again and response.status_code < 300:
            self._recorder.usage_refused(route.exchange)


def _prepare(request: http.Request, exchange: Exchange) -> None:
    """What the upstream gets, where that is not what the client sent."""
    prepare_head(request)
    if exchange.adds_usage:
        request.content = exchange.forwarded_body


def prepare_head(request: http.Request) -> None:
    """The same of what comes before the body."""
    # A stream callable sees the bytes as they travel: compressed ones could be neither read nor paced (Q1).
    request.headers["accept-encoding"] = "identity"
    request.headers.pop(tags.HEADER, None)


def _is_open(flow: http.HTTPFlow) -> bool:
    """Whether nobody has answered or ended the flow yet."""
    return flow.live and not flow.response and not flow.error
