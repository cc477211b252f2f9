"""Answers of upstreams over HTTP/1, read without a layer around the reader: the same readers that the engine has."""

import time
from collections.abc import Iterator

from h11 import Data, EndOfMessage
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.net.http.http1.read import _read_headers, _read_response_line
from mitmproxy.proxy.layers.http._http1 import TBodyReader, make_body_reader

from chatreel.engine.heads import MAX_HEAD
from chatreel.engine.interim import INTERIM, Together

_REQUEST = http.Request.make("POST", "http://upstream/")
"""What all of them answer, as far as it matters to their length."""


class _ResponseData(http.ResponseData):
    """The engine's looks through the types of all that is in it, which takes four times as long as to read it."""

    def __post_init__(self) -> None:
        pass


class AnswerReader:
    """One answer: bytes in, head and body out."""

    def __init__(self) -> None:
        self._buffer = ReceiveBuffer()
        self._body: TBodyReader | None = None
        self._until_closed = False
        self.ended = False
        """Whether all of the body has been read."""
        self.reusable = False
        """Whether the connection can take another request, once all has been read."""

    def receive(self, data: bytes) -> None:
        self._buffer += data

    @property
    def rest(self) -> bytes:
        """What has come and is not read."""
        return bytes(self._buffer)

    def head(self) -> http.Response | None:
        """The head of the answer, interim ones passed over; `None` if it is not there yet. Raises `ValueError`."""
        while INTERIM.match(self.rest) and self._buffer.maybe_extract_lines():
            pass
        lines = self._buffer.maybe_extract_lines()
        if not lines:
            if len(self._buffer) > MAX_HEAD:
                raise ValueError("its head does not end")
            return None
        response = _response([bytes(line) for line in lines])
        if response.status_code < 200:
            raise ValueError(f"nobody asked for status {response.status_code}")
        size = http1.expected_http_body_size(_REQUEST, response)
        self._body = Together() if size is None else make_body_reader(size)
        self._until_closed = size == -1
        self.reusable = not self._until_closed and not http1.connection_close(response.http_version, response.headers)
        return response

    def body(self) -> Iterator[bytes]:
        """What is there of the body. Raises `ProtocolError`."""
        while self._body and not self.ended and (found := self._body(self._buffer)) is not None:
            yield from self._read(found)

    def close(self) -> None:
        """The connection is closed: whether that is the end of the body shows in `ended`. Raises `ProtocolError`."""
        if self._body and not self.ended:
            [*_] = self._read(self._body.read_eof())

    def _read(self, found: Data | EndOfMessage) -> Iterator[bytes]:
        if isinstance(found, Data):
            if found.data:
                yield bytes(found.data)
        else:
            self.ended = True
            self.reusable = self.reusable and not found.headers and not self._buffer  # trailers: as the engine has it


def _response(lines: list[bytes]) -> http.Response:
    """As `http1.read_response_head` has it. Raises `ValueError`."""
    version, status, reason = _read_response_line(lines[0])
    response = http.Response.__new__(http.Response)
    response.data = _ResponseData(
        http_version=version,
        status_code=status,
        reason=reason,
        headers=_read_headers(lines[1:]),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )
    return response
