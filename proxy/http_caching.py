"""The HTTP caching headers that chatreel reads and writes: `Cache-Control`, `Cache-Status`, `Age`.

RFC 9111 (caching) and RFC 9211 (Cache-Status, whose syntax is that of RFC 8941).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from chatreel.decide import Directives

CACHE_NAME = "chatreel"

_PARTS = re.compile(r'(?:"[^"]*"|[^,])+')
_DIRECTIVE = re.compile(r"""([\w!#$%&'*+.^`|~-]+)(?:=(?:"([^"]*)"|([^\s,"]*)))?""", re.ASCII)
_LONGEST = 2**31
"""Seconds; whatever is longer counts as this (RFC 9111, section 1.2.2)."""
_FLAGS: Mapping[str, str] = MappingProxyType(
    {"only-if-cached": "only_if_cached", "no-cache": "no_cache", "no-store": "no_store"}
)


@lru_cache(maxsize=256)
def request_directives(cache_control: str) -> tuple[Directives, str]:
    """Directives of a request, and what was malformed in them (empty if nothing was).

    Unknown directives are ignored, as RFC 9111 section 5.2 asks; a malformed one changes nothing but the warning. Of
    several `max-age` the strictest counts (section 4.2.1).
    """
    flags: dict[str, bool] = {}
    ages: list[int] = []
    malformed = ""
    for part in filter(None, map(str.strip, _PARTS.findall(cache_control))):
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
                ages.append(_seconds(value))
            else:
                malformed = part
    return Directives(**flags, max_age=min(ages, default=None)), malformed


def _seconds(digits: str) -> int:
    return min(int(digits.lstrip("0")[:11] or "0"), _LONGEST)  # int() refuses thousands of digits


def asked_control(cache_control: str | None, pragma: str) -> str:
    """What counts as `Cache-Control` of a request: `Pragma: no-cache` where there is none (RFC 9111, section 5.4)."""
    if cache_control is not None:
        return cache_control
    return "no-cache" if "no-cache" in map(str.strip, pragma.lower().split(",")) else ""


class CacheStatus(NamedTuple):
    """What chatreel did with a request, for its `Cache-Status` header (RFC 9211, section 2).

    `hit` and `fwd` exclude each other; `fwd_status`, `stored` and `collapsed` say something about what was forwarded,
    `ttl` about a hit.
    """

    hit: bool = False
    fwd: str = ""
    """Why the request went upstream: `miss`, `stale`, `request` (a directive asked for it), `bypass` (the mode did)."""
    fwd_status: int | None = None
    """Of the upstream's answer, where the client gets another."""
    ttl: int | None = None
    """Seconds until it is stale; negative if it is."""
    stored: bool = False
    collapsed: bool | None = None
    """Whether the answer to another call was waited for and served; false: waited for in vain."""
    key: str = ""
    detail: str = ""

    def __str__(self) -> str:
        parts = [CACHE_NAME]
        if self.hit:
            parts.append("hit")
        if self.fwd:
            parts.append(f"fwd={self.fwd}")
        if self.fwd_status is not None:
            parts.append(f"fwd-status={self.fwd_status}")
        if self.ttl is not None:
            parts.append(f"ttl={self.ttl}")
        if self.stored:
            parts.append("stored")
        if self.collapsed is not None:
            parts.append("collapsed" if self.collapsed else "collapsed=?0")
        if self.key:
            parts.append(f'key="{self.key}"')
        if self.detail:
            parts.append(f"detail={self.detail}")
        return "; ".join(parts)


def hit_status(key: str, detail: str) -> str:
    """The `Cache-Status` of a hit that is fresh for ever."""
    return f'{CACHE_NAME}; hit; key="{key}"; detail={detail}' if detail else f'{CACHE_NAME}; hit; key="{key}"'


def age_header(recorded_at: float, now: float) -> str:
    """Whole seconds since the answer came from upstream (RFC 9111, section 5.1); never negative."""
    return str(max(0, int(now - recorded_at)))
