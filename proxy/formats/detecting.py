"""Which tool wrote a file, by its first bytes."""

import re
from collections.abc import Callable
from typing import Final

import orjson

from chatreel.formats import aimock, har, vcr
from chatreel.formats.foreign import Found, Unreadable
from chatreel.formats.names import Format

_FLOW: Final = re.compile(rb"\d{1,12}:")
"""A flow file is a sequence of tnetstrings, which begin with their length."""

_SSE: Final = re.compile(rb"\s*(?:data|event|id|retry):")
_CHUNK: Final = b'"chat.completion.chunk"'
_NO_REQUEST: Final = "there is no request in it that it could answer"


READERS: Final[dict[Format, Callable[[bytes], list[Found]]]] = {
    Format.VCR: vcr.read,
    Format.HAR: har.read,
    Format.AIMOCK: aimock.read,
}
"""Of the formats that are read here: cassettes of chatreel have a reader of their own, flow files need mitmproxy."""

_BY_MEMBER: Final = {
    "chatreel_cassette": Format.CHATREEL,
    "log": Format.HAR,
    "fixtures": Format.AIMOCK,
    "interactions": Format.VCR,
    "http_interactions": Format.VCR,
    "request": Format.VCR,
}


def detect(data: bytes) -> Format:
    """The format of a file. Raises `Unreadable` if it is none that can be imported."""
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise Unreadable("the file is empty")
    if text.startswith(b"httprr trace"):
        raise Unreadable("an httprr trace is raw HTTP of Go's tests, which is not read here")
    if _SSE.match(text):
        raise Unreadable(f"this is a stream alone: {_NO_REQUEST}")
    if text.startswith(b"{"):
        return _of_json(text)
    return Format.MITMPROXY if _FLOW.match(text) else Format.VCR


def _of_json(text: bytes) -> Format:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        if b'"chatreel_cassette"' in text[:200]:
            return Format.CHATREEL  # its reader says what is wrong
        if _CHUNK in text:
            raise Unreadable(f"these are chunks of a stream alone: {_NO_REQUEST}") from None
        raise Unreadable("this is JSON that does not parse, or YAML that begins like it") from None
    members = document if isinstance(document, dict) else {}
    found = next((format_ for name, format_ in _BY_MEMBER.items() if name in members), None)
    if found is None and "choices" in members:
        raise Unreadable(f"this is a response alone: {_NO_REQUEST}")
    if found is None:
        raise Unreadable("this is JSON, but of no tool that is known here")
    return found
