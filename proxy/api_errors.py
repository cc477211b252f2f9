"""Errors of ours, in the shape of the API: `{"error": {"message", "type", "param", "code"}}`.

Every code starts with `chatreel_`, so that a reader of a stack trace knows who is talking. Official clients retry 408,
409, 429 and 5xx unless `x-should-retry: false` forbids it.
"""

from dataclasses import dataclass
from enum import Enum

import orjson

from chatreel.errors import ChatreelError


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error: how it travels."""

    code: str
    status: int
    type: str
    retry: bool
    """Whether trying the same request again can help."""


class Problem(Enum):
    """Everything chatreel answers by itself, other than a recording."""

    NO_RECORDING = Kind("chatreel_no_recording", 504, "chatreel_refused", retry=False)
    """Nothing recorded, and the mode forbids to ask upstream: 504 is what RFC 9111 gives `only-if-cached`."""
    OUT_OF_TAKES = Kind("chatreel_out_of_takes", 504, "chatreel_refused", retry=False)
    """Recorded, but every take has been served, and `repeats` is `strict`."""
    TOO_OLD = Kind("chatreel_too_old", 504, "chatreel_refused", retry=False)
    """Recorded, but longer ago than `max_age` allows, and `on_max_age` is `fail`."""
    NOT_KEYABLE = Kind("chatreel_not_keyable", 422, "chatreel_refused", retry=False)
    NOT_REPLAYABLE = Kind("chatreel_not_replayable", 504, "chatreel_refused", retry=False)
    """Not a chat completion, in `replay`."""
    BAD_REQUEST = Kind("chatreel_bad_request", 400, "invalid_request_error", retry=False)
    TOO_LARGE = Kind("chatreel_request_too_large", 413, "invalid_request_error", retry=False)
    HEAD_TOO_LARGE = Kind("chatreel_head_too_large", 431, "invalid_request_error", retry=False)
    HEAD_TOO_SLOW = Kind("chatreel_head_too_slow", 408, "invalid_request_error", retry=False)
    TOO_MANY_CONNECTIONS = Kind("chatreel_too_many_connections", 503, "chatreel_error", retry=True)
    NO_ROOM = Kind("chatreel_no_room", 503, "chatreel_error", retry=True)
    """Other large requests are under way."""
    NO_TOKEN = Kind("chatreel_no_token", 401, "invalid_request_error", retry=False)
    NO_PROXY_TOKEN = Kind("chatreel_no_proxy_token", 407, "invalid_request_error", retry=False)
    """The same, of the forward proxy."""
    BLOCKED = Kind("chatreel_blocked", 403, "chatreel_refused", retry=False)
    """The forward proxy does not go there."""
    UNKNOWN_PATH = Kind("chatreel_unknown_path", 404, "invalid_request_error", retry=False)
    UPSTREAM_UNREACHABLE = Kind("chatreel_upstream_unreachable", 502, "chatreel_upstream_error", retry=True)
    UPSTREAM_BROKEN = Kind("chatreel_upstream_broken", 502, "chatreel_upstream_error", retry=True)
    BUDGET_SPENT = Kind("chatreel_budget_spent", 429, "insufficient_quota", retry=False)
    """The call would go upstream, and what may be spent there is spent."""
    NOT_STORED = Kind("chatreel_not_stored", 500, "chatreel_error", retry=False)
    """`record` could not write: better a visible failure than a call that goes unrecorded."""
    UNKNOWN_SESSION = Kind("chatreel_unknown_session", 404, "invalid_request_error", retry=False)
    """There is none of that id, or it is closed."""
    CASSETTE_IN_USE = Kind("chatreel_cassette_in_use", 409, "invalid_request_error", retry=False)
    CASSETTE_UNUSABLE = Kind("chatreel_cassette_unusable", 422, "invalid_request_error", retry=False)
    TOO_MANY_SESSIONS = Kind("chatreel_too_many_sessions", 503, "chatreel_error", retry=False)
    SEVERAL_WORKERS = Kind("chatreel_several_workers", 409, "invalid_request_error", retry=False)
    """A session is known to one process, and calls come to all of them."""
    FORBIDDEN = Kind("chatreel_forbidden", 403, "invalid_request_error", retry=False)
    """A web page asks, or somebody who calls us by a name that is not ours."""
    INTERNAL = Kind("chatreel_internal_error", 500, "chatreel_error", retry=False)


_CHALLENGES: dict[Problem, tuple[tuple[str, str], ...]] = {
    Problem.NO_TOKEN: (("www-authenticate", 'Bearer realm="chatreel"'),),
    Problem.NO_PROXY_TOKEN: (("proxy-authenticate", 'Basic realm="chatreel"'),),
    Problem.TOO_MANY_CONNECTIONS: (("retry-after", "1"),),
    Problem.NO_ROOM: (("retry-after", "5"),),
}
"""Headers that belong to a status (RFC 9110, sections 10.2.3, 11.6.1 and 11.7.1)."""


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error on its way to a client."""

    problem: Problem
    message: str
    param: str | None = None

    @property
    def status(self) -> int:
        return self.problem.value.status

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        retry = () if self.problem.value.retry else (("x-should-retry", "false"),)
        return (("content-type", "application/json"), *retry, *_CHALLENGES.get(self.problem, ()))

    @property
    def body(self) -> bytes:
        kind = self.problem.value
        message = self.message.encode(errors="replace").decode()  # a path may hold bytes that are no text
        error = {"message": message, "type": kind.type, "param": self.param, "code": kind.code}
        return orjson.dumps({"error": error})


class Refusal(ChatreelError):  # noqa: N818 - it is an answer
    """What is asked of chatreel itself cannot be done; `error` is what to answer."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


def too_large(limit: int) -> ApiError:
    """`limit`: bytes."""
    message = f"the request body is larger than {limit:,} bytes. Raise the limit with --max-body or CHATREEL_MAX_BODY."
    return ApiError(Problem.TOO_LARGE, message)


def head_too_large(limit: int) -> ApiError:
    """`limit`: bytes."""
    return ApiError(Problem.HEAD_TOO_LARGE, f"the request line and headers are larger than {limit:,} bytes")


def head_too_slow(limit: float) -> ApiError:
    """`limit`: seconds."""
    return ApiError(Problem.HEAD_TOO_SLOW, f"the headers of the request were not complete after {limit:g} seconds")


def malformed_head(reason: str) -> ApiError:
    return ApiError(Problem.BAD_REQUEST, f"the request line and headers cannot be read: {reason}")


def too_many_connections(limit: int) -> ApiError:
    message = f"{limit} connections are open, and no more are served. Raise the limit with --max-connections."
    return ApiError(Problem.TOO_MANY_CONNECTIONS, message)


def no_room() -> ApiError:
    return ApiError(
        Problem.NO_ROOM,
        "other large requests are under way, and this one has waited for them too long. Try again, or let more be held "
        "at a time with --max-bodies or CHATREEL_MAX_BODIES.",
    )


def no_token() -> ApiError:
    return ApiError(
        Problem.NO_TOKEN,
        "this proxy asks for its token, in the header `X-Chatreel-Token`, or in front of the API key, as in "
        "`Authorization: Bearer TOKEN:KEY`",
    )


def no_proxy_token() -> ApiError:
    return ApiError(
        Problem.NO_PROXY_TOKEN,
        "this proxy asks for its token as the password of its URL, as in HTTPS_PROXY=http://chatreel:TOKEN@HOST:PORT",
    )


def blocked(host: str) -> ApiError:
    return ApiError(
        Problem.BLOCKED,
        f"{host} is neither an upstream nor intercepted, and all others are blocked. Name it with --intercept-host, or "
        "leave out --block-others.",
    )


def guarded(host: str) -> ApiError:
    return ApiError(
        Problem.BLOCKED,
        f"{host} is a link-local address or one of a metadata service, where credentials of this machine may lie. Name "
        "it with --intercept-host to reach it all the same.",
    )


def unknown_session(session: str) -> ApiError:
    message = f"there is no session {session!r}, or it is closed. POST /_chatreel/sessions opens one."
    return ApiError(Problem.UNKNOWN_SESSION, message)


def unknown_path(path: str) -> ApiError:
    return ApiError(
        Problem.UNKNOWN_PATH,
        f"nothing is served at {path.partition('?')[0]}. The base URL of the default upstream ends in /v1, that of an "
        "upstream called NAME in /NAME/v1.",
    )


def not_replayable(method: str, path: str) -> ApiError:
    return ApiError(
        Problem.NOT_REPLAYABLE,
        f"{method} {path} is not a chat completion, so there is no recording of it, and replay never reaches the "
        "network. A session in the mode `cache` lets it pass.",
    )


def not_recorded(method: str, path: str) -> ApiError:
    return ApiError(
        Problem.NOT_REPLAYABLE,
        f"{method} {path} is not a chat completion, so there is no recording of it, and the request forbids to ask the "
        "upstream. Leave out `Cache-Control: only-if-cached` to let it pass.",
    )
