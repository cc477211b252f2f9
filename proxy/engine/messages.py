"""Between mitmproxy's messages and our values."""

import time
from functools import cache

from mitmproxy import http

from chatreel import tags
from chatreel.api_errors import ApiError, Problem
from chatreel.canonical import credential_headers
from chatreel.engine.answers import TOO_LONG, passed_on
from chatreel.engine.decoding import LIMIT, BrokenCoding, decoder
from chatreel.engine.route import Route
from chatreel.engine.tee import Tee
from chatreel.exchange import Answered, Asked, Exchange
from chatreel.http_caching import CacheStatus, asked_control
from chatreel.model import Piece
from chatreel.reply import Reply, refusal


def asked_of(request: http.Request, route: Route, limit: int) -> Asked:
    """The request, content coding undone. Raises `BrokenCoding`, also for a body of more than `limit` bytes."""
    return Asked(
        target=route.target,
        body=_decoded(request, limit),
        cache_control=cache_control_of(request),
        credentials=credential_headers(request.headers.items(multi=True)),
        tags=tuple(request.headers.get_all(tags.HEADER)),
    )


def cache_control_of(request: http.Request) -> str:
    return asked_control(request.headers.get("cache-control"), request.headers.get("pragma", ""))


def response_of(reply: Reply) -> http.Response:
    headers = tuple((name.encode(), value.encode()) for name, value in reply.headers)
    return http.Response.make(reply.status, reply.body, headers)


@cache
def broken() -> http.Response:
    """What a client gets if a hook raises after this was set: one for all, for each request has it for a moment."""
    return response_of(refusal(ApiError(Problem.INTERNAL, "chatreel failed on this request; see its log")))


def add_cache_status(response: http.Response, status: CacheStatus) -> None:
    """Last in the list, since we are the cache nearest to the client (RFC 9211, section 2)."""
    earlier = response.headers.get("cache-status", "")
    response.headers["cache-status"] = f"{earlier}, {status}" if earlier else str(status)


def is_stream(response: http.Response, exchange: Exchange) -> bool:
    """Whether to pass the response on chunk by chunk: by its label, or unlabelled when a stream was asked for (Q2).

    An error is not (Q3): it is short, and it may be the reason to ask again.
    """
    if not 200 <= response.status_code <= 299:
        return False
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "text/event-stream" or (exchange.streams and media_type != "application/json")


def tee_into(response: http.Response, route: Route) -> Tee:
    """Have the response pass through a tee from now on."""
    length = response.headers.get("content-length", "")
    hide_usage = route.exchange is not None and route.exchange.adds_usage
    undo = decoder(response.headers.get("content-encoding", ""))
    if undo:
        del response.headers["content-encoding"]
    if (undo or hide_usage) and length:  # the client does not get the bytes that were announced
        del response.headers["content-length"]
        response.headers["transfer-encoding"] = "chunked"
    announced = int(length) if length.isdigit() else None
    tee = Tee(route.forwarded, length=announced, hide_usage=hide_usage, decoder=undo)
    response.stream = tee
    return tee


def answered_whole(response: http.Response, route: Route) -> Answered:
    """A response that was kept back until it was complete. Raises `BrokenCoding`, also for one that grew too long."""
    if response.stream is passed_on:
        raise BrokenCoding(TOO_LONG)
    body = _decoded(response, LIMIT)
    return _answered(response, body, (Piece(time.perf_counter() - route.forwarded, len(body)),))


def answered_in_pieces(response: http.Response, tee: Tee) -> Answered:
    """A response that has passed through a tee."""
    return _answered(response, tee.body, tee.pieces)


def _decoded(message: http.Message, limit: int) -> bytes:
    """A whole body, content coding undone. Raises `BrokenCoding`, also for one of more than `limit` bytes."""
    body = message.raw_content or b""
    if undo := decoder(message.headers.get("content-encoding", ""), limit=limit):
        return undo.feed(body) + undo.close()
    return body


def _answered(response: http.Response, body: bytes, pieces: tuple[Piece, ...]) -> Answered:
    return Answered(response.status_code, tuple(response.headers.items(multi=True)), body, pieces)
