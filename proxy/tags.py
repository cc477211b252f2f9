"""Tags that a client or a run puts on its calls, to tell in the log who made them and what for."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import orjson

HEADER: Final = "x-chatreel-tag"
"""A request header that is for chatreel alone: no upstream gets it, and no key depends on it."""

MOST: Final = 16
"""Tags on a call."""
_LONGEST: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}")


def parse_tag(text: str) -> tuple[str, str]:
    """Read `name=value`. Raises `ValueError` that says how."""
    name, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not _NAME.fullmatch(name) or not value.isprintable() or len(value) > _LONGEST:
        raise ValueError(
            f"{text!r} is no tag: give name=value, the name of letters, digits and _.:/-, "
            f"the value of at most {_LONGEST} characters"
        )
    return name, value


def tags_of(headers: Iterable[str]) -> tuple[dict[str, str], str]:
    """Tags in header values, each of which may hold several with commas; and the first part that is none, if any.

    Of two with the same name the last counts; beyond `MOST` the rest is as if it were malformed.
    """
    found: dict[str, str] = {}
    malformed = ""
    for text in (part for header in headers for part in header.split(",") if part.strip()):
        try:
            name, value = parse_tag(text)
        except ValueError:
            malformed = malformed or text.strip()
            continue
        if name in found or len(found) < MOST:
            found[name] = value
        else:
            malformed = malformed or text.strip()
    return found, malformed


def as_json(tags: Mapping[str, str]) -> str | None:
    """As the log holds them: equal tags are equal texts. `None` if there are none."""
    return orjson.dumps(dict(tags), option=orjson.OPT_SORT_KEYS).decode() if tags else None
