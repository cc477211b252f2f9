"""A command line of `serve` as programs and most people write it, read without the library that reads all of them.

That library takes a fifth of a start. What is read here it reads alike; whatever is not plain (a question for help, an
option that there is not, a value that is missing) is left to it, and so is what it says then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VALUES = (
    *("mode", "host", "port", "proxy_port", "token", "token_file", "store", "ready_file", "max_body", "max_bodies"),
    *("max_connections", "workers", "max_size", "pace", "cassette", "cassettes", "repeats", "ttl", "unpriced"),
    *("parent", "fallback_upstream"),
)
"""Options with a value; of several the last one counts."""

SEVERAL = {"upstream": "upstream", "intercept": "intercept", "intercept_host": "intercept"} | {
    name: name for name in ("tag", "budget")
}
"""Options that may come several times, with their settings."""

SWITCHES = {
    "ask_usage": ("ask_usage", True),
    "no_ask_usage": ("ask_usage", False),
    "record_errors": ("record_errors", True),
    "no_record_errors": ("record_errors", False),
    "fast_path": ("fast_path", True),
    "no_fast_path": ("fast_path", False),
    "block_others": ("block_others", True),
    "tunnel_others": ("block_others", False),
}
"""Options without a value, and what they say of which setting."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a command line of `serve` says."""

    flags: Mapping[str, Any]
    """Settings by their names; `None`: not given."""
    parent: int | None = None
    """Process with which it ends."""
    fallback_upstream: str | None = None
    """The upstream if no setting names one."""


def read(arguments: Sequence[str]) -> Told | None:
    """What the arguments of `serve` say; `None` if they are not plain."""
    flags: dict[str, Any] = {}
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        name = option[2:].replace("-", "_")
        if option != f"--{name.replace('_', '-')}":
            return None
        if name in SWITCHES and not equals:
            setting, flags[setting] = SWITCHES[name]
            continue
        if name not in VALUES and name not in SEVERAL:
            return None
        if not equals and (value := next(rest, "-")).startswith("-"):
            return None  # missing, or so it seems
        if name in SEVERAL:
            flags[SEVERAL[name]] = (*flags.get(SEVERAL[name], ()), value)
        else:
            flags[name] = value
    parent, fallback = flags.pop("parent", None), flags.pop("fallback_upstream", None)
    if parent is not None and not (parent.isascii() and parent.isdigit()):
        return None
    return Told(flags, None if parent is None else int(parent), fallback)
