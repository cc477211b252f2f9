"""Reads VCR.py and kin: pytest-recording, pydantic-ai's dialect, cassetter, Ruby's VCR, go-vcr, single interactions.

They agree on a list of requests and responses, and on little else; the quirks are V1 to V17 of the catalog.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final
from urllib.parse import urldefrag, urlsplit, urlunsplit

from chatreel.formats import content, yaml_text
from chatreel.formats.foreign import Exchange, Found, Refused, Unreadable

_LISTS: Final = ("interactions", "http_interactions")
_TIMES: Final = ("recorded_at", "recorded")
_PLACEHOLDER: Final = re.compile(r"<([A-Za-z0-9_. -]+)>")

type Entry = Mapping[str, Any]


def read(data: bytes) -> list[Found]:
    """All interactions of a file, in its order, repeats included (V10). Raises `Unreadable` if it is no recording."""
    return [*_found(_entries(_parse(data)))]


def _parse(data: bytes) -> object:
    """JSON if it is JSON: some of these tools write it, and it is read a hundred times as fast."""
    if data.lstrip()[:1] in (b"{", b"["):
        try:
            return json.loads(data)
        except ValueError:
            pass  # YAML may begin so, too
    return yaml_text.parse(data)


def _entries(document: object) -> list[Any]:
    """The list of interactions, whatever the tool calls it (V16, V17)."""
    if not isinstance(document, Mapping):
        raise Unreadable("this is no recording: a mapping with `interactions` is expected")
    for name in _LISTS:
        if name in document:
            entries = document[name]
            if not isinstance(entries, list):
                raise Unreadable(f"`{name}` has to be a list")
            return entries
    if "request" in document and "response" in document:
        return [document]
    raise Unreadable("this is no recording: it has neither `interactions` nor `request` and `response`")


def _found(entries: list[Any]) -> Iterator[Found]:
    for number, entry in enumerate(entries, start=1):
        place = f"interaction {number}"
        try:
            yield _exchange(entry, place)
        except Unreadable as error:
            yield Refused(place, str(error))


def _exchange(entry: Any, place: str) -> Exchange:
    request, response = _part(entry, "request"), _part(entry, "response")
    headers = _headers(response.get("headers"))
    coding = next((value for name, value in headers if name == "content-encoding"), "")
    body, exact = _body(response)
    asked, _ = _body(request)
    return Exchange(
        place=place,
        method=str(request.get("method", "")).upper(),
        url=_url(request),
        request=content.decoded(asked, ""),
        status=_status(response),
        headers=tuple(pair for pair in headers if pair[0] not in content.TRANSFER_HEADERS),
        body=content.decoded(body, coding),
        exact=exact,
        recorded_at=_moment(entry) or _date(headers),
        note="" if exact else "its body was kept as a value, and is written anew",
    )


def _part(entry: Any, name: str) -> Entry:
    part = entry.get(name) if isinstance(entry, Mapping) else None
    if not isinstance(part, Mapping):
        raise Unreadable(f"it has no {name}")
    return part


def _url(request: Entry) -> str:
    """The URL without fragment; a scrubbed origin `<API_BASE>` reads `https://api-base.invalid` (V8)."""
    recorded = request.get("uri", request.get("url"))
    if not isinstance(recorded, str):
        raise Unreadable("its request has no `uri`")
    named = _PLACEHOLDER.sub(lambda found: re.sub(r"[^a-z0-9]+", "-", found[1].lower()) + ".invalid", recorded)
    if "://" not in named:
        named = f"https://{named.lstrip('/')}"
    try:
        parts = urlsplit(urldefrag(named).url)
    except ValueError as error:
        raise Unreadable(f"{recorded!r} is no URL: {error}") from error
    return urlunsplit(parts._replace(path=re.sub(r"^/+", "/", parts.path)))


def _status(response: Entry) -> int:
    """From `status: {code}` (V15), the old stub's `status_code` (V4), go-vcr's `code` (V17) or cassetter's `status`."""
    status = response.get("status")
    candidates = [status.get("code") if isinstance(status, Mapping) else None, response.get("status_code")]
    for code in [*candidates, response.get("code"), status]:
        if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()):
            return int(code)
    raise Unreadable("its response has no status code")


def _headers(recorded: object) -> list[tuple[str, str]]:
    """Names in lower case, a pair for each value (V5-V7)."""
    if not isinstance(recorded, Mapping):
        if recorded is None:
            return []
        raise Unreadable("its headers are no mapping")
    return [
        (str(name).lower(), _text(value))
        for name, values in recorded.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(holder: Entry) -> tuple[bytes, bool]:
    """The body of a request or a response, and whether it is byte for byte (V1, V3, V4, V11, V12, V17)."""
    match holder:
        case {"parsed_body": parsed} if not holder.get("body"):
            return content.compact(parsed), False
        case {"body": {"type": "json", "content": value}}:  # cassetter
            return content.compact(value), False
        case {"body": {"type": "text", "content": str(text)}}:
            return text.encode("utf-8", "surrogatepass"), True
        case {"body": {"type": str(kind), "content": str(encoded)}} if kind != "empty":
            return _from_base64(encoded), True
        case {"body": {"type": str()}}:
            return b"", True
        case {"body": {"base64_string": str(encoded)}}:  # Ruby
            return _from_base64(encoded), True
        case {"body": {"string": text}}:
            return _bytes(text)
        case {"content": recorded} if holder.get("body") is None:
            return _bytes(recorded)
        case {"body": recorded}:
            return _bytes(recorded)
    return b"", True


def _bytes(recorded: object) -> tuple[bytes, bool]:
    match recorded:
        case None:
            return b"", True
        case bytes():
            return recorded, True
        case str():
            return recorded.encode("utf-8", "surrogatepass"), True
        case dict() | list():
            return content.compact(recorded), False
    raise Unreadable(f"its body is a {type(recorded).__name__}")


def _from_base64(encoded: str) -> bytes:
    try:
        return b64decode(encoded)
    except binascii.Error as error:
        raise Unreadable(f"its body is not base64: {error}") from error


def _moment(entry: Any) -> float | None:
    """When it was recorded, where the tool says so: a date in any of YAML's dresses."""
    for name in _TIMES:
        match entry.get(name):
            case datetime() as moment:
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            case date() as day:
                return datetime.combine(day, time(), UTC).timestamp()
            case str(text):
                return content.moment(text)
    return None


def _date(headers: list[tuple[str, str]]) -> float | None:
    return next((content.moment(value) for name, value in headers if name == "date"), None)
