"""Reads recordings of other tools in the dialects that are out there (quirks V1-V18), and never runs what they say.

Read: VCR.py with all its body and header shapes, its old httpx stub, pydantic-ai's `parsed_body`, Ruby VCR, go-vcr, and
files with a single interaction. Everything else is refused with a reason.
"""

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit, urlunsplit

import yaml

GZIP = b"\x1f\x8b"
TRANSFER_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})
PLACEHOLDER = re.compile(r"<([A-Za-z0-9_. -]+)>")
TAG = "tag:yaml.org,2002:"


class Unreadable(ValueError):  # noqa: N818 - a property of the file, not a fault of the reader
    """A file that is no recording this module knows; the message says where it fails and why."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One recorded exchange. Bodies are bytes as they were before any content coding."""

    method: str
    """Upper case."""
    url: str
    """Absolute. A scrubbed origin `<API_BASE>` reads `https://api-base.invalid`."""
    request_body: bytes
    status: int
    headers: dict[str, list[str]]
    """Of the response; lower-case names, none that describes a coding the body no longer has."""
    body: bytes

    @property
    def path(self) -> str:
        """The path of the URL, repeated slashes at its start collapsed."""
        return urlsplit(self.url).path

    @property
    def query(self) -> str:
        """The query of the URL, without the question mark."""
        return urlsplit(self.url).query


def load(path: Path) -> list[Interaction]:
    """All interactions of a file in recorded order, repeats included (V10). Raises `Unreadable`."""
    try:
        return [_interaction(entry) for entry in _entries(_parse(path))]
    except Unreadable as reason:
        raise Unreadable(f"{path.name}: {reason}") from reason


def chat_interactions(path: Path) -> list[Interaction]:
    """The interactions of a file that are chat completions (V9). Raises `Unreadable`."""
    return [found for found in load(path) if "/chat/completions" in found.path]


def _parse(path: Path) -> object:
    raw = path.read_bytes()
    if raw.startswith(b"httprr trace"):
        raise Unreadable("an httprr trace, which is raw HTTP and not VCR")
    try:
        if path.suffix == ".json":
            return json.loads(raw)
        # A loader derived from SafeLoader: it builds plain values only.
        return yaml.load(raw, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError, json.JSONDecodeError) as reason:
        raise Unreadable(f"does not parse: {reason}") from reason


def _entries(document: object) -> list[Any]:
    """The list of interactions, whatever the tool calls it (V16, V17)."""
    if not isinstance(document, Mapping):
        raise Unreadable("no recording: the document is not a mapping")
    for name in ("interactions", "http_interactions"):
        if name in document:
            entries = document[name]
            if not isinstance(entries, list):
                raise Unreadable(f"`{name}` is not a list")
            return entries
    if "request" in document and "response" in document:
        return [document]
    raise Unreadable("no recording: neither `interactions` nor `request` and `response`")


def _interaction(entry: Any) -> Interaction:
    request, response = _part(entry, "request"), _part(entry, "response")
    headers = _headers(response.get("headers"))
    coding = ", ".join(headers.get("content-encoding", ()))
    return Interaction(
        method=str(request.get("method", "")).upper(),
        url=_url(request),
        request_body=_decoded(_body(request), ""),
        status=_status(response),
        headers={name: values for name, values in headers.items() if name not in TRANSFER_HEADERS},
        body=_decoded(_body(response), coding),
    )


def _part(entry: Any, name: str) -> Mapping[str, Any]:
    part = entry.get(name) if isinstance(entry, Mapping) else None
    if not isinstance(part, Mapping):
        raise Unreadable(f"an interaction without a {name}")
    return part


def _url(request: Mapping[str, Any]) -> str:
    """The URL without fragment, with scrubbed parts made readable (V8)."""
    recorded = request.get("uri", request.get("url"))
    if not isinstance(recorded, str):
        raise Unreadable("a request without `uri`")
    named = PLACEHOLDER.sub(lambda found: re.sub(r"[^a-z0-9]+", "-", found[1].lower()) + ".invalid", recorded)
    if "://" not in named:
        named = f"https://{named.lstrip('/')}"
    parts = urlsplit(urldefrag(named).url)
    return urlunsplit(parts._replace(path=re.sub(r"^/+", "/", parts.path)))


def _status(response: Mapping[str, Any]) -> int:
    """From `status: {code}` (V15), the old stub's `status_code` (V4) or go-vcr's `code` (V17)."""
    status = response.get("status")
    candidates = [status.get("code") if isinstance(status, Mapping) else None, response.get("status_code")]
    for code in [*candidates, response.get("code"), status]:
        if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()):
            return int(code)
    raise Unreadable("a response without a status code")


def _headers(recorded: object) -> dict[str, list[str]]:
    """Values as lists, names in lower case, spellings of one name together (V5-V7)."""
    if recorded is None:
        return {}
    if not isinstance(recorded, Mapping):
        raise Unreadable("headers that are not a mapping")
    headers: dict[str, list[str]] = {}
    for name, value in recorded.items():
        values = value if isinstance(value, list) else [value]
        headers.setdefault(str(name).lower(), []).extend(_text(each) for each in values)
    return headers


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(holder: Mapping[str, Any]) -> bytes:
    """The body of a request or a response as recorded (V1, V3, V4, V11, V12, V17)."""
    match holder:
        case {"parsed_body": parsed} if not holder.get("body"):
            return _dumps(parsed)
        case {"body": {"base64_string": str(encoded)}}:
            return _from_base64(encoded)
        case {"body": {"string": text}}:
            return _bytes(text)
        case {"body": recorded} | {"content": recorded}:
            return _bytes(recorded)
    return b""


def _bytes(recorded: object) -> bytes:
    match recorded:
        case None:
            return b""
        case bytes():
            return recorded
        case str():
            return recorded.encode("utf-8", "surrogatepass")
        case dict() | list():
            return _dumps(recorded)
    raise Unreadable(f"a body of type {type(recorded).__name__}")


def _dumps(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except TypeError as reason:
        raise Unreadable(f"a body that JSON cannot say: {reason}") from reason


def _from_base64(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except binascii.Error as reason:
        raise Unreadable(f"a body that is not base64: {reason}") from reason


def _decoded(body: bytes, coding: str) -> bytes:
    """`body` without its content coding: gzip by its magic number, since headers are often wrong about it (V1, V2)."""
    if body.startswith(GZIP):
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as reason:
            raise Unreadable(f"a damaged gzip body: {reason}") from reason
    if coding.lower() not in {"", "gzip", "identity"} and not _is_text(body):
        raise Unreadable(f"a body with content-encoding {coding}")
    return body


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _istr(loader: Any, suffix: str, node: yaml.Node) -> str:
    """The text of a `multidict.istr`, a header name that aiohttp's recordings hold as a Python object (V5)."""
    if suffix.rpartition(".")[2] != "istr":
        raise yaml.constructor.ConstructorError(None, None, f"refuses the Python object {suffix!r}", node.start_mark)
    if isinstance(node, yaml.MappingNode):
        built = loader.construct_mapping(node, deep=True).get("args")
    else:
        built = loader.construct_sequence(node, deep=True)
    match built:
        case [str(text), *_]:
            return text
    raise yaml.constructor.ConstructorError(None, None, "a header name without its text", node.start_mark)


def _loader() -> Any:
    """A safe loader, the C one where PyYAML has it (some ten times as fast), that knows the tags of recordings."""
    loader: Any = type("RecordingLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.add_multi_constructor(f"{TAG}python/object/apply:multidict.", _istr)
    loader.add_multi_constructor(f"{TAG}python/object/new:multidict.", _istr)
    loader.add_constructor("!binary", yaml.SafeLoader.construct_yaml_binary)  # Ruby writes one exclamation mark (V17)
    loader.add_constructor(f"{TAG}python/unicode", yaml.SafeLoader.construct_yaml_str)
    return loader


_LOADER = _loader()
