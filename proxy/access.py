"""Who may use a proxy that others can reach, and how they prove it: a token, apart from the key of the API.

In reverse mode a client sends it in one of three ways, whichever it can:

    X-Chatreel-Token: TOKEN            beside its own Authorization
    Authorization: Bearer TOKEN:KEY    where it can set nothing but an API key; KEY goes upstream
    Authorization: Basic ...:TOKEN     from a base URL such as http://chatreel:TOKEN@host:8080/v1; nothing goes upstream

`Bearer TOKEN` alone will do where no key is needed, as in `replay`. To a forward proxy it is the password, or a bearer,
of `Proxy-Authorization` (RFC 9110, section 11.7). In no case does it travel on.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest

TOKEN_HEADER = "X-Chatreel-Token"  # noqa: S105 - its name
SHORTEST = 16
"""Characters of a token: whoever guesses it reads every prompt."""

_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")
"""No colon, which separates it from a key, and nothing that a URL would have to escape."""


def parse_token(text: str) -> str:
    """A token that can be used. Raises `ValueError`, which does not repeat it."""
    token = text.strip()
    if len(token) < SHORTEST or not _TOKEN.fullmatch(token):
        raise ValueError(
            f"a token is at least {SHORTEST} characters, letters, digits, and any of . _ ~ -; "
            "`openssl rand -hex 24` makes one"
        )
    return token


@dataclass(frozen=True, slots=True)
class Entry:
    """What a request proved, and what of its `Authorization` is for the upstream."""

    admitted: bool
    authorization: tuple[str, ...]
    """Values of the header as they may travel on."""


def entry(token: str, token_headers: Sequence[str], authorization: Sequence[str]) -> Entry:
    """Look for `token` in the headers of a request to the reverse proxy, and take it out of them."""
    admitted = any(same(token, value.strip()) for value in token_headers)
    left: list[str] = []
    for value in authorization:
        scheme, _, credentials = value.strip().partition(" ")
        first, colon, key = credentials.strip().partition(":")
        if scheme.lower() == "bearer" and same(token, first):
            admitted = True
            left += [f"{scheme} {key}"] if colon and key else []
        elif _is_password(token, scheme, credentials):
            admitted = True
        else:
            left.append(value)
    return Entry(admitted, tuple(left))


def proxy_entry(token: str, proxy_authorization: Sequence[str]) -> bool:
    """Whether `token` is in the `Proxy-Authorization` of a request to the forward proxy."""
    return any(_proves(token, *value.strip().partition(" ")[::2]) for value in proxy_authorization)


def same(token: str, given: str) -> bool:
    """Whether they are equal, in a time that does not tell how much of them is."""
    return compare_digest(token.encode(), given.encode(errors="replace"))


def _proves(token: str, scheme: str, credentials: str) -> bool:
    is_bearer = scheme.lower() == "bearer" and same(token, credentials.strip())
    return is_bearer or _is_password(token, scheme, credentials)


def _is_password(token: str, scheme: str, credentials: str) -> bool:
    if scheme.lower() != "basic":
        return False
    try:
        user_and_password = b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    return same(token, user_and_password.partition(":")[2])
