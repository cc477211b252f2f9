"""Recordings on their way into the store, as lines of a spool: what a client has got the end of is safe by then.

A recording stands before the row of the call that made it. Once it is in the store another line says so: what is
removed from there must not come back.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

import orjson

from chatreel.model import Identity, Piece, Recording, WireForm
from chatreel.store.call import Call

_LONGEST: Final = 1_000_000
"""Bytes of a line: the event loop writes it."""

_BEGINNING: Final = b'{"'
"""Of these lines. Those of rows begin otherwise."""

_PLAIN: Final = tuple(
    field.name for field in fields(Recording) if field.name not in ("identity", "form", "pieces", "headers", "id")
)
_BYTES: Final = frozenset({"request", "body", "completion"})


@dataclass(frozen=True, slots=True)
class Foretold:
    """A call whose client may have the end of its answer before the recording is in the store."""

    call: Call
    """Its row, which lacks nothing but the number of the recording."""
    safe: Callable[[Callable[[int], None]], None]
    """To be called once no kill can take the recording or the row any more; gets what is to be called with the number
    of rows, one, when the row is in the store."""


@dataclass(frozen=True, slots=True)
class LeftRecording:
    """As it was when the end of its stream went out."""

    recording: Recording
    keyed_by: str
    """How its key was made."""
    call_id: str
    """Of the call that made it."""


class Stored(NamedTuple):
    """The recording that a call made is in the store, and has that number."""

    call_id: str
    number: int


def recording_line(left: LeftRecording) -> bytes | None:
    """`None` if it is long, or holds bytes that are no text: it has to be in the store then."""
    recording = left.recording
    members = {name: getattr(recording, name) for name in _PLAIN}
    members |= {
        "key": recording.identity.key,
        "document": recording.identity.document,
        "form": recording.form.value,
        "headers": recording.headers,
        "pieces": [tuple(piece) for piece in recording.pieces],
    }
    whole = {"recording": members, "keyed_by": left.keyed_by, "call_id": left.call_id}
    try:
        line = orjson.dumps(whole, default=bytes.decode, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return None
    return line if len(line) <= _LONGEST else None


def stored_line(stored: Stored) -> bytes:
    return orjson.dumps({"stored": stored.call_id, "number": stored.number}, option=orjson.OPT_APPEND_NEWLINE)


def is_ours(line: bytes) -> bool:
    """Whether a line is one of these, and no row."""
    return line.startswith(_BEGINNING)


def read_recording(line: bytes) -> LeftRecording | Stored:
    """Raises `KeyError`, `TypeError` or `ValueError` if it is neither, or not all of it."""
    said: dict[str, Any] = orjson.loads(line)
    if "stored" in said:
        return Stored(said["stored"], said["number"])
    members = said["recording"]
    recording = Recording(
        identity=Identity(members["key"], members["document"].encode()),
        form=WireForm(members["form"]),
        headers=tuple((name, value) for name, value in members["headers"]),
        pieces=tuple(Piece(at, size) for at, size in members["pieces"]),
        **{name: members[name].encode() if name in _BYTES else members[name] for name in _PLAIN},
    )
    return LeftRecording(recording, said["keyed_by"], said["call_id"])
