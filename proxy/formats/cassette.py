"""A cassette: a named set of recordings as one text, made to be read in a diff, merged by git and edited by hand.

The same recordings are the same bytes, in whatever order they were made: interactions stand in the order of what was
said, so that the turns of a conversation follow each other and a new interaction lands among its likes, not at the end
where every branch puts its own. The takes of one key keep the order of their recording. Every interaction ends in a
comma and the list in a word of its own, so that adding one changes no other line.

Keys are made anew when a cassette is loaded: a changed request, or changed rules, can cost a hit but never make a wrong
one. The one exception is a request from which a secret was taken out: its key is kept, and holds as long as a digest
says that nothing of what it was made from has changed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson

from chatreel import canonical
from chatreel.errors import CassetteError, ChatreelError
from chatreel.formats import sealed
from chatreel.formats.entry_reading import Reader, as_object, unfolded
from chatreel.formats.entry_writing import Block, Redact, block, in_order
from chatreel.formats.intact import IntactText, NotIntact
from chatreel.formats.layout import Members, lines, members
from chatreel.formats.sealed import Unread
from chatreel.formats.streams import stream_of
from chatreel.formats.strict import Places, parse
from chatreel.model import Json, JsonObject, Recording
from chatreel.request import Keys
from chatreel.secret_patterns import replace

__all__ = ["MARK", "VERSION", "Block", "Cassette", "Redact", "Unread", "assemble", "block", "dump", "load", "unread"]

VERSION: Final = 1
"""Of the format. A reader refuses what it does not know: it would lose what it does not understand."""


_HEADER: Final = "chatreel_cassette"
MARK: Final = f'"{_HEADER}"'.encode()
"""What every cassette begins with, within its first bytes."""
_ITEMS: Final = "interactions"
_END: Final = "end"


@dataclass(frozen=True, slots=True)
class Cassette:
    """What a file holds."""

    recordings: tuple[Recording, ...]
    """In the order of the file. `id` is 0 and `cassette` empty: they have no place in a store yet."""
    keyed_by: str
    """How the keys were made that were current when it was written: see `chatreel.canonical.keyed_by`."""


def unread(data: bytes, keys: Keys) -> tuple[Unread, ...] | None:
    """What is in a cassette that nobody has changed, in its order; `None` if it has to be read to know that."""
    return sealed.unread(data, assemble((), canonical.keyed_by(keys.options)))


def load(data: bytes, keys: Keys) -> Cassette:
    """Read a cassette. Raises `CassetteError`: it says the line, and what to do about it."""
    try:
        return _load_intact(data, keys)
    except (ChatreelError, KeyError, TypeError, ValueError, RecursionError):
        return _load(data, keys)  # which says what is wrong, if anything is


def dump(recordings: Iterable[Recording], keyed_by: str, redact: Redact = replace) -> bytes:
    """Write a cassette. `keyed_by`: how the keys of the recordings were made. `redact` takes secrets out of requests.

    Times are kept to the microsecond, of response headers those that may be stored. Raises `NotKeyable` or `Malformed`
    for a request that is no JSON object.
    """
    return assemble([block(recording, keyed_by, redact) for recording in recordings], keyed_by)


def assemble(blocks: Iterable[Block], keyed_by: str) -> bytes:
    """The text of a cassette of these interactions."""
    header: Members = [(_HEADER, orjson.dumps(VERSION)), ("keyed_by", orjson.dumps(_keyed_by(keyed_by)))]
    items = [one.text for one in in_order(blocks)]
    return members([*header, (_ITEMS, lines([*items, orjson.dumps(_END)], 1))], 0) + b"\n"


def _load_intact(data: bytes, keys: Keys) -> Cassette:
    text = IntactText(data)
    document = parse(text.text)
    reader = Reader(keys, _kept(document), text.stream, intact=True)
    *entries, end = _entries(document)
    if end != _END:
        raise NotIntact
    recordings = tuple(reader.recording(as_object(entry)) for entry in entries)
    text.expect_end()
    return Cassette(recordings, reader.kept)


def _load(data: bytes, keys: Keys) -> Cassette:
    """The long way: for what was edited, reformatted or damaged."""
    document = parse(data)
    reader = Reader(keys, _kept(document), stream_of, intact=False)
    recordings = []
    for place, entry in enumerate(_entries(document)):
        try:
            if entry != _END:
                recordings.append(reader.recording(unfolded(as_object(entry))))
        except (ChatreelError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CassetteError(_explain(error), _line(data, place)) from error
    return Cassette(tuple(recordings), reader.kept)


def _kept(document: JsonObject) -> str:
    """How keys were made when the cassette was written. Raises `CassetteError` if it is none that can be read."""
    version = document.get(_HEADER)
    if version != VERSION:
        raise CassetteError(_wrong_version(version), 1)
    keyed_by = document.get("keyed_by")
    return keyed_by if isinstance(keyed_by, str) else json.dumps(keyed_by)


def _entries(document: JsonObject) -> list[Json]:
    entries = document.get(_ITEMS)
    if not isinstance(entries, list):
        raise CassetteError(f"`{_ITEMS}` has to be a list", 1)
    return entries


def _keyed_by(kept: str) -> Json:
    """As an object, if it is one and would be the same text again."""
    try:
        value: Json = orjson.loads(kept)
    except ValueError:
        return kept
    return value if isinstance(value, dict) and json.dumps(value) == kept else kept


def _wrong_version(version: Json) -> str:
    if isinstance(version, int) and version > VERSION:
        return f"this cassette has format {version}, this chatreel reads format {VERSION}: use a newer chatreel"
    return f"this is no cassette of chatreel (it has no `{_HEADER}: {VERSION}`); `chatreel import` reads other formats"


def _explain(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing in this interaction"
    if isinstance(error, CassetteError):
        return f"this interaction cannot be used: {error.reason}"
    return f"this interaction cannot be used: {error}"


def _line(data: bytes, place: int) -> int:
    starts = Places(data).items(_ITEMS)
    return starts[place] if place < len(starts) else 0
