"""Interim responses (1xx) of an upstream are passed over: the answer follows (RFC 9110, section 15.2).

mitmproxy's reader of HTTP/1 takes the first response that comes for the answer, and the answer for nobody's. Its reader
of HTTP/2 passes over them by itself. Clients do not get them: they may come at any time, so nobody waits for one.

And the chunks of a body that came in one read go on in one piece. How a server cuts its body means nothing (RFC 9112,
section 7.1), they have arrived at the same moment, and each piece takes the engine as long as a whole read does.

Written against mitmproxy 12.2 (`mitmproxy/proxy/layers/http/_http1.py`); pyproject.toml caps the version.
"""

import re

from h11 import Data, EndOfMessage, ProtocolError
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers import http

INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d\b")
"""But for 101, which is the last response that is HTTP."""

_CHUNK_HEAD = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
"""Without an extension."""


class _AnswerReader(http.Http1Client):
    """What reads HTTP/1 from an upstream."""

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if self.request:
            while INTERIM.match(bytes(self.buf)) and self.buf.maybe_extract_lines():
                pass
        yield from super().read_headers(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if type(self.body_reader) is ChunkedReader:
            self.body_reader = Together()
        yield from super().read_body(event)


class Together(ChunkedReader):
    """Reads the chunks that are there as one."""

    def __init__(self) -> None:
        super().__init__()
        self._next: EndOfMessage | ProtocolError | None = None
        """What follows them: the end, or something that is no chunk."""

    def __call__(self, buf: ReceiveBuffer) -> Data | EndOfMessage | None:
        pieces = self._whole_chunks(buf) if self._is_between else []
        while self._next is None and (found := self._read(buf)):
            pieces.append(found)
        if pieces:
            return Data(data=b"".join(pieces))
        if isinstance(self._next, ProtocolError):
            raise self._next
        return self._next

    @property
    def _is_between(self) -> bool:
        """Whether a chunk begins here."""
        return not (self._bytes_in_chunk or self._bytes_to_discard or self._reading_trailer or self._next)

    def _whole_chunks(self, buf: ReceiveBuffer) -> list[bytes]:
        """Those that are there from head to foot, spelled as they usually are; the rest is for h11."""
        data = bytes(buf)
        pieces: list[bytes] = []
        at = 0
        while head := _CHUNK_HEAD.match(data, at):
            start = head.end()
            end = start + int(head[1], 16)
            if end == start or data[end : end + 2] != b"\r\n":
                break
            pieces.append(data[start:end])
            at = end + 2
        if at:
            buf.maybe_extract_at_most(at)
        return pieces

    def _read(self, buf: ReceiveBuffer) -> bytes:
        """What is there of the next chunk."""
        try:
            found = super().__call__(buf)
        except ProtocolError as error:
            self._next = error
            return b""
        if isinstance(found, EndOfMessage):
            self._next = found
        return bytes(found.data) if isinstance(found, Data) else b""


def pass_over() -> None:
    """From now on, in this process. The engine makes its readers by that name, and has no other way in."""
    http.Http1Client = _AnswerReader  # type: ignore[misc]
