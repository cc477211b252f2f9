"""What may be stored: response headers by allow-list, nothing of a request's headers, texts without secrets.

An allow-list, because a header nobody thought of must not leak: cookies, organisation and project ids, rate limits and
hop-by-hop headers (RFC 9110, section 7.6.1) are out simply by not being in. Names as recorded from providers: quirk Q9.

A secret in a text gives way to a placeholder that tells it from any other, `[OpenAI key removed 3f0c...]`: two requests
that differ in nothing but a secret are still two, and a request that comes again with its secret has the same
placeholder, so that what was recorded of it is found. The digits are a digest of the secret: of a random key it says
nothing, and what people may have chosen is stretched (scrypt), so that trying words costs whoever does it. The same
secret has the same placeholder on all machines, or cassettes could not be shared, unless a key of their own is given.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b, scrypt
from typing import Final
from urllib.parse import quote, unquote

import orjson

from chatreel.errors import NotKeyable
from chatreel.model import Json, JsonObject
from chatreel.secret_patterns import KNOWN, Found, Shapes, find, replace

REDACTED_HEADER: Final = "x-chatreel-redacted"
"""A response header of ours, on replays: what was taken out of the answer when it was recorded."""

KEPT_RESPONSE_HEADERS = frozenset(
    {
        "apim-request-id",
        "content-type",
        "inference-id",
        "mistral-correlation-id",
        "openai-model",
        "openai-processing-ms",
        "openai-version",
        "x-ds-trace-id",
        "x-generation-id",
        REDACTED_HEADER,
        "x-groq-region",
        "x-ms-region",
        "x-request-id",
    }
)

_LONE = re.compile(r"[\ud800-\udfff]")
"""Half a character: what bytes become that are not UTF-8."""


def kept_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Response headers worth keeping, in order, names in lower case; none whose value holds bytes that are no text."""
    lowered = ((name.lower(), value) for name, value in headers)
    return tuple((name, value) for name, value in lowered if name in KEPT_RESPONSE_HEADERS and not _LONE.search(value))


MOST_GUESSABLE: Final = 16
"""Different secrets in a document that people may have chosen. Each takes a tenth of a second: more are no accident."""

_BACKSLASH: Final = ord("\\")
_ESCAPES: Final = (b"\\u", b"\\/")
"""What may hide the beginning of a secret from whoever looks at JSON text: an escaped letter, an escaped slash."""

_DIGEST: Final = 16
"""Bytes."""
_NESTED: Final = ("{", "[")


def may_hide(text: bytes) -> bool:
    """Whether JSON text may have a secret in it that begins in another way than it does in what the text says."""
    return _BACKSLASH in text and any(text.find(escape) >= 0 for escape in _ESCAPES)


@dataclass(frozen=True)
class Redactor:
    """Takes secrets out of what is to be written."""

    shapes: Shapes = KNOWN
    key: bytes = field(default=b"", repr=False)
    """What digests are made with, besides what everybody knows; empty: nothing else."""

    def text(self, text: str) -> str:
        """A text of which nothing has to be found again: placeholders without a digest."""
        return self._remembered(text) if len(text) < _SHORT else replace(text, self.shapes)

    def finds(self, text: str) -> bool:
        """Whether there is anything to take out of a text."""
        return bool(find(text, self.shapes))

    @cached_property
    def _remembered(self) -> Callable[[str], str]:
        return lru_cache(maxsize=1024)(lambda text: replace(text, self.shapes))


DEFAULT_REDACTOR: Final = Redactor()

_SHORT: Final = 500
"""Characters of texts that are remembered: names of models, addresses."""


class Redaction:
    """Of one document: a request, or an answer. Raises `NotKeyable` if it holds more than `MOST_GUESSABLE`."""

    def __init__(self, redactor: Redactor) -> None:
        self._shapes = redactor.shapes
        self._key = redactor.key
        self._guessable: set[str] = set()
        self.names: dict[str, None] = {}
        """What was taken out, in the order in which it was found."""

    def value(self, value: Json) -> Json:
        """JSON without secrets: the very same object if there are none."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self.object(value)
        if isinstance(value, list):
            items = [self.value(item) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return value

    def object(self, value: JsonObject) -> JsonObject:
        """The same of an object."""
        found = {self.text(name): self.value(child) for name, child in value.items()}
        return value if all(found.get(name, found) is child for name, child in value.items()) else found

    def text(self, text: str) -> str:
        """A text without secrets: the very same object if there are none."""
        if len(text) < self._shapes.shortest:  # as most names of members, and many values, are
            return text
        found = find(text, self._shapes)
        if found:
            return self._replaced(text, found)
        return self._nested(text) if "\\u00" in text and text.lstrip().startswith(_NESTED) else text

    def address(self, path: str, query: str) -> tuple[str, str]:
        """Path and query of a URL without secrets, percent-encoded as before where there are none."""
        parameters = (parameter.partition("=") for parameter in query.split("&"))
        return self._encoded(path), "&".join(
            self._encoded(name) + mark + self._encoded(value) for name, mark, value in parameters
        )

    def _encoded(self, text: str) -> str:
        plain = unquote(text)
        clean = self.text(plain)
        return text if clean is plain else quote(clean, safe="/[] .")

    def _nested(self, text: str) -> str:
        """JSON inside a text, as arguments of a tool are, may have a secret in escapes."""
        try:
            value: Json = orjson.loads(text)
        except ValueError:
            return text
        clean = self.value(value)
        return text if clean is value else orjson.dumps(clean).decode()

    def _replaced(self, text: str, found: Sequence[Found]) -> str:
        pieces, done = [], 0
        for one in found:
            self.names[one.name] = None
            pieces += [text[done : one.start], f"[{one.name} removed {self._digest(text, one)}]"]
            done = one.end
        return "".join([*pieces, text[done:]])

    def _digest(self, text: str, one: Found) -> str:
        secret = text[one.start : one.end]
        if not one.guessable:
            return _digested(secret, self._key)
        self._guessable.add(secret)
        if len(self._guessable) > MOST_GUESSABLE:
            raise NotKeyable(
                f"It holds more than {MOST_GUESSABLE} different passwords, which nobody can tell apart fast."
            )
        return _stretched(secret, self._key)


def _digested(secret: str, key: bytes) -> str:
    raw = secret.encode("utf-8", "surrogatepass")
    return blake2b(raw, key=key[:64], person=b"chatreel secret", digest_size=_DIGEST).hexdigest()


@lru_cache(maxsize=1024)
def _stretched(secret: str, key: bytes) -> str:
    """With the least cost that OWASP's Password Storage Cheat Sheet names for scrypt in 16 MiB of memory."""
    raw = secret.encode("utf-8", "surrogatepass")
    return scrypt(raw, salt=b"chatreel secret" + key, n=2**14, r=8, p=5, maxmem=2**26, dklen=_DIGEST).hex()
