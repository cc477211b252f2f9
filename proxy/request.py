"""A request body, read, checked and identified: what the recorder does with a call before anybody is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from chatreel import canonical
from chatreel.canonical import KeyOptions
from chatreel.errors import Malformed
from chatreel.model import Identity, JsonObject

DEFAULT_OPTIONS = KeyOptions()


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


@dataclass(frozen=True, slots=True)
class Keys:
    """How keys are made: the same for all calls of a proxy."""

    options: KeyOptions = DEFAULT_OPTIONS
    secret: bytes = field(default=b"", repr=False)
    """What credentials are hashed with, if recordings are not shared."""

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


DEFAULT_KEYS = Keys()


def read_request(raw: bytes) -> JsonObject:
    """Read the body of a chat completion request.

    Raises `Malformed` if no server could answer it, also if the members that make it a chat completion request have not
    the specified types, and `NotKeyable` if it could be read in two ways.
    """
    body = canonical.parse_body(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Malformed("`messages` has to be an array of objects")
    if not isinstance(body.get("model", ""), str | None):
        raise Malformed("`model` has to be a string")
    if not isinstance(body.get("stream"), bool | None):
        raise Malformed("`stream` has to be true or false")
    return body


def readable(raw: bytes) -> JsonObject:
    """For the log only: the body as far as anybody can read it."""
    try:
        body = orjson.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
