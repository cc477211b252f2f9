"""The canonical document of a request, and the key that is its digest."""

import hashlib
import json
from functools import lru_cache
from urllib.parse import urlsplit

import orjson

from chatreel.canonical.credentials import is_credential
from chatreel.canonical.messages import canonical_messages
from chatreel.canonical.normalizing import normalize
from chatreel.canonical.pointers import Pointer, remove, without
from chatreel.canonical.rules import KeyOptions
from chatreel.canonical.values import Tree, canonical_member, canonical_value
from chatreel.errors import NotKeyable
from chatreel.exact import exact
from chatreel.model import Identity, Json, JsonObject

SCHEME = "v1"
"""Names the rules of this package. A key of another scheme says nothing about equality and has to be derived anew."""

DEFAULT = KeyOptions()

_REPEATED = frozenset({"tools", "functions", "response_format"})
"""An agent sends the same schemas with each request, and they have more members than all the rest of it."""
UNKNOWN_TENANT = "unknown"
"""Whose a recording is that was made while nobody asked: nobody's."""


def identify(
    *,
    upstream: str,
    path: str,
    query: str,
    body: JsonObject,
    options: KeyOptions = DEFAULT,
    tenant: str | None = None,
) -> Identity:
    """Return key and canonical document of a request. `body` is what `parse_body` returned; it is not changed.

    `upstream` is the origin of the API, `path` and `query` are as they travel, percent-encoded, without the `?`.
    `tenant` is whose request it is, `None` if that is not known; it counts if the scope of `options` is `credential`.
    Raises `NotKeyable` if the request has no JSON form that all readers agree on.
    """
    try:
        document = _document(upstream, path, query, body, options, tenant)
    except RecursionError:
        raise NotKeyable("The request body is nested too deeply.") from None
    except orjson.JSONEncodeError as error:
        raise NotKeyable(f"The request cannot be written as JSON: {error}.") from None
    return Identity(cache_key(document), document)


def cache_key(document: bytes) -> str:
    """Return the key of a canonical document: the scheme, a colon, and SHA-256 in hexadecimal digits."""
    return f"{SCHEME}:{hashlib.sha256(document).hexdigest()}"


def keyed_by(options: KeyOptions) -> str:
    """Return scheme and options as one line of JSON: keys made under two that differ need not find each other."""
    return json.dumps({"scheme": SCHEME, **options.summary})


def _document(upstream: str, path: str, query: str, body: JsonObject, options: KeyOptions, tenant: str | None) -> bytes:
    canonical = _canonical_body(body, options)
    traces = {name: canonical_value(option) for name, option in options.declared.items()}
    if options.normalize:
        canonical, labels = normalize(canonical, options.normalize)
        traces |= {"normalized": labels} if labels else {}
    if options.scope == "credential":
        traces["tenant"] = tenant or UNKNOWN_TENANT
    return _beginning(upstream, path, query) + orjson.dumps({**traces, "body": canonical})[1:]


@lru_cache(maxsize=256)
def _beginning(upstream: str, path: str, query: str) -> bytes:
    """How a document begins, up to what follows from the options and the body: there are few ways."""
    members = {"v": SCHEME, "upstream": _without_userinfo(upstream), "path": path, "query": _canonical_query(query)}
    return orjson.dumps(members)[:-1] + b","


def _canonical_body(body: JsonObject, options: KeyOptions) -> Tree:
    for pointer in options.removed_anywhere:
        body = remove(body, pointer)
    dropped, removed, defaults = options.dropped, options.removed, options.defaults
    repeated = () if options.normalize else _REPEATED  # rules have to see the members
    members: dict[str, Tree] = {}
    for name in sorted(body):
        value = body[name]
        if value is None or name in dropped or (name in defaults and _equals(value, defaults[name])):
            continue
        if isinstance(value, str):
            members[name] = value
        elif name in repeated:
            members[name] = _repeated_member(name, value, removed.get(name, ()))
        else:
            members[name] = _member(name, value, removed.get(name, ()))
    return members


def _member(name: str, value: Json, removed: tuple[Pointer, ...]) -> Tree:
    for pointer in removed:
        value = without(value, pointer)
    return canonical_messages(value) if name == "messages" else canonical_member(name, value)


def _repeated_member(name: str, value: Json, removed: tuple[Pointer, ...]) -> Tree:
    """The same, remembered: it is likely to come again with the next request."""
    try:
        return _spelled_member(name, exact(orjson.dumps(value)), removed)
    except orjson.JSONEncodeError:  # integers beyond 64 bits
        return _member(name, value, removed)


@lru_cache(maxsize=64)
def _spelled_member(name: str, spelled: bytes, removed: tuple[Pointer, ...]) -> orjson.Fragment:
    return orjson.Fragment(exact(orjson.dumps(_member(name, orjson.loads(spelled), removed))))


forget_schemas = _spelled_member.cache_clear
"""For measurements: the next request is the first one again."""


def _equals(value: Json, default: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == default


def _canonical_query(query: str) -> Tree:
    """Name and value of each parameter, still encoded, sorted by name; equal names keep their order."""
    if not query:
        return []
    parameters = [parameter.split("=", 1) for parameter in query.split("&") if parameter]
    kept = [pair for pair in parameters if not is_credential(pair[0])]
    return [[*pair] for pair in sorted(kept, key=lambda pair: pair[0])]


def _without_userinfo(upstream: str) -> str:
    if "@" not in upstream:
        return upstream
    parts = urlsplit(upstream)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
