"""Interactions whose text nobody has changed since it was written: they are read when they are needed, and not before.

Each ends with a digest of its own text. Where all of them fit, and the file begins as it would be written today, the
keys that stand there tell where to look; what is found is then read like any other, its key made anew.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from chatreel.formats.seals import digest_of

_START: Final = b"{\n"
_STOP: Final = b"\n    }"
"""An interaction from its first to its last byte. Nothing inside has so little indent, and a text has no line ends."""

_BETWEEN: Final = _STOP + b",\n    " + _START
_TAIL: Final = b"\n      }" + _STOP
"""How an interaction ends: with its digests."""

_SEAL: Final = b',\n        "interaction": "'
_SEALED: Final = b'"' + _TAIL
_KEY: Final = b'      "key": '


@dataclass(frozen=True, slots=True)
class Unread:
    """An interaction that is as it was written, under rules that still hold."""

    key: str
    cassette: bytes
    """The text of a cassette that has this interaction and no other."""


def seal(text: bytes) -> bytes:
    """The text of an interaction with its digest in it."""
    return text.removesuffix(_TAIL) + _SEAL + digest_of(text).encode() + _SEALED


def unread(data: bytes, empty: bytes) -> tuple[Unread, ...] | None:
    """The interactions of a cassette, or `None` if it has to be read. `empty`: the same one without interactions."""
    head, end, tail = empty.partition(b'"end"')
    head, tail = head + _START, _STOP + b",\n    " + end + tail
    if not (data.startswith(head) and data.endswith(tail)):
        return None
    found = []
    for middle in data[len(head) : -len(tail)].split(_BETWEEN):
        if (key := _key_if_sealed(middle)) is None:
            return None
        found.append(Unread(key, head + middle + tail))
    return tuple(found)


def _key_if_sealed(middle: bytes) -> str | None:
    text = _START + middle + _STOP
    start = text.rfind(_SEAL)
    digest = text[start + len(_SEAL) : -len(_SEALED)]
    whole = start >= 0 and text.endswith(_SEALED) and middle.startswith(_KEY)
    if not whole or digest_of(text[:start] + _TAIL).encode() != digest:
        return None
    key: str = orjson.loads(middle[len(_KEY) : middle.index(b",\n")])
    return key
