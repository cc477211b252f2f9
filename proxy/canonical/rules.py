"""What does not count, as data; and the part of it that a user may configure."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from chatreel.canonical.pointers import Pointer, parse_pointer
from chatreel.errors import ConfigError
from chatreel.model import JsonObject

DROPPED = (
    "/stream",  # how the answer travels: one recording serves both wire forms (Q77)
    "/stream_options",  # likewise; `include_usage` is honoured when the answer is written
    "/user",  # who asks, not what is asked
    "/safety_identifier",  # likewise
    "/metadata",  # labels for the provider's own log
    "/store",  # whether the provider keeps the completion
    "/prompt_cache_key",  # where the provider looks for a cached prefix; the answer is the same
    "/prompt_cache_retention",  # likewise
)
"""Members that leave the body. At the top level only: a tool parameter may be called `user`."""

CREDENTIALS = (
    "/api_key",  # LiteLLM takes one in the body
    "/data_sources/*/parameters/authentication",  # Azure, "on your data"
    "/tools/*/authorization",  # remote MCP servers
)
"""Secrets that a body may carry. They never enter a document, because documents are stored and shown."""

CREDENTIAL_PARAMETERS = frozenset(
    {
        "access_token",  # RFC 6750, section 2.3
        "api-key",
        "api_key",
        "apikey",
        "auth_token",
        "authorization",
        "key",  # Google
        "sig",  # a signed URL
        "subscription-key",  # Azure API management
        "token",
        "x-api-key",
    }
)
"""Names of query parameters that carry a secret, in lower case."""

DEFAULTS: dict[str, float] = {"n": 1, "presence_penalty": 0, "frequency_penalty": 0}
"""Documented defaults: the value equals the absence of the member. `stream` needs no line, it is dropped."""

SAMPLING_DEFAULTS: dict[str, float] = {"temperature": 1, "top_p": 1}
"""Documented too, but servers override them (from a model's own generation settings, for one), so only on request."""

EMPTY_IN_HISTORY: dict[str, object] = {
    "refusal": "",
    "annotations": [],
    "audio": {},
    "function_call": {},
    "tool_calls": [],
}
"""Members of an assistant message that, if empty, equal their absence: clients echo what they happened to get (Q79)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Volatile text that shall not count: whatever `pattern` matches in the strings at `pointer`.

    `pointer` addresses the canonical body (RFC 6901; a token `*` stands for every element or member), so the plain form
    of a message's text is at `/messages/*/content` however the client wrote it. `pattern` is a regular expression of
    the standard library. Raises `ConfigError` for a name, pointer or pattern that cannot be used.
    """

    name: str
    """Stands in the document in place of what was matched: letters, digits, `_`, `.` and `-`."""
    pointer: str
    pattern: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.name, re.ASCII):
            raise ConfigError(f"The rule name {self.name!r} is not made of letters, digits, '_', '.' and '-'.")
        parse_pointer(self.pointer)
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigError(f"The pattern of rule {self.name!r} is not a regular expression: {error}.") from None

    @property
    def tokens(self) -> Pointer:
        return parse_pointer(self.pointer)

    @property
    def label(self) -> str:
        """Name and digest of the rule: it differs whenever the rule would match something else."""
        digest = hashlib.sha256(json.dumps([self.pointer, self.pattern]).encode())
        return f"{self.name}:{digest.hexdigest()[:32]}"


@dataclass(frozen=True)
class KeyOptions:
    """What a user may change about identity. Whatever differs from the defaults stands in the document.

    What follows from the options is worked out once: every key asks for it.

    Raises `ConfigError` for a pointer that cannot be used.
    """

    sampling_defaults: Literal["server", "spec"] = "server"
    """Whether `temperature` and `top_p` of 1 equal their absence: `spec` says yes, as the specification does."""
    ignore: tuple[str, ...] = ()
    """More members that do not count: JSON pointers into the request's body, `*` for every element or member."""
    normalize: tuple[Rule, ...] = ()
    scope: Literal["shared", "credential"] = "shared"
    """Who shares recordings: everybody, or only those who send the same credentials."""

    def __post_init__(self) -> None:
        for pointer in self.ignore:
            parse_pointer(pointer)

    @cached_property
    def dropped(self) -> frozenset[str]:
        """Names of the members that leave the body."""
        return frozenset(tokens[0] for tokens in self._pointers if len(tokens) == 1 and tokens != ("*",))

    @cached_property
    def removed(self) -> dict[str, tuple[Pointer, ...]]:
        """What leaves a member, by the name of the member: pointers into it."""
        inner = [tokens for tokens in self._pointers if len(tokens) > 1 and tokens[0] != "*"]
        return {name: tuple(tokens[1:] for tokens in inner if tokens[0] == name) for name, *_ in inner}

    @cached_property
    def removed_anywhere(self) -> tuple[Pointer, ...]:
        """What leaves the body, or each of its members: pointers that begin with `*`."""
        return tuple(tokens for tokens in self._pointers if tokens[0] == "*")

    @property
    def _pointers(self) -> list[Pointer]:
        return [parse_pointer(pointer) for pointer in (*DROPPED, *CREDENTIALS, *self.ignore)]

    @cached_property
    def defaults(self) -> dict[str, float]:
        """The members whose default equals their absence, and that default."""
        return DEFAULTS | SAMPLING_DEFAULTS if self.sampling_defaults == "spec" else DEFAULTS

    @property
    def summary(self) -> JsonObject:
        """All of these options; equal for options that make equal keys."""
        return {
            "scope": self.scope,
            "sampling_defaults": self.sampling_defaults,
            "ignore": [*sorted({*self.ignore})],
            "normalize": [rule.label for rule in self.normalize],
        }

    @cached_property
    def declared(self) -> JsonObject:
        """What of these options stands in every document. Rules stand only where they found something."""
        members: JsonObject = {}
        if self.sampling_defaults != "server":
            members["sampling_defaults"] = self.sampling_defaults
        if self.ignore:
            members["ignore"] = [*sorted({*self.ignore})]
        return members
