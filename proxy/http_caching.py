"""The HTTP caching headers that chatreel reads and writes: `Cache-Control`, `Cache-Status`, `Age`.

RFC 9111 (caching) and RFC 9211 (Cache-Status, whose syntax is that of RFC 8941).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chatreel.decide import Directives

CACHE_NAME = "chatreel"

_DIRECTIVE = re.compile(r"""([A-Za-z-]+)(?:=(?:"([^"]*)"|([^\s,]*)))?""")
_FLAGS: Mapping[str, str] = MappingProxyType(
    {"only-if-cached": "only_if_cached", "no-cache": "no_cache", "no-store": "no_store"}
)


def request_directives(cache_control: str) -> tuple[Directives, str]:
    """Directives of a request, and what was malformed in them (empty if nothing was).

    Unknown directives are ignored, as RFC 9111 section 5.2 asks; a malformed one changes nothing but the warning.
    """
    flags: dict[str, bool] = {}
    max_age: int | None = None
    malformed = ""
    for part in filter(None, map(str.strip, cache_control.split(","))):
        match = _DIRECTIVE.fullmatch(part)
        if not match:
            malformed = part
            continue
        name = match[1].lower()
        if name in _FLAGS:
            flags[_FLAGS[name]] = True
        elif name == "max-age":
            value = match[2] or match[3] or ""
            if value.isascii() and value.isdigit():
                max_age = int(value)
            else:
                malformed = part
    return Directives(**flags, max_age=max_age), malformed


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What chatreel did with a request, for its `Cache-Status` header (RFC 9211, section 2)."""

    hit: bool = False
    fwd: str = ""
    """Why the request went upstream: `miss`, `stale`, `request` (a directive or the mode asked for it), `bypass`."""
    stored: bool = False
    key: str = ""
    detail: str = ""

    def __str__(self) -> str:
        parts = [CACHE_NAME]
        if self.hit:
            parts.append("hit")
        if self.fwd:
            parts.append(f"fwd={self.fwd}")
        if self.stored:
            parts.append("stored")
        if self.key:
            parts.append(f'key="{self.key}"')
        if self.detail:
            parts.append(f"detail={self.detail}")
        return "; ".join(parts)


def age_header(recorded_at: float, now: float) -> str:
    """Whole seconds since the answer came from upstream (RFC 9111, section 5.1); never negative."""
    return str(max(0, int(now - recorded_at)))
