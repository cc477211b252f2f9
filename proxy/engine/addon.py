"""mitmproxy's hooks, told to the recorder, and its answers, done to the flow.

mitmproxy logs an exception in a hook and lets the request go on to the live upstream. Hence three bolts: a request
points nowhere until it has been routed, it carries a refusal until the recorder has decided, and no connection is
opened to an address that is not a configured upstream, nor to any address in `replay`.
"""

import time
from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.net import encoding
from mitmproxy.proxy import layer, server_hooks
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode

from chatreel.api_errors import ApiError, Problem
from chatreel.canonical import credential_headers
from chatreel.control import control_reply
from chatreel.engine.chat_layer import ChatHttpLayer, Rules
from chatreel.engine.tee import Tee
from chatreel.exchange import Answered, Asked, Exchange
from chatreel.http_caching import CacheStatus
from chatreel.model import Mode, Piece
from chatreel.pace import Part
from chatreel.recorder import Recorder
from chatreel.reply import Reply, refusal
from chatreel.upstreams import Target, Upstreams

_ROUTE = "chatreel"
_SAYS_NOTHING_OF_OPTIONS = frozenset({401, 402, 403, 404, 407, 408, 409, 413, 429})
"""Statuses of an upstream that have reasons of their own; asking again would not mend them."""


@dataclass(slots=True)
class Route:
    """What the addon knows about a flow; it travels in the flow's metadata."""

    target: Target
    exchange: Exchange | None = None
    """`None` for whatever is not a chat completion."""
    forwarded: float = 0.0
    tee: Tee | None = None
    asked_again: bool = False
    """Whether the upstream refused to be asked for usage, and was asked without."""


class ChatreelAddon:
    """One recorder behind mitmproxy's hooks."""

    def __init__(self, recorder: Recorder, upstreams: Upstreams, *, max_body: int) -> None:
        self._recorder = recorder
        self._upstreams = upstreams
        self._rules = Rules(max_body, self._turn_away, lambda error: _response(refusal(error)), _parts_of)

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        if isinstance(nextlayer.context.layers[-1], modes.ReverseProxy):
            nextlayer.layer = ChatHttpLayer(nextlayer.context, HTTPMode.transparent, self._rules)

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        allowed = () if self._recorder.session.mode is Mode.REPLAY else self._upstreams.addresses
        if data.server.address not in allowed:
            data.server.error = f"chatreel opens no connection to {data.server.address} in this mode and configuration"

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if _handled(flow):
            return
        reply = control_reply(flow.request.method, flow.request.path, self._recorder.session)
        target = self._upstreams.target(flow.request.path)
        if reply:
            flow.response = _response(reply)
        elif target is None:
            flow.response = self._rules.refuse(_unknown_path(flow.request.path))
        else:
            self._route(flow, target)

    async def request(self, flow: http.HTTPFlow) -> None:
        route = _route_of(flow)
        if _handled(flow) or route is None or route.exchange or not _is_chat(flow, route.target):
            return
        flow.response = self._rules.refuse(ApiError(Problem.INTERNAL, "chatreel failed on this request; see its log"))
        asked = Asked(
            target=route.target,
            body=flow.request.get_content(strict=False) or b"",
            cache_control=flow.request.headers.get("cache-control", ""),
            credentials=credential_headers(flow.request.headers.items(multi=True)),
        )
        exchange = await self._recorder.open(asked)
        route.exchange = exchange
        if exchange.reply:
            flow.response = _response(exchange.reply)
            return
        # A stream callable sees the bytes as they travel: compressed ones could be neither read nor paced (Q1).
        flow.request.headers["accept-encoding"] = "identity"
        if exchange.adds_usage:
            flow.request.content = exchange.forwarded_body
        route.forwarded = time.perf_counter()
        flow.response = None

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        route = _route_of(flow)
        if route is None or flow.response is None:
            return
        if route.exchange is None:
            flow.response.stream = True  # nothing of ours: pass it on as it comes
        elif not route.exchange.reply and _is_stream(flow.response, route.exchange):
            route.tee = _tee(flow.response, route)
            flow.response.stream = route.tee
            _add_cache_status(flow.response, self._recorder.forward_status(route.exchange))

    async def response(self, flow: http.HTTPFlow) -> None:
        route = _route_of(flow)
        if route is None or route.exchange is None or route.exchange.logged or flow.response is None:
            return
        if route.asked_again and flow.response.status_code < 300:
            self._recorder.usage_refused(route.exchange)
        body = flow.response.get_content(strict=False) or b""
        pieces = (Piece(time.perf_counter() - route.forwarded, len(body)),)
        result = await self._recorder.finish(route.exchange, _answered(flow.response, body, pieces))
        if isinstance(result, CacheStatus):
            _add_cache_status(flow.response, result)
        else:
            flow.response = self._rules.refuse(result)

    async def chat_stream_end(self, flow: http.HTTPFlow) -> None:
        route = _route_of(flow)
        if route is None or route.exchange is None or route.tee is None or flow.response is None:
            return
        if route.asked_again:
            self._recorder.usage_refused(route.exchange)
        pieces = route.tee.pieces
        route.exchange.first_piece = pieces[0].at if pieces else None
        body = _decoded(flow.response, route.tee.body)
        if len(body) != sum(piece.size for piece in pieces):
            pieces = (Piece(pieces[-1].at, len(body)),)
        result = await self._recorder.finish(route.exchange, _answered(flow.response, body, pieces))
        if isinstance(result, ApiError):
            flow.kill()

    def chat_rejected(self, flow: http.HTTPFlow) -> None:
        """An upstream says 4xx: if the reason may be the usage we asked for, take the answer away and ask without."""
        route = _route_of(flow)
        if route is None or route.exchange is None or flow.response is None or not route.exchange.adds_usage:
            return
        if flow.response.status_code not in _SAYS_NOTHING_OF_OPTIONS:
            route.exchange.adds_usage = False
            route.asked_again = True
            flow.request.content = route.exchange.forwarded_body
            flow.response = None

    def error(self, flow: http.HTTPFlow) -> None:
        route = _route_of(flow)
        if route is None or route.exchange is None or flow.error is None:
            return
        reason = flow.error.msg
        told = route.tee is None and not reason.startswith("Client disconnected")
        self._recorder.fail(route.exchange, reason, status=502 if told else None)

    def _route(self, flow: http.HTTPFlow, target: Target) -> None:
        """Point the request at its upstream, or refuse what is refused whatever its body says."""
        request = flow.request
        chat = _is_chat(flow, target)
        flow.metadata[_ROUTE] = Route(target)
        if not chat and self._recorder.session.mode is Mode.REPLAY:
            flow.response = self._rules.refuse(_not_replayable(request))
            return
        length = request.headers.get("content-length", "")
        if chat and length.isdigit() and int(length) > self._rules.max_body:
            flow.response = self._turn_away(flow)
            return
        upstream = target.upstream
        request.scheme = upstream.scheme
        request.host = upstream.host
        request.port = upstream.port
        request.host_header = upstream.authority
        request.path = target.path_and_query
        request.stream = not chat

    def _turn_away(self, flow: http.HTTPFlow) -> http.Response:
        """Refuse a body past the limit, whether it was announced or grew."""
        error = _too_large(self._rules.max_body)
        route = _route_of(flow)
        return _response(self._recorder.turn_away(route.target, error) if route else refusal(error))


def _handled(flow: http.HTTPFlow) -> bool:
    return bool(flow.response or flow.error or not flow.live)


def _route_of(flow: http.HTTPFlow) -> Route | None:
    route = flow.metadata.get(_ROUTE)
    return route if isinstance(route, Route) else None


def _parts_of(flow: http.HTTPFlow) -> tuple[Part, ...]:
    route = _route_of(flow)
    reply = route.exchange.reply if route and route.exchange else None
    return reply.parts if reply else ()


def _is_chat(flow: http.HTTPFlow, target: Target) -> bool:
    return flow.request.method == "POST" and target.is_chat


def _is_stream(response: http.Response, exchange: Exchange) -> bool:
    """Whether to pass the response on chunk by chunk: by its label, or unlabelled when a stream was asked for (Q2).

    An error is not (Q3): it is short, and it may be the reason to ask again.
    """
    if not 200 <= response.status_code <= 299:
        return False
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "text/event-stream" or (exchange.streams and media_type != "application/json")


def _tee(response: http.Response, route: Route) -> Tee:
    length = response.headers.get("content-length", "")
    hide_usage = route.exchange is not None and route.exchange.adds_usage
    if hide_usage and length:  # the client gets fewer bytes than were announced
        del response.headers["content-length"]
        response.headers["transfer-encoding"] = "chunked"
    return Tee(route.forwarded, length=int(length) if length.isdigit() else None, hide_usage=hide_usage)


def _decoded(response: http.Response, body: bytes) -> bytes:
    """The body without its content coding; as it came if the coding is unknown or broken, to be judged by its text."""
    try:
        decoded = encoding.decode(body, response.headers.get("content-encoding", "identity"))
    except ValueError:
        return body
    return decoded if isinstance(decoded, bytes) else body


def _add_cache_status(response: http.Response, status: CacheStatus) -> None:
    """Last in the list, since we are the cache nearest to the client (RFC 9211, section 2)."""
    earlier = response.headers.get("cache-status", "")
    response.headers["cache-status"] = f"{earlier}, {status}" if earlier else str(status)


def _answered(response: http.Response, body: bytes, pieces: tuple[Piece, ...]) -> Answered:
    return Answered(response.status_code, tuple(response.headers.items(multi=True)), body, pieces)


def _response(reply: Reply) -> http.Response:
    headers = tuple((name.encode(), value.encode()) for name, value in reply.headers)
    return http.Response.make(reply.status, reply.body, headers)


def _too_large(limit: int) -> ApiError:
    message = f"the request body is larger than {limit:,} bytes. Raise the limit with --max-body or CHATREEL_MAX_BODY."
    return ApiError(Problem.TOO_LARGE, message)


def _unknown_path(path: str) -> ApiError:
    return ApiError(
        Problem.UNKNOWN_PATH,
        f"nothing is served at {path.partition('?')[0]}. The base URL of the default upstream ends in /v1, that of an "
        "upstream called NAME in /NAME/v1.",
    )


def _not_replayable(request: http.Request) -> ApiError:
    return ApiError(
        Problem.NOT_REPLAYABLE,
        f"{request.method} {request.path} is not a chat completion, so there is no recording of it, and replay never "
        "reaches the network. Use --mode cache to let it pass.",
    )
