"""HTTP Archive (HAR) 1.2, read and written: what browsers, proxies and most debugging tools can export."""

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from chatreel.formats import content
from chatreel.formats.foreign import Exchange, Found, Refused, Unreadable
from chatreel.model import Json, JsonObject, Piece, Recording
from chatreel.redact import kept_headers

_UNKNOWN: Final = -1
"""What HAR writes for a size or a time that is not known."""


def read(data: bytes) -> list[Found]:
    """All entries of a file, in its order. Raises `Unreadable` if it is no HAR."""
    try:
        document = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"this is not JSON: {error}") from error
    match document:
        case {"log": {"entries": list(entries)}}:
            return [*_found(entries)]
    raise Unreadable("this is no HAR: `log.entries` is missing")


def write(recordings: Iterable[Recording], *, creator: str) -> bytes:
    """Recordings as a HAR. `creator`: version of the program. The requests' credentials were never stored."""
    entries: list[Json] = [_entry(recording) for recording in recordings]
    log: JsonObject = {"version": "1.2", "creator": {"name": "chatreel", "version": creator}, "entries": entries}
    return orjson.dumps({"log": log}, option=orjson.OPT_INDENT_2) + b"\n"


def _found(entries: list[Any]) -> Iterator[Found]:
    for number, entry in enumerate(entries, start=1):
        place = f"entry {number}"
        try:
            yield _exchange(entry, place)
        except Unreadable as error:
            yield Refused(place, str(error))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            yield Refused(place, f"it is not as HAR 1.2 says: {type(error).__name__} {error}")


def _exchange(entry: Any, place: str) -> Exchange:
    request, response = entry["request"], entry["response"]
    headers = tuple((str(each["name"]).lower(), str(each["value"])) for each in response.get("headers", []))
    body = _body(response.get("content", {}))
    waited = float(entry.get("time") or 0.0)
    return Exchange(
        place=place,
        method=str(request["method"]).upper(),
        url=str(request["url"]).partition("#")[0],
        request=str((request.get("postData") or {}).get("text", "")).encode("utf-8", "surrogatepass"),
        status=int(response["status"]),
        headers=tuple(pair for pair in headers if pair[0] not in content.TRANSFER_HEADERS),
        body=content.decoded(body, ""),
        recorded_at=content.moment(str(entry.get("startedDateTime", ""))),
        pieces=(Piece(max(waited, 0.0) / 1000, len(body)),),
    )


def _body(said: Any) -> bytes:
    text = said.get("text")
    if text is None:
        if said.get("size"):
            raise Unreadable("its body was not saved with it: export the HAR with content")
        return b""
    if said.get("encoding") == "base64":
        try:
            return b64decode(text)
        except binascii.Error as error:
            raise Unreadable(f"its body is not base64: {error}") from error
    return str(text).encode("utf-8", "surrogatepass")


def _entry(recording: Recording) -> JsonObject:
    url = f"{recording.upstream}{recording.path}{f'?{recording.query}' if recording.query else ''}"
    waited = round(recording.duration * 1000, 3)
    first = round(recording.pieces[0].at * 1000, 3) if recording.pieces else waited
    return {
        "startedDateTime": datetime.fromtimestamp(recording.recorded_at, UTC).isoformat(timespec="milliseconds"),
        "time": waited,
        "request": {
            "method": "POST",
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": "content-type", "value": "application/json"}],
            "queryString": _query(recording.query),
            "postData": {"mimeType": "application/json", "text": recording.request.decode()},
            "headersSize": _UNKNOWN,
            "bodySize": len(recording.request),
        },
        "response": {
            "status": recording.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": name, "value": value} for name, value in kept_headers(recording.headers)],
            "content": _content(recording),
            "redirectURL": "",
            "headersSize": _UNKNOWN,
            "bodySize": len(recording.body),
        },
        "cache": {},
        "timings": {"send": 0, "wait": first, "receive": round(waited - first, 3)},
    }


def _query(query: str) -> Json:
    pairs = [parameter.partition("=") for parameter in query.split("&") if parameter]
    return [{"name": name, "value": value} for name, _, value in pairs]


def _content(recording: Recording) -> JsonObject:
    kind = dict(recording.headers).get("content-type", "")
    said: JsonObject = {"size": len(recording.body), "mimeType": kind}
    if content.is_text(recording.body):
        return said | {"text": recording.body.decode()}
    return said | {"text": b64encode(recording.body).decode(), "encoding": "base64"}
