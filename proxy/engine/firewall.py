"""The last bolt: which connections are used at all, whatever the other hooks did or failed to do.

One connection of a client may carry calls of many sessions, and one connection to an upstream serves them in turn. So
each request asks by itself for the connection it goes out on, new or reused (`admits`), and nothing opens one to an
upstream that no request was admitted to (`server_connect`).
"""

import logging

from mitmproxy import http
from mitmproxy.connection import Client, Server
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.mode_specs import ReverseMode

from chatreel.decide import may_ask
from chatreel.engine.route import Route, route_of
from chatreel.sessions import Sessions
from chatreel.upstreams import Upstreams

logger = logging.getLogger(__name__)


class Firewall:
    """Only upstreams can be reached, and by a request of a session in `replay` not even they.

    The forward proxy tunnels for other hosts, too: that traffic is not ours to stop.
    """

    def __init__(self, sessions: Sessions, upstreams: Upstreams) -> None:
        self._sessions = sessions
        self._upstreams = upstreams
        self._admitted: set[str] = set()
        """Connections about to be opened for a request that was admitted."""

    def admits(self, flow: http.HTTPFlow) -> bool:
        """Whether a request may have a connection. Whatever raises here is a no."""
        if route := route_of(flow):
            return self.lets(route)
        try:
            is_reverse = isinstance(flow.client_conn.proxy_mode, ReverseMode)
            return not is_reverse and not self._is_known(flow.client_conn, flow.request.host, flow.request.port)
        except Exception:
            logger.exception("a request was kept from its upstream")
            return False

    def lets(self, route: Route) -> bool:
        """Whether a request to one of our upstreams may have a connection. Whatever raises here is a no."""
        try:
            return route.may_connect
        except Exception:
            logger.exception("a request was kept from its upstream")
            return False

    def opening(self, connection: Server) -> None:
        """A request that was admitted opens a connection."""
        self._admitted.add(connection.id)

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        data.server.error = f"chatreel opens no connection to {data.server.address} in this mode and configuration"
        if self._may_open(data):
            data.server.error = None

    def _may_open(self, data: server_hooks.ServerConnectionHookData) -> bool:
        if data.server.id in self._admitted:
            self._admitted.discard(data.server.id)
            return True
        if isinstance(data.client.proxy_mode, ReverseMode):
            return False
        # A tunnel in which no HTTP was found.
        address = data.server.address
        is_upstream = address is not None and self._is_known(data.client, *address[:2])
        return not is_upstream or may_ask(self._sessions.default.mode)

    def _is_known(self, client: Client, host: str, port: int) -> bool:
        """Whether an upstream is asked: by its name, or by its address with its name in TLS (SNI)."""
        return self._upstreams.is_at(host, port) or self._upstreams.is_at(client.sni or host, port)
