"""Credentials of a request: never in a key, never stored. Where answers are not shared, a hash says whose they are."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from chatreel.canonical.pointers import parse_pointer, remove, select
from chatreel.canonical.rules import CREDENTIAL_PARAMETERS, CREDENTIALS
from chatreel.model import Json, JsonObject

CREDENTIAL_HEADERS = frozenset(
    {
        "authorization",  # RFC 9110, section 11.6.2; OpenAI and most others
        "api-key",  # Azure
        "ocp-apim-subscription-key",  # Azure API management
        "x-api-key",
        "x-goog-api-key",
    }
)
"""Names of request headers that carry a secret, in lower case."""

NO_CREDENTIAL = "none"
"""The tenant of requests that carry none."""

_POINTERS = tuple(parse_pointer(pointer) for pointer in CREDENTIALS)


def credential_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers that carry a secret, names in lower case."""
    return tuple((name.lower(), value) for name, value in headers if name.lower() in CREDENTIAL_HEADERS and value)


def tenant(secret: bytes, headers: Sequence[tuple[str, str]], query: str, body: JsonObject) -> str:
    """Return whose request this is: HMAC-SHA-256 over all credentials in it, in hexadecimal digits.

    Over all, because which of several an upstream heeds is not known. `headers` are those of `credential_headers`.
    """
    sent: list[Json] = [["header", *header] for header in sorted(headers)]
    sent += [["query", parameter] for parameter in sorted(_parameters(query, credentials=True))]
    sent += [["body", *pointer, value] for pointer in _POINTERS for value in select(body, pointer)]
    if not sent:
        return NO_CREDENTIAL
    # A header may hold bytes that are no text: `json` escapes what stands for them.
    return hmac.new(secret, json.dumps(sent).encode(), hashlib.sha256).hexdigest()


def without_credentials(query: str) -> str:
    """Return `query` without the parameters that carry a secret."""
    return "&".join(_parameters(query, credentials=False))


def without_secrets(body: JsonObject) -> JsonObject:
    """Return a body without the members that carry a secret: the very same object if it has none."""
    for pointer in _POINTERS:
        if any(True for _ in select(body, pointer)):
            body = remove(body, pointer)
    return body


def _parameters(query: str, *, credentials: bool) -> list[str]:
    return [text for text in query.split("&") if text and is_credential(text.partition("=")[0]) is credentials]


def is_credential(name: str) -> bool:
    """Say whether the query parameter of that name, percent-encoded, carries a secret."""
    return unquote(name).lower() in CREDENTIAL_PARAMETERS
