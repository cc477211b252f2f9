"""Which recordings a command is about: one that is named, or all that meet some conditions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from chatreel.errors import ConfigError

_ID = re.compile(r"\d{1,18}")
_KEY = re.compile(r"(?:v\d+:)?[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class Subject:
    """A recording as somebody names it; exactly one of these is there."""

    text: str
    id: int | None = None
    key: str | None = None
    """Beginning of a key, with its scheme or without."""
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that recordings meet, all of them. `None`, or empty: any will do."""

    model: str | None = None
    """The whole name, or its beginning and a `*`."""
    upstreams: tuple[str, ...] = ()
    """Origins."""
    cassette: str | None = None
    since: float | None = None
    """Recorded at this moment or later, seconds since the epoch."""
    until: float | None = None
    """Recorded before it."""
    ids: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.model and "*" in self.model[:-1]:
            raise ConfigError(f"--model {self.model!r}: a * stands for the end of a name only, as in 'gpt-4o*'")


def parse_subject(text: str) -> Subject:
    """Tell ids of recordings, ids of calls and beginnings of keys apart. Raises `ConfigError` if it is none of them.

    Digits alone are the id of a recording; a key that begins with digits alone is named with its scheme, `v1:1234`.
    """
    if _ID.fullmatch(text):
        return Subject(text, id=int(text))
    if _KEY.fullmatch(text.lower()):
        return Subject(text, key=text.lower())
    try:
        return Subject(text, call_id=str(UUID(text)))
    except ValueError:
        raise ConfigError(
            f"{text!r} names no recording: give its id, the id of a call, or at least four digits of its key, "
            "as in v1:3f9c (`chatreel ls` lists them)"
        ) from None


def origins(text: str, named: Mapping[str, str]) -> tuple[str, ...]:
    """The origins that an upstream may have which is given by name, as a URL, or as its host (and port) alone.

    `named`: the origins of upstreams that have a name.
    """
    if text in named:
        return (named[text],)
    if "://" in text:
        scheme, _, rest = text.partition("://")
        return (f"{scheme}://{rest.partition('/')[0]}",)
    return (f"https://{text}", f"http://{text}")
