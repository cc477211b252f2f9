"""mitmproxy's hooks, told to the recorder, and its answers, done to the flow.

mitmproxy logs an exception in a hook and lets the request go on to the live upstream. Hence three bolts: a request
points nowhere until it has been routed, it carries a refusal until the recorder has decided, and the firewall
(`chatreel.engine.firewall`) opens no connection that the mode and the configuration do not allow.
"""

import re
import time

from mitmproxy import http
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import ClientTLSLayer, modes
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream
from mitmproxy.proxy.mode_specs import ReverseMode

from chatreel.api_errors import ApiError, Problem, not_recorded, not_replayable, too_large, unknown_path
from chatreel.control import control_reply
from chatreel.engine.chat_layer import ChatHttpLayer, Rules
from chatreel.engine.decoding import BrokenCoding
from chatreel.engine.messages import (
    add_cache_status,
    answered_in_pieces,
    answered_whole,
    asked_of,
    is_stream,
    response_of,
    tee_into,
)
from chatreel.engine.route import Route, asked_host, is_over, parts_of, put_route, route_of
from chatreel.http_caching import CacheStatus, request_directives
from chatreel.model import Mode
from chatreel.recorder import Recorder
from chatreel.reply import refusal
from chatreel.upstreams import Target, Upstreams

_SAYS_NOTHING_OF_OPTIONS = frozenset({401, 402, 403, 407, 408, 409, 413, 429})
"""Statuses of an upstream that have reasons of their own; asking again would not mend them."""

_METHOD = re.compile(rb"[A-Z]{3,20} ")
"""How a request begins; no TLS record does."""


class ChatreelAddon:
    """One recorder behind mitmproxy's hooks."""

    def __init__(self, recorder: Recorder, upstreams: Upstreams, *, max_body: int) -> None:
        self._recorder = recorder
        self._upstreams = upstreams
        self._rules = Rules(max_body, self._turn_away, lambda error: response_of(refusal(error)), parts_of, is_over)

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Put our HTTP layer where the engine would put its own. What is tunnelled never asks for one."""
        match nextlayer.context.layers[-1]:
            case modes.ReverseProxy() | ClientTLSLayer():
                nextlayer.layer = ChatHttpLayer(nextlayer.context, HTTPMode.transparent, self._rules)
            case modes.HttpProxy():
                nextlayer.layer = ChatHttpLayer(nextlayer.context, HTTPMode.regular, self._rules)
            case HttpStream() if self._is_plain_call(nextlayer):
                nextlayer.layer = ChatHttpLayer(nextlayer.context, HTTPMode.transparent, self._rules)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not _is_open(flow):
            return
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            request = flow.request
            host = asked_host(flow, self._upstreams)
            if target := self._upstreams.intercepted(request.scheme, host, request.port, request.path):
                self._admit(flow, target)
            return
        if reply := control_reply(flow.request.method, flow.request.path, self._recorder.session):
            flow.response = response_of(reply)
        elif target := self._upstreams.target(flow.request.path):
            self._admit(flow, target)
            _point_at(flow.request, target)
        else:
            flow.response = self._rules.refuse(unknown_path(flow.request.path))

    async def request(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if not _is_open(flow) or route is None or route.exchange or not route.is_chat:
            return
        flow.response = self._rules.refuse(ApiError(Problem.INTERNAL, "chatreel failed on this request; see its log"))
        try:
            asked = asked_of(flow.request, route, self._rules.max_body)
        except BrokenCoding as error:
            problem = ApiError(Problem.BAD_REQUEST, f"chatreel cannot read this request: {error}")
            flow.response = response_of(self._recorder.turn_away(route.target, problem))
            return
        exchange = await self._recorder.open(asked)
        route.exchange = exchange
        if exchange.reply:
            flow.response = response_of(exchange.reply)
            return
        # A stream callable sees the bytes as they travel: compressed ones could be neither read nor paced (Q1).
        flow.request.headers["accept-encoding"] = "identity"
        if exchange.adds_usage:
            flow.request.content = exchange.forwarded_body
        route.forwarded = time.perf_counter()
        flow.response = None

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or flow.response is None:
            return
        if route.exchange is None:
            flow.response.stream = True  # nothing of ours: pass it on as it comes
        elif not route.exchange.reply and is_stream(flow.response, route.exchange):
            route.tee = tee_into(flow.response, route)
            add_cache_status(flow.response, self._recorder.forward_status(route.exchange))

    async def response(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or route.exchange is None or route.exchange.logged or flow.response is None:
            return
        self._learn(route, flow.response)
        try:
            answered = answered_whole(flow.response, route)
        except BrokenCoding as error:
            self._recorder.fail(route.exchange, str(error), status=flow.response.status_code)
            add_cache_status(flow.response, CacheStatus(fwd="miss", detail="not-stored-corrupt"))
            return
        result = await self._recorder.finish(route.exchange, answered)
        if isinstance(result, CacheStatus):
            add_cache_status(flow.response, result)
        else:
            flow.response = self._rules.refuse(result)

    async def chat_stream_end(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or route.exchange is None or route.tee is None or flow.response is None:
            return
        self._learn(route, flow.response)
        route.tee.close()
        if route.tee.broken:
            self._recorder.fail(route.exchange, route.tee.broken)
            flow.kill()
            return
        if route.tee.unkept:
            self._recorder.fail(route.exchange, route.tee.unkept, status=flow.response.status_code)
            return
        answered = answered_in_pieces(flow.response, route.tee)
        route.exchange.first_piece = answered.pieces[0].at if answered.pieces else None
        result = await self._recorder.finish(route.exchange, answered)
        if isinstance(result, ApiError):
            flow.kill()

    def chat_rejected(self, flow: http.HTTPFlow) -> None:
        """An upstream says 4xx: if the reason may be the usage we asked for, take the answer away and ask without."""
        route = route_of(flow)
        if route is None or route.exchange is None or flow.response is None or not route.exchange.adds_usage:
            return
        if flow.response.status_code not in _SAYS_NOTHING_OF_OPTIONS:
            route.exchange.adds_usage = False
            route.asked_again = True
            flow.request.content = route.exchange.forwarded_body
            flow.response = None

    def error(self, flow: http.HTTPFlow) -> None:
        route = route_of(flow)
        if route is None or route.exchange is None or flow.error is None:
            return
        reason = flow.error.msg
        told = route.tee is None and not reason.startswith("Client disconnected")
        self._recorder.fail(route.exchange, reason, status=502 if told else None)

    def _is_plain_call(self, nextlayer: layer.NextLayer) -> bool:
        """Whether a tunnel leads to an upstream without TLS, as some clients have it (undici, `curl --proxytunnel`)."""
        address = nextlayer.context.server.address
        is_upstream = address is not None and self._upstreams.is_at(*address[:2])
        return is_upstream and _METHOD.match(nextlayer.data_client()) is not None

    def _admit(self, flow: http.HTTPFlow, target: Target) -> None:
        """Give the request a route, or refuse what is refused whatever its body says."""
        request = flow.request
        route = put_route(flow, target)
        length = request.headers.get("content-length", "")
        if not route.is_chat and self._recorder.session.mode is Mode.REPLAY:
            flow.response = self._rules.refuse(not_replayable(request.method, request.path))
        elif not route.is_chat and request_directives(request.headers.get("cache-control", ""))[0].only_if_cached:
            flow.response = self._rules.refuse(not_recorded(request.method, request.path))
        elif route.is_chat and length.isdigit() and int(length) > self._rules.max_body:
            flow.response = self._turn_away(flow)
        else:
            request.stream = not route.is_chat

    def _turn_away(self, flow: http.HTTPFlow) -> http.Response:
        """Refuse a body past the limit, whether it was announced or grew."""
        error = too_large(self._rules.max_body)
        route = route_of(flow)
        return response_of(self._recorder.turn_away(route.target, error) if route else refusal(error))

    def _learn(self, route: Route, response: http.Response) -> None:
        if route.exchange and route.asked_again and response.status_code < 300:
            self._recorder.usage_refused(route.exchange)


def _is_open(flow: http.HTTPFlow) -> bool:
    """Whether nobody has answered or ended the flow yet."""
    return flow.live and not flow.response and not flow.error


def _point_at(request: http.Request, target: Target) -> None:
    upstream = target.upstream
    request.scheme = upstream.scheme
    request.host = upstream.host
    request.port = upstream.port
    request.host_header = upstream.authority
    request.path = target.path_and_query
