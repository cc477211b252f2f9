"""Which API a request goes to: the named upstreams, and how a client's path maps to a URL of theirs.

The first upstream is the default, reached under `/v1/...`; the others under `/NAME/v1/...`. An upstream whose URL has a
path of its own (`https://openrouter.ai/api/v1`) takes the place of the client's `/v1`; one without
(`https://api.openai.com`) leaves the client's path as it is.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

from chatreel.errors import ConfigError
from chatreel.providers import KNOWN_HOSTS, HostList

DEFAULT_URL = "https://api.openai.com/v1"
CHAT_SUFFIX = "/chat/completions"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_RESERVED = frozenset({"v1", "openai", "chat", "_chatreel"})
"""First path segments of the default upstream and of the control API."""
_DEFAULT_PREFIXES = ("/v1/", "/openai/")
"""What the default upstream serves besides chat completions: the API itself, and Azure's deployments."""
_VERSION = re.compile(r"\A/v1(?=/|\Z)")
_HOST_PATTERN = re.compile(r"[a-z0-9_.-]*\*?[a-z0-9_.-]*")
_PORTS = {"http": 80, "https": 443}


class Upstream(NamedTuple):
    """A real API, as configured."""

    name: str
    scheme: str
    host: str
    port: int
    base_path: str
    """Without a trailing slash; empty if the URL had none."""

    @property
    def origin(self) -> str:
        """Part of every key: two APIs never share recordings, however they are named."""
        return _origin(self.scheme, self.host, self.port)

    @property
    def authority(self) -> str:
        """What belongs into the `Host` header."""
        return self.origin.partition("://")[2]


class Target(NamedTuple):
    """Where one request goes."""

    upstream: Upstream
    path: str
    query: str

    @property
    def is_chat(self) -> bool:
        return self.path.endswith(CHAT_SUFFIX)

    @property
    def path_and_query(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


def parse_upstream(text: str) -> Upstream:
    """Read `[NAME=]URL`. Raises `ConfigError` that says which part is wrong."""
    name, separator, url = text.partition("=")
    named = separator and "://" not in name
    if not named:
        name, url = "", text
    elif not _NAME.fullmatch(name) or name in _RESERVED:
        raise ConfigError(
            f"upstream {text!r}: the name {name!r} cannot be used. Names are letters, digits, - and _, "
            f"start with a letter, and are none of {', '.join(sorted(_RESERVED))}."
        )
    try:
        parts = urlsplit(url)
        port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigError(f"upstream {text!r}: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname or not port:
        raise ConfigError(
            f"upstream {text!r} is not a URL such as https://api.openai.com/v1 or local=http://127.0.0.1:8000"
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        # The text is not repeated: it may hold a password, and this message ends in logs.
        raise ConfigError(
            f"the upstream at {parts.hostname}: give scheme, host, port and path only; "
            "credentials travel with each request"
        )
    return Upstream(name, parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def parse_host(text: str) -> str:
    """A host to intercept, or a pattern in which one `*` stands for any text. Raises `ConfigError`."""
    host = text.lower().removesuffix(".")
    if not host or not (_HOST_PATTERN.fullmatch(host) or _is_ipv6(host)):
        raise ConfigError(
            f"{text!r} is no host to intercept: give its name alone, without scheme, port and path, as in "
            "llm.example.com or *.openai.azure.com"
        )
    return host


def _is_ipv6(host: str) -> bool:
    try:
        return bool(IPv6Address(host))
    except ValueError:
        return False


class Upstreams:
    """The upstreams there are; the first is the default.

    A forward proxy serves more than these: whatever host stands in the list of known providers, or was named to be
    intercepted, is an upstream of its own, its origin.
    """

    def __init__(self, upstreams: Sequence[Upstream], intercept: Sequence[str] = ()) -> None:
        """`intercept`: patterns of hosts, as from `parse_host`."""
        self._patterns = (*KNOWN_HOSTS, *intercept)
        self._hosts = HostList(intercept)
        self.default = upstreams[0]
        self.named = {upstream.name: upstream for upstream in upstreams if upstream.name}
        self.addresses = frozenset(_address(upstream.host, upstream.port) for upstream in upstreams)
        if len(self.named) < sum(bool(upstream.name) for upstream in upstreams):
            raise ConfigError("two upstreams have the same name: " + ", ".join(upstream.name for upstream in upstreams))
        if lost := [upstream.origin for upstream in upstreams[1:] if not upstream.name]:
            raise ConfigError(f"only the first upstream can do without a name; give NAME={lost[0]}")

    def intercepted(self, scheme: str, host: str, port: int, request_target: str) -> Target | None:
        """The target of a request that a forward proxy has read; `None` if its host is no upstream's."""
        if not self.is_at(host, port):
            return None
        path, _, query = request_target.partition("?")
        return Target(Upstream("", scheme, *_address(host, port), ""), path, query)

    def is_at(self, host: str, port: int) -> bool:
        """Whether an upstream lives there, in whatever way a client spells its name."""
        return self.is_configured(host, port) or self._hosts.match(host) is not None

    def is_configured(self, host: str, port: int) -> bool:
        """Whether a configured upstream lives there: all that can be reached by base URL."""
        return _address(host, port) in self.addresses

    @property
    def hosts(self) -> tuple[str, ...]:
        """Patterns of all hosts that are intercepted, those of configured upstreams first."""
        return (*sorted({host for host, _ in self.addresses}), *self._patterns)

    @property
    def intercepted_addresses(self) -> list[str]:
        """The same as regular expressions of `HOST:PORT`; a configured upstream only with its own port."""
        fixed = [rf"^{re.escape(host)}\.?:{port}$" for host, port in sorted(self.addresses)]
        return fixed + [rf"^{re.escape(pattern).replace(r'\*', '.+')}\.?:\d+$" for pattern in self._patterns]

    @classmethod
    def parse(cls, texts: Sequence[str], intercept: Sequence[str] = ()) -> "Upstreams":
        return cls([parse_upstream(text) for text in texts or (DEFAULT_URL,)], intercept)

    def target(self, request_target: str) -> Target | None:
        """Map the path and query a client asked for (origin form); `None` if nothing is served there."""
        path, _, query = request_target.partition("?")
        name, _, rest = path.removeprefix("/").partition("/")
        if not path.startswith("/"):
            return None
        if name in self.named:
            return _target(self.named[name], "/" + rest, query)
        if path.startswith(_DEFAULT_PREFIXES) or path.endswith(CHAT_SUFFIX):
            return _target(self.default, path, query)
        return None


@lru_cache(maxsize=256)
def _origin(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port == _PORTS[scheme] else f":{port}")


def _address(host: str, port: int) -> tuple[str, int]:
    """Names are compared without case, and `h.` is `h`, said to be complete (RFC 4343; RFC 1034, section 3.1)."""
    return host.lower().removesuffix("."), port


def _target(upstream: Upstream, path: str, query: str) -> Target:
    if upstream.base_path:
        path = upstream.base_path + _VERSION.sub("", path)
    return Target(upstream, path, query)
