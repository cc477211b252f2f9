"""What is known about a flow between its first hook and its last; it travels in the flow's metadata."""

from dataclasses import dataclass

from mitmproxy import http

from chatreel.control import Asking
from chatreel.decide import Action, may_ask
from chatreel.engine.tee import Tee
from chatreel.exchange import Exchange
from chatreel.pace import Part
from chatreel.session import Session
from chatreel.upstreams import Target, Upstreams

_KEY = "chatreel"
_CONTROL = "chatreel-control"


@dataclass(slots=True)
class Route:
    """Where a request goes, and what becomes of it."""

    session: Session
    target: Target
    is_chat: bool
    """Whether it is a chat completion, not some other request to an upstream."""
    exchange: Exchange | None = None
    """`None` before the body has been read, and for whatever is no chat completion."""
    forwarded: float = 0.0
    """When the request went upstream, on `time.perf_counter`."""
    tee: Tee | None = None
    """Of a response that is passed on while it arrives."""
    asked_again: bool = False
    """Whether the upstream refused to be asked for usage, and was asked without."""

    @property
    def may_connect(self) -> bool:
        """Whether the request may go upstream: it has been decided on, or is of no concern to its session."""
        if not self.is_chat:
            return may_ask(self.session.mode)
        exchange = self.exchange
        return exchange is not None and exchange.reply is None and exchange.action in (Action.RECORD, Action.FORWARD)


def put_route(flow: http.HTTPFlow, session: Session, target: Target) -> Route:
    route = Route(session, target, is_chat=flow.request.method == "POST" and target.is_chat)
    flow.metadata[_KEY] = route
    return route


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a client of the forward proxy asks."""

    scheme: str
    host: str
    port: int
    sni: str | None
    """As TLS names the host."""


def asked_host(origin: Origin, upstreams: Upstreams) -> str:
    """The host that a client of the forward proxy asks; where it names an address only, by what TLS says (SNI)."""
    if upstreams.is_at(origin.host, origin.port):
        return origin.host
    return origin.sni or origin.host


def route_of(flow: http.HTTPFlow) -> Route | None:
    route = flow.metadata.get(_KEY)
    return route if isinstance(route, Route) else None


def put_control(flow: http.HTTPFlow) -> None:
    """Mark a request as one to the control API that was admitted."""
    flow.metadata[_CONTROL] = True


def is_control(flow: http.HTTPFlow) -> bool:
    return _CONTROL in flow.metadata


def asking_of(request: http.Request) -> Asking:
    """A request to the control API; without its body as long as that has not been read."""
    return Asking(
        method=request.method,
        path=request.path,
        host=request.host_header or "",
        origin=request.headers.get("origin"),
        fetch_site=request.headers.get("sec-fetch-site", ""),
        body=request.raw_content or b"",
    )


def is_over(flow: http.HTTPFlow) -> bool:
    """Whether a response that passes through a tee has said that it is over."""
    route = route_of(flow)
    return bool(route and route.tee and route.tee.is_over)


def parts_of(flow: http.HTTPFlow) -> tuple[Part, ...]:
    """How a replayed response goes out; empty for all at once."""
    route = route_of(flow)
    reply = route.exchange.reply if route and route.exchange else None
    return reply.parts if reply else ()
