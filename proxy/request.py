"""A request body, read, checked and identified: what the recorder does with a call before anybody is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import orjson

from chatreel import canonical
from chatreel.canonical import KeyOptions
from chatreel.errors import Malformed, NotKeyable
from chatreel.model import Identity, JsonObject
from chatreel.redact import DEFAULT_REDACTOR, Redaction, Redactor
from chatreel.wire.codec import MOST_VALUES, dumps, has_too_many_values

DEFAULT_OPTIONS = KeyOptions()

LARGEST = 28 * 2**20
"""Bytes of a request that is recorded: a picture of 20 MB in base64. While it is, it is held up to seven times over."""


_TEXT = (str, type(None))
_SWITCH = (bool, type(None))
"""Types; to make a union of them takes longer than to ask for it."""


class Route(Protocol):
    """What counts of a request besides its body: of one that comes in, and of a recording of one."""

    @property
    def upstream(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def tenant(self) -> str | None: ...


class Where(NamedTuple):
    """A route by itself."""

    upstream: str
    path: str
    query: str
    tenant: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What may be stored of a request, and the identity that this has: made anew from it, it is the same."""

    identity: Identity
    upstream: str
    path: str
    query: str
    tenant: str | None
    model: str
    """As the request spelled it; empty if it named none."""
    request: bytes
    """The body, byte for byte if there was nothing to take out."""
    redacted: tuple[str, ...] = ()
    """What was taken out."""


@dataclass(frozen=True, slots=True)
class Keys:
    """How keys are made: the same for all calls of a proxy."""

    options: KeyOptions = DEFAULT_OPTIONS
    secret: bytes = field(default=b"", repr=False)
    """What credentials are hashed with, if recordings are not shared."""
    redactor: Redactor = DEFAULT_REDACTOR

    def tenant(self, headers: Sequence[tuple[str, str]], query: str, body: JsonObject) -> str | None:
        """Whose request it is, `None` where recordings are shared. `headers`: those that carry a credential."""
        if self.options.scope == "shared":
            return None
        return canonical.tenant(self.secret, headers, query, body)

    def identify(self, route: Route, body: JsonObject) -> Identity:
        """Key and canonical document of a request. Raises `NotKeyable`."""
        return canonical.identify(
            upstream=route.upstream,
            path=route.path,
            query=route.query,
            body=body,
            options=self.options,
            tenant=route.tenant,
        )

    def keep(self, route: Route, body: JsonObject, raw: bytes, known: Identity | None = None) -> Kept:
        """What may be stored of a request, `body` as read from `raw`. Raises `NotKeyable`. It takes its time.

        `known`: its identity as it came, if that has been found out.
        """
        redaction = Redaction(self.redactor)
        named = canonical.without_secrets(body)
        clean = redaction.object(named)
        path, query = redaction.address(route.path, route.query)
        where = Where(route.upstream, path, query, route.tenant)
        model = clean.get("model")
        return Kept(
            identity=self.identify(where, clean) if redaction.names or known is None else known,
            upstream=where.upstream,
            path=path,
            query=query,
            tenant=where.tenant,
            model=model if isinstance(model, str) else "",
            request=raw if clean is body else dumps(clean),
            redacted=(*redaction.names, *(() if named is body else ("credential",))),
        )


DEFAULT_KEYS = Keys()


def read_request(raw: bytes) -> JsonObject:
    """Read the body of a chat completion request.

    Raises `Malformed` if no server could answer it, also if the members that make it a chat completion request have not
    the specified types, and `NotKeyable` if it could be read in two ways, or is too large to be recorded.
    """
    if len(raw) > LARGEST:
        raise NotKeyable(f"It is larger than {LARGEST:,} bytes.")
    if has_too_many_values(raw):
        raise NotKeyable(f"It has more than {MOST_VALUES:,} values.")
    body = canonical.parse_body(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Malformed("`messages` has to be an array of objects")
    if not isinstance(body.get("model"), _TEXT):
        raise Malformed("`model` has to be a string")
    if not isinstance(body.get("stream"), _SWITCH):
        raise Malformed("`stream` has to be true or false")
    return body


def readable(raw: bytes) -> JsonObject:
    """For the log only: the body as far as anybody can read it, nothing of one that is too large."""
    if len(raw) > LARGEST or has_too_many_values(raw):
        return {}
    try:
        body = orjson.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
