"""Who comes in, and where the forward proxy goes: asked before any other hook, and answered no unless it is yes."""

from collections.abc import Sequence
from dataclasses import dataclass

from mitmproxy import connection, http
from mitmproxy.proxy.mode_specs import ReverseMode

from chatreel.access import TOKEN_HEADER, Entry, entry, proxy_entry
from chatreel.api_errors import ApiError, blocked, guarded, no_proxy_token, no_token
from chatreel.destinations import is_guarded
from chatreel.engine.messages import broken, response_of
from chatreel.reply import refusal
from chatreel.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Policy:
    """What is let in and out."""

    token: str = ""
    """Empty: none is asked for."""
    block_others: bool = False
    """Whether the forward proxy refuses hosts that it does not intercept."""


OPEN = Policy()


class Gate:
    """Comes before whatever else looks at a request. An exception in a hook of its own leaves a refusal behind."""

    def __init__(self, policy: Policy, upstreams: Upstreams) -> None:
        self._policy = policy
        self._upstreams = upstreams
        self._admitted: set[str] = set()
        """Clients in a tunnel that they have shown the token for."""

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client of the forward proxy asks for a tunnel."""
        flow.response = broken()
        error = self._proxy_error(flow) or self._target_error(flow)
        if error is None:
            self._admitted.add(flow.client_conn.id)
        flow.response = _refused(error) if error else None

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response or flow.error:
            return
        flow.response = broken()
        if isinstance(flow.client_conn.proxy_mode, ReverseMode):
            error = self.admit_head(flow.request.headers)
        elif flow.client_conn.id in self._admitted:
            error = None
        else:
            error = self._proxy_error(flow) or self._target_error(flow)
        flow.response = _refused(error) if error else None

    def client_disconnected(self, client: connection.Client) -> None:
        self._admitted.discard(client.id)

    def entry(self, token_headers: Sequence[str], authorization: Sequence[str]) -> Entry:
        """Whether a request to the reverse proxy comes in, and what of its `Authorization` is for the upstream."""
        if not self._policy.token:
            return Entry(admitted=True, authorization=tuple(authorization))
        return entry(self._policy.token, token_headers, authorization)

    def is_in_a_tunnel(self, client: connection.Client) -> bool:
        """Whether a client of the forward proxy has been let in, and its tunnel to where it leads."""
        return client.id in self._admitted

    def admit_head(self, headers: http.Headers) -> ApiError | None:
        """Why a request to the reverse proxy does not come in. What is for us is taken out of its headers."""
        if not self._policy.token:
            return None
        found = self.entry(headers.get_all(TOKEN_HEADER), headers.get_all("authorization"))
        headers.pop(TOKEN_HEADER, None)
        headers.set_all("authorization", found.authorization)
        return None if found.admitted else no_token()

    def _proxy_error(self, flow: http.HTTPFlow) -> ApiError | None:
        headers = flow.request.headers
        given = headers.get_all("proxy-authorization")
        headers.pop("proxy-authorization", None)  # for us, or for nobody
        return no_proxy_token() if self._policy.token and not proxy_entry(self._policy.token, given) else None

    def _target_error(self, flow: http.HTTPFlow) -> ApiError | None:
        host, port = flow.request.host, flow.request.port
        if self._upstreams.is_at(host, port):
            return None
        if self._policy.block_others:
            return blocked(host)
        return guarded(host) if is_guarded(host) else None


def _refused(error: ApiError) -> http.Response:
    return response_of(refusal(error))
