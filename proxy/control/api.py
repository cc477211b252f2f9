"""Which request to the control API asks for what."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from http import HTTPMethod
from importlib import resources

import orjson

import chatreel
from chatreel.api_errors import ApiError, Problem, Refusal, unknown_session
from chatreel.control.guard import refused
from chatreel.control.verdicts import calls, verdict
from chatreel.control.wishes import Defaults, read_wish
from chatreel.model import JsonObject, Outcome
from chatreel.reply import Reply, refusal
from chatreel.session import Session
from chatreel.sessions import Sessions

PREFIX = "/_chatreel/"
_SESSIONS = PREFIX + "sessions"
_CALLS = PREFIX + "s/"

type Handler = Callable[["Asking", Session], Awaitable[tuple[int, JsonObject]]]


@dataclass(frozen=True, slots=True)
class Asking:
    """A request to the control API."""

    method: str
    path: str
    host: str
    """As in the header."""
    origin: str | None = None
    fetch_site: str = ""
    body: bytes = b""


@cache
def openapi_document() -> bytes:
    """The API as chatreel serves it, its own included: OpenAPI 3.1, JSON."""
    return resources.files("chatreel.control").joinpath("openapi.json").read_bytes()


def session_path(path: str) -> tuple[str, str] | None:
    """The id of a session and the rest of a path that its calls go to, as in `/_chatreel/s/ID/v1/chat/completions`."""
    if not path.startswith(_CALLS):
        return None
    session, slash, rest = path.removeprefix(_CALLS).partition("/")
    return session, slash + rest


class Control:
    """Answers what is asked about sessions."""

    def __init__(self, sessions: Sessions, defaults: Defaults, *, host: str, has_token: bool = False) -> None:
        """`host`: where the proxy listens. `has_token`: who asks has shown a token, which no web page has."""
        self._has_token = has_token
        self._sessions = sessions
        self._defaults = defaults
        self._host = host

    def admit(self, asking: Asking) -> Reply | None:
        """The refusal, if it is not for this one to ask; to be called before the body is read."""
        if self._has_token:
            return None
        error = refused(asking.host, asking.origin, asking.fetch_site, self._host)
        return refusal(error) if error else None

    async def answer(self, asking: Asking) -> Reply:
        """The answer to a request that was admitted."""
        if (asking.method, asking.path) == (HTTPMethod.GET, PREFIX + "openapi.json"):
            return Reply(200, (("content-type", "application/json"),), openapi_document())
        try:
            status, document = await self._answer(asking)
        except Refusal as refused_:
            return refusal(refused_.error)
        return Reply(status, (("content-type", "application/json"),), orjson.dumps(document))

    async def _answer(self, asking: Asking) -> tuple[int, JsonObject]:
        path = asking.path.partition("?")[0]
        match asking.method, path.removeprefix(PREFIX).split("/"):
            case HTTPMethod.GET, ["health"]:
                return 200, self._health()
            case HTTPMethod.POST, ["sessions"]:
                wish = read_wish(asking.body, self._defaults)
                session = await self._sessions.open(wish)
                return 201, _opened(session, asking.host, wish.alias or session.id)
            case HTTPMethod.GET, ["sessions"]:
                await self._sessions.settled()
                return 200, {"sessions": [await verdict(session) for session in self._sessions.all()]}
            case HTTPMethod.GET, ["sessions", session_id]:
                session = self._session(session_id)
                await self._sessions.settled()
                return 200, await verdict(session)
            case HTTPMethod.DELETE, ["sessions", session_id]:
                session = self._session(session_id)
                await self._sessions.close(session)
                return 200, await verdict(session)
            case HTTPMethod.GET, ["sessions", session_id, "calls"]:
                session = self._session(session_id)
                await self._sessions.settled()
                return 200, await calls(session, self._sessions.keys.redactor)
        raise Refusal(_nothing_there(asking.method, path))

    def _session(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise Refusal(unknown_session(session_id))
        return session

    def _health(self) -> JsonObject:
        tally = self._sessions.tally
        return {
            "status": "ok",
            "version": chatreel.__version__,
            "mode": self._sessions.default.mode.value,
            "workers": self._sessions.workers,
            "sessions": len(self._sessions.all()),
            "calls": tally.calls,
            "outcomes": {outcome.value: tally.outcomes[outcome] for outcome in Outcome if tally.outcomes[outcome]},
            "seconds_saved": round(tally.seconds_saved, 3),
        }


def _opened(session: Session, host: str, called: str) -> JsonObject:
    origin = f"http://{host}{_CALLS}{called}"
    return {
        "id": session.id,
        "base_url": f"{origin}/v1",
        "origin": origin,
        "name": session.name,
        "mode": session.mode.value,
        "cassette": session.cassette or None,
    }


def _nothing_there(method: str, path: str) -> ApiError:
    message = (
        f"nothing answers to {method} {path}. There are GET {PREFIX}health, GET {PREFIX}openapi.json, GET and POST "
        f"{_SESSIONS}, GET and DELETE {_SESSIONS}/ID, GET {_SESSIONS}/ID/calls. The base URL of the default session "
        "ends in /v1."
    )
    return ApiError(Problem.UNKNOWN_PATH, message)
