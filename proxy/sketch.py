"""Marks of a canonical document: a few numbers by which it is found again among many, also after a change somewhere.

A mark is the digest of a message, or of three neighbouring words. Short texts have the marks of all of their words,
long ones those that winnowing picks (Schleimer, Wilkerson, Aiken: "Winnowing: Local Algorithms for Document
Fingerprinting", SIGMOD 2003): two texts that share a run of words share a mark of it, wherever the run stands. Which of
a document's marks are worth storing depends on what else is stored: those that few have. Most of what a store holds are
the same instructions and tools again and again; what tells one request from the others is seldom more than a sentence.

Everything here is a pure function of the document: no salt, no chance.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import repeat
from zlib import crc32

import orjson

from chatreel.model import Json

MAX_STORED = 16
"""Marks that are stored of a document."""

CROWDED = 32
"""Documents that may have a mark stored; one that so many have tells nothing about the next."""

MAX_MARKS = 1_024
"""Marks of a document, at most: the cost of a look-up."""

MAX_TEXT = 16_000
"""Characters that are looked at of one message, half of them at its start and half at its end."""

MAX_DOCUMENT = 40_000
"""Characters that are looked at of a document: what is not a message, then the messages from the last to the first."""

SHORT = 160
"""Words of a text up to which all its marks count."""

WINDOW = 8
"""Of a longer text each run of so many marks gives its least."""

# Scripts that put no spaces between words count by character.
_WORD = re.compile(r"[\u2e80-\ud7ff\uf900-\ufaff]|[^\W\u2e80-\ud7ff\uf900-\ufaff]+")

_APART = bytes(code if chr(code).isalnum() or code == ord("_") else ord(" ") for code in range(128)) + bytes(128)
"""The same for ASCII, as a table: what is in no word becomes a space. The other half of it is not used."""


def marks(document: bytes, cassette: str) -> frozenset[int]:
    """Return the marks of a canonical document, 32 bits each.

    Documents of another upstream, path, tenant or cassette have other marks: they are never near.
    """
    members = orjson.loads(document)
    scope = orjson.dumps([cassette, members["upstream"], members["path"], members.get("tenant")])
    found: set[int] = set()
    for text in _texts(members["body"]):
        found |= _marks_of(text, crc32(scope))
    return frozenset(found if len(found) <= MAX_MARKS else sorted(found)[:MAX_MARKS])


def worth_storing(found: frozenset[int], frequencies: Mapping[int, int]) -> list[int]:
    """Return the marks to store, those first that the fewest others have. `frequencies`: how many have stored it."""
    # As numbers of which the frequency is the higher part: they are sorted three times as fast as pairs.
    free = [times << 32 | mark for mark in found if (times := frequencies.get(mark, 0)) < CROWDED]
    return [one & 0xFFFF_FFFF for one in sorted(free)[:MAX_STORED]]


def _texts(body: dict[str, Json]) -> Iterator[str]:
    messages = body.get("messages")
    rest: Json = {name: value for name, value in body.items() if name != "messages"}
    left = MAX_DOCUMENT
    for node in (rest, *reversed(messages if isinstance(messages, list) else [])):
        said: list[str] = []
        _strings(node, said)
        text = " ".join(said)
        if len(text) > MAX_TEXT:
            text = f"{text[: MAX_TEXT // 2]} {text[-MAX_TEXT // 2 :]}"
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return


def _strings(node: Json, found: list[str]) -> None:
    """Add all that is said in `node`: names, texts, and numbers as they are written here."""
    if isinstance(node, str):
        found.append(node)
    elif isinstance(node, dict):
        for name, child in node.items():
            found.append(name)
            if isinstance(child, str):
                found.append(child)
            else:
                _strings(child, found)
    elif isinstance(node, list):
        for child in node:
            _strings(child, found)
    else:
        found.append(str(node))


@lru_cache(maxsize=256)  # what an application repeats in each call: its instructions, its tools, its history
def _marks_of(text: str, seed: int) -> frozenset[int]:
    words = _words(text)
    neighbours = map(b" ".join, zip(words, words[1:], words[2:], strict=False))
    runs = [*map(crc32, neighbours, repeat(seed))]
    if len(words) > SHORT:
        runs = [*map(min, *(runs[start:] for start in range(WINDOW)))]
    return frozenset([crc32(b" ".join(words), seed), *runs])


def _words(text: str) -> list[bytes]:
    if text.isascii():
        return text.encode().translate(_APART).split()
    return [word.encode() for word in _WORD.findall(text)]
