"""The last bolt: which connections are opened at all, whatever the other hooks did or failed to do."""

from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.mode_specs import ReverseMode

from chatreel.model import Mode
from chatreel.session import Session
from chatreel.upstreams import Upstreams


class Firewall:
    """Only upstreams can be reached, and in `replay` not even they.

    The forward proxy tunnels for other hosts, too: that traffic is not ours to stop.
    """

    def __init__(self, session: Session, upstreams: Upstreams) -> None:
        self._session = session
        self._upstreams = upstreams

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        address = data.server.address
        is_reverse = isinstance(data.client.proxy_mode, ReverseMode)
        known = address is not None and any(
            self._upstreams.is_at(host, address[1]) for host in (address[0], data.client.sni or address[0])
        )
        if is_reverse:
            known = address is not None and self._upstreams.is_configured(*address[:2])
        allowed = self._session.mode is not Mode.REPLAY if known else not is_reverse
        if not allowed:
            data.server.error = f"chatreel opens no connection to {data.server.address} in this mode and configuration"
