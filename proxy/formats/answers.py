"""The response of an interaction as members of a cassette, from which its bytes can be had again, and back.

A JSON body is a value if one of the known spellings gives back its bytes, with the white space around it apart; then
its completion is the body. Any other text is kept as text, a stream event by event, and what is no text as base64.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from chatreel.errors import CassetteError
from chatreel.formats.layout import Members, fold_exactly, fold_object, lines, render
from chatreel.formats.spelling import COMPACT, WRITERS, read, spelling_of
from chatreel.formats.streams import seconds, spelling_named, stream_members
from chatreel.model import Json, JsonObject, Piece, Recording, WireForm
from chatreel.redact import kept_headers
from chatreel.wire.codec import dumps

BODIES: Final = ("body", "events", "base64")
"""The members that a body may be in, one of them."""

IS_BODY: Final = "body"
"""In place of a completion: the body is it."""

KNOWN: Final = frozenset(
    {*BODIES, "status", "headers", "form", "usage_added", "edited", "completion", "spelling", "around", "frame"}
    | {"each", "at", "pieces"}
)
_BASE64_LINE: Final = 96


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of an interaction as it stands in the text."""

    status: int
    headers: tuple[tuple[str, str], ...]
    form: WireForm | None
    """`None` if the text does not say."""
    usage_added: bool
    edited: bool
    body: bytes | None
    """`None` if there is only a completion."""
    pieces: tuple[Piece, ...]
    completion: bytes
    """As it would be stored; empty if there is none."""
    completion_is_body: bool


@dataclass(frozen=True, slots=True)
class _Structured:
    value: Json
    members: JsonObject
    """As they are written: `body`, `spelling`, `around`."""


def answer_members(recording: Recording, depth: int) -> tuple[Members, bool]:
    """The members of a response, as JSON text, and whether the completion is one that stands beside the body.

    `depth`: levels that they stand in.
    """
    structured = _structured(recording.body)
    about: JsonObject = {
        "status": recording.status,
        "headers": _headers(kept_headers(recording.headers)),
        "form": recording.form.value,
    }
    if recording.usage_added:
        about["usage_added"] = True
    if recording.edited:
        about["edited"] = True
    apart = bool(recording.completion) and (structured is None or dumps(structured.value) != recording.completion)
    if recording.completion:
        about["completion"] = _completion(recording.completion) if apart else IS_BODY
    if structured is None and recording.form is WireForm.SSE and _is_text(recording.body):
        before, events, after = stream_members(recording.body, recording.pieces)
        found = [*_rendered(about | before, depth), ("events", lines(events, depth)), *_rendered(after, depth)]
        return found, apart
    body = structured.members if structured else _unstructured(recording.body)
    return _rendered(about | body | _arrival(recording), depth), apart


def answer_of(response: JsonObject, stream: Callable[[JsonObject], tuple[bytes, tuple[Piece, ...]]]) -> Answer:
    """The response that its members say, texts unfolded. `stream` makes the body of one that has events.

    Raises `CassetteError`, `ValueError`, `TypeError` or `KeyError` if they do not say one.
    """
    if not response.keys() <= KNOWN:
        raise CassetteError(f"a response has no member {min(response.keys() - KNOWN)!r}")
    if sum(name in response for name in BODIES) > 1:
        raise CassetteError(f"a response has one of {', '.join(BODIES)}, not several")
    body: bytes | None
    if "events" in response:
        (body, pieces), value = stream(response), None
    else:
        body, pieces, value = _body_of(response)
    completion = response.get("completion")
    return Answer(
        status=_status(response["status"]),
        headers=_pairs(response.get("headers", {})),
        form=WireForm(str(response["form"])) if "form" in response else None,
        usage_added=response.get("usage_added") is True,
        edited=response.get("edited") is True,
        body=body,
        pieces=_pieces(response, body, pieces),
        completion=_completion_of(completion, value),
        completion_is_body=completion == IS_BODY,
    )


def _structured(body: bytes) -> _Structured | None:
    """A JSON object as a body, taken apart; `None` if its bytes could not be had again from a value."""
    text = body.strip(b" \t\r\n")
    if text[:1] != b"{":
        return None
    try:
        value = read(text)
    except ValueError:
        return None
    spelling = spelling_of(text, value)
    folded = fold_exactly(value) if isinstance(value, dict) else None
    if spelling is None or folded is None:
        return None
    members: JsonObject = {"body": folded}
    if spelling != COMPACT:
        members["spelling"] = spelling
    if text != body:
        before, after = body.split(text, 1)
        members["around"] = [before.decode(), after.decode()]
    return _Structured(value, members)


def _unstructured(body: bytes) -> JsonObject:
    if _is_text(body):
        return fold_object({"body": body.decode()})
    text = b64encode(body).decode()
    return {"base64": [text[start : start + _BASE64_LINE] for start in range(0, len(text), _BASE64_LINE)]}


def _arrival(recording: Recording) -> JsonObject:
    if len(recording.pieces) == 1 and recording.pieces[0].size == len(recording.body):
        return {"at": round(recording.pieces[0].at, 6)}
    return {"pieces": [[round(piece.at, 6), piece.size] for piece in recording.pieces]}


def _completion(completion: bytes) -> Json:
    """As a value, or as JSON text if a value would not give back its bytes."""
    try:
        value = read(completion)
    except ValueError:
        return completion.decode()
    folded = fold_exactly(value) if isinstance(value, dict) and dumps(value) == completion else None
    return completion.decode() if folded is None else folded


def _rendered(members: JsonObject, depth: int) -> Members:
    one_line = ("pieces", "each", "around", "frame")
    return [
        (name, orjson.dumps(value) if name in one_line else render(value, depth)) for name, value in members.items()
    ]


def _headers(headers: tuple[tuple[str, str], ...]) -> Json:
    """An object, or a list of pairs if a name is there twice."""
    named: JsonObject = dict(headers)
    return named if len(named) == len(headers) else [[*pair] for pair in headers]


def _pairs(headers: Json) -> tuple[tuple[str, str], ...]:
    pairs = [*headers.items()] if isinstance(headers, dict) else headers
    found: list[tuple[str, str]] = []
    for pair in pairs if isinstance(pairs, list) else [None]:
        match pair:
            case (str(name), str(value)) | [str(name), str(value)]:
                found.append((name, value))
            case _:
                raise CassetteError("`headers` has to be an object of texts, or a list of [name, value]")
    return kept_headers(found)


def _status(status: Json) -> int:
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise CassetteError("`status` has to be a number from 100 to 599")
    return status


def _body_of(response: JsonObject) -> tuple[bytes | None, tuple[Piece, ...], Json]:
    """The body, when it arrived if that is simple, and its value if it is structured."""
    if "base64" in response:
        return b64decode("".join(_texts(response["base64"])), validate=True), (), None
    value = response.get("body")
    if isinstance(value, str):
        return value.encode(), (), None
    if value is None:
        return None, (), None
    if not isinstance(value, dict):
        raise CassetteError("`body` has to be an object, or a text")
    before, after = _texts(response.get("around", ["", ""]))
    return before.encode() + WRITERS[spelling_named(response)](value) + after.encode(), (), value


def _pieces(response: JsonObject, body: bytes | None, known: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """When `body` arrived, as far as that still fits it."""
    size = len(body or b"")
    if "pieces" in response:
        pieces = _listed(response["pieces"])
        if sum(piece.size for piece in pieces) == size or not pieces:
            return pieces
        return known or (pieces[-1]._replace(size=size),)
    if known or "events" in response:
        return known
    return (Piece(seconds(response.get("at", 0)), size),)


def _listed(pieces: Json) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for piece in pieces if isinstance(pieces, list) else [None]:
        match piece:
            case [at, int(size)] if size >= 0:
                found.append(Piece(seconds(at), size))
            case _:
                raise CassetteError("`pieces` has to be a list of [seconds, bytes]")
    return tuple(found)


def _completion_of(completion: Json, body: Json) -> bytes:
    if completion == IS_BODY:
        return b"" if body is None else dumps(body)
    if completion is None:
        return b""
    if isinstance(completion, str):
        return completion.encode()
    if not isinstance(completion, dict):
        raise CassetteError("`completion` has to be an object, a text of JSON, or the word body")
    return dumps(completion)


def _texts(value: Json) -> list[str]:
    if not isinstance(value, list):
        raise CassetteError("a list of texts is expected")
    return [text for text in value if isinstance(text, str)]


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
