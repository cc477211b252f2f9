"""Between a request's head and its body: whose it is, where it goes, and what is refused whatever its body says."""

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from chatreel.api_errors import (
    ApiError,
    no_room,
    not_recorded,
    not_replayable,
    too_large,
    unknown_path,
    unknown_session,
)
from chatreel.control import PREFIX, Control, session_path
from chatreel.decide import may_ask
from chatreel.engine.messages import cache_control_of, response_of
from chatreel.engine.route import Origin, asked_host, asking_of, put_control, put_route, route_of
from chatreel.http_caching import request_directives
from chatreel.recorder import Recorder
from chatreel.reply import refusal
from chatreel.session import Session
from chatreel.sessions import Sessions
from chatreel.upstreams import Target, Upstreams


class Admission:
    """Gives each request its route, or its refusal."""

    def __init__(
        self, sessions: Sessions, upstreams: Upstreams, control: Control, recorder: Recorder, *, max_body: int
    ) -> None:
        """`max_body`: bytes of a request body."""
        self._sessions = sessions
        self._upstreams = upstreams
        self._control = control
        self._recorder = recorder
        self._max_body = max_body

    def place_of(self, path: str) -> tuple[Session, Target] | None:
        """Whose request to the reverse proxy it is, and where it goes; `None` if that is refused, or no call."""
        session_id, target = self.meant(path)
        session = self.session(session_id)
        return (session, target) if session and target else None

    def meant(self, path: str) -> tuple[str | None, Target | None]:
        """The session a path names, `None` for the default one, and where it leads: always the same."""
        found = session_path(path)
        if found is None and path.startswith(PREFIX):
            return None, None
        session_id, rest = found or (None, path)
        return session_id, self._upstreams.target(rest)

    def session(self, session_id: str | None) -> Session | None:
        """The session of that id that is open, or the default one."""
        return self._sessions.default if session_id is None else self._sessions.get(session_id)

    def intercepted(self, asked: Origin, path: str) -> tuple[Session, Target] | None:
        """The same of a request to the forward proxy."""
        host = asked_host(asked, self._upstreams)
        target = self._upstreams.intercepted(asked.scheme, host, asked.port, path)
        return (self._sessions.default, target) if target else None

    def admit(self, flow: http.HTTPFlow) -> None:
        """Set a route, mark a request to the control API, or set a response that refuses."""
        request = flow.request
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            origin = Origin(request.scheme, request.host, request.port, flow.client_conn.sni)
            if place := self.intercepted(origin, request.path):
                self._admit(flow, *place)
        elif request.path.startswith(PREFIX) and session_path(request.path) is None:
            self._admit_control(flow)
        elif place := self.place_of(request.path):
            self._admit(flow, *place)
            point_at(request, place[1])
        else:
            flow.response = response_of(refusal(self._nowhere(request.path)))

    def turn_away(self, flow: http.HTTPFlow) -> http.Response:
        """What a body past the limit gets, whether that was announced or it grew."""
        return self._refused(flow, too_large(self._max_body))

    def no_room(self, flow: http.HTTPFlow) -> http.Response:
        """What a body gets that has waited too long for others."""
        return self._refused(flow, no_room())

    def largest(self, request: http.Request) -> int:
        """Bytes that a body may come to, by what was announced."""
        length = request.headers.get("content-length", "")
        return int(length) if length.isdigit() else self._max_body

    def _refused(self, flow: http.HTTPFlow, error: ApiError) -> http.Response:
        route = route_of(flow)
        reply = self._recorder.turn_away(route.target, route.session, error) if route else refusal(error)
        return response_of(reply)

    def _nowhere(self, path: str) -> ApiError:
        """Why a request has no place."""
        found = session_path(path)
        if found and self._sessions.get(found[0]) is None:
            return unknown_session(found[0])
        return unknown_path(found[1] if found else path)

    def _admit_control(self, flow: http.HTTPFlow) -> None:
        if reply := self._control.admit(asking_of(flow.request)):
            flow.response = response_of(reply)
        elif self._is_too_long(flow.request):
            flow.response = self.turn_away(flow)
        else:
            put_control(flow)

    def _admit(self, flow: http.HTTPFlow, session: Session, target: Target) -> None:
        request = flow.request
        route = put_route(flow, session, target)
        if route.is_chat:
            if self._is_too_long(request):
                flow.response = self.turn_away(flow)
        elif not may_ask(session.mode):
            flow.response = response_of(refusal(not_replayable(request.method, request.path)))
        elif request_directives(cache_control_of(request))[0].only_if_cached:
            flow.response = response_of(refusal(not_recorded(request.method, request.path)))
        else:
            request.stream = True

    def _is_too_long(self, request: http.Request) -> bool:
        return self.largest(request) > self._max_body


def point_at(request: http.Request, target: Target) -> None:
    """Have a request go there."""
    upstream = target.upstream
    request.scheme = upstream.scheme
    request.host = upstream.host
    request.port = upstream.port
    request.host_header = upstream.authority
    request.path = target.path_and_query
