"""The identity of a request: which requests are the same call, and what proves it.

Three steps, all of them pure. `reading` takes the bytes of a body apart, strictly: what two servers could read in two
ways has no key. `document` builds the canonical document from upstream, path, query and body, with `messages` for what
is particular to a history, `payloads` for what enters by digest, and `values` for everything else. The key is a tagged
SHA-256 over the one byte string that the document is serialised to. What leaves the body, and what counts as absent,
stands in the tables of `rules`; `pointers` applies those that address by JSON pointer, `normalizing` the user's own,
and `shipped` has some to choose from; `credentials` says whose a request is.

The rule behind all rules: a wrong hit is worse than a miss. Two requests share a key only where it is certain that they
ask for the same thing; where it is doubtful they differ.

The bytes of the document are part of the documented contract: they are stored next to the key, misses are explained
from them, and whatever changes them for any request needs a new `SCHEME`.
"""

from chatreel.canonical.credentials import credential_headers, tenant, without_credentials, without_secrets
from chatreel.canonical.document import SCHEME, cache_key, identify, keyed_by
from chatreel.canonical.reading import MAX_DEPTH, parse_body
from chatreel.canonical.rules import KeyOptions, Rule
from chatreel.canonical.shipped import SHIPPED, shipped_rules
from chatreel.errors import Malformed, NotKeyable

__all__ = [
    "MAX_DEPTH",
    "SCHEME",
    "SHIPPED",
    "KeyOptions",
    "Malformed",
    "NotKeyable",
    "Rule",
    "cache_key",
    "credential_headers",
    "identify",
    "keyed_by",
    "parse_body",
    "shipped_rules",
    "tenant",
    "without_credentials",
    "without_secrets",
]
