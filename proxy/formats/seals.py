"""Digests that stand in a cassette: what says whether something was changed since it was written."""

from hashlib import sha256

import orjson

from chatreel.request import Route


def seal_of(keyed_by: str, key: str, route: Route, request: bytes) -> str:
    """The digest of all that a kept key was made from, and of itself."""
    said = [keyed_by, key, route.upstream, route.path, route.query, route.tenant or ""]
    return digest_of(orjson.dumps(said) + request)


def digest_of(content: bytes) -> str:
    return sha256(content).hexdigest()
