"""What other tools have recorded to recordings of ours: which of it can be replayed, and as what."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from chatreel.canonical import without_credentials
from chatreel.errors import Malformed, NotKeyable
from chatreel.formats.foreign import Exchange, Found, Refused, Unreadable
from chatreel.model import JsonObject, Piece, Recording, WireForm
from chatreel.redact import kept_headers
from chatreel.request import Keys, read_request
from chatreel.scrubbing import Scrubbed, Unscrubbed, is_clean, scrubbed
from chatreel.wire.codec import dumps
from chatreel.wire.convert import JSON_TYPE, SSE_TYPE
from chatreel.wire.reading import Reading, Verdict, read
from chatreel.wire.rechunk import rechunk, with_ids

_CHAT = "/chat/completions"
_NEXT = 1e-6
"""Seconds between two recordings at least, so that takes keep their order."""

_TAKEN_OUT = "secrets were taken out of it"

_PORTS = {"http": 80, "https": 443}

_LATEST = 2**33
"""Seconds since the epoch that `created` may say; some servers write milliseconds."""


@dataclass(frozen=True, slots=True)
class Imported:
    """One that can be replayed."""

    place: str
    recording: Recording
    note: str
    """What is no longer as it was recorded; empty if the body is the same to the byte."""


@dataclass(frozen=True, slots=True)
class _Route:
    upstream: str
    path: str
    query: str
    tenant: str | None


def convert(found: Iterable[Found], keys: Keys, *, fallback: float, upstream: str = "") -> Iterator[Imported | Refused]:
    """Each as a recording, or why it is none.

    `fallback`: seconds since the epoch at which those were recorded that do not say. `upstream`: origin to import all
    of them under, in place of the recorded one.
    """
    last = 0.0
    for one in found:
        if isinstance(one, Refused):
            yield one
            continue
        try:
            imported = _converted(one, keys, fallback, upstream)
        except (Malformed, NotKeyable, Unreadable, Unscrubbed) as error:
            yield Refused(one.place, str(error))
            continue
        recording = imported.recording
        last = recording.recorded_at if recording.recorded_at > last else round(last + _NEXT, 6)
        yield replace(imported, recording=replace(recording, recorded_at=last))


def _converted(one: Exchange, keys: Keys, fallback: float, upstream: str) -> Imported:
    parts = urlsplit(one.url)
    if one.method != "POST" or not parts.path.endswith(_CHAT):
        raise Unreadable(f"it is no chat completion: {one.method} {parts.path or one.url}")
    body = read_request(one.request)
    query = without_credentials(parts.query)
    route = _Route(upstream or _origin(parts), parts.path, query, None)
    kept = keys.keep(route, body, one.request)
    answered, reading, note = _answer(one, kept.identity.key)
    pieces = one.pieces if sum(piece.size for piece in one.pieces) == len(answered) else _at_once(answered)
    answer = Scrubbed(reading, pieces, _headers(one, reading))
    if is_secret := not is_clean(answer, keys.redactor):
        answer = scrubbed(answer, kept.identity.key, keys.redactor)
    said = answer.reading
    return Imported(
        one.place,
        Recording(
            identity=kept.identity,
            upstream=kept.upstream,
            path=kept.path,
            query=kept.query,
            model=kept.model,
            recorded_at=_moment(one, reading, fallback),
            request=kept.request,
            status=one.status,
            headers=answer.headers,
            form=said.form,
            body=said.body,
            pieces=answer.pieces,
            completion=dumps(said.completion) if said.verdict is Verdict.COMPLETE else b"",
        ),
        "; ".join(filter(None, (note, _TAKEN_OUT if is_secret or kept.redacted else ""))),
    )


def _origin(parts: SplitResult) -> str:
    """As upstreams are named in keys: the host in lower case, no port that goes without saying, no password."""
    try:
        port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    except ValueError as error:
        raise Unreadable(f"its URL has no port that could be: {error}") from error
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _answer(one: Exchange, seed: str) -> tuple[bytes, Reading, str]:
    """Body, what it says, and what is different about it. A stream that no client could read is written anew (Q21)."""
    reading = read(one.body, status=one.status)
    lenient = read(one.body, status=one.status, lenient=True)
    if lenient.verdict is Verdict.COMPLETE and lenient.completion is not None and lenient != reading:
        body = rechunk(with_ids(lenient.completion, seed), include_usage="usage" in lenient.completion)
        return body, read(body, status=one.status), "no client could read its stream, which is written anew"
    if reading.verdict in (Verdict.TRUNCATED, Verdict.CORRUPT):
        raise Unreadable(f"its answer is {reading.verdict}: {reading.reason}")
    return one.body, reading, one.note


def _headers(one: Exchange, reading: Reading) -> tuple[tuple[str, str], ...]:
    """Those that are kept; a type of content if it was filtered out, as clients depend on it (V7)."""
    headers = kept_headers(one.headers)
    if any(name == "content-type" for name, _ in headers):
        return headers
    return (("content-type", SSE_TYPE if reading.form is WireForm.SSE else JSON_TYPE), *headers)


def _at_once(body: bytes) -> tuple[Piece, ...]:
    return (Piece(0.0, len(body)),) if body else ()


def _moment(one: Exchange, reading: Reading, fallback: float) -> float:
    return round(one.recorded_at or _created(reading.completion or {}) or fallback, 6)


def _created(completion: JsonObject) -> float | None:
    created = completion.get("created")
    usable = isinstance(created, int | float) and not isinstance(created, bool) and 0 < created < _LATEST
    return float(created) if usable and isinstance(created, int | float) else None
