"""Answers on their way to a client over HTTP/1, written without a layer around the writer."""

from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

from mitmproxy import http
from mitmproxy.net.http.http1 import assemble_response, assemble_response_head, connection_close

from chatreel.engine.upstream_line import UpstreamLine
from chatreel.upstreams import Upstream


class Client(Protocol):
    """Whoever waits for an answer."""

    def write(self, data: bytes) -> None: ...

    def alive(self) -> None:
        """Something is happening: it is not to be taken for idle."""

    def done(self, *, close: bool) -> None:
        """The call is over. `close`: and so is the connection."""

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that takes a while."""

    async def line_to(self, upstream: Upstream) -> UpstreamLine:
        """A connection to an upstream that serves nobody else meanwhile. Raises `OSError`."""


class AnswerWriter:
    """One answer: all at once, or its head, its body in pieces, and its end."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._is_chunked = False
        self._keeps_open = False
        self.begun = False
        """Whether the client has got anything of it."""

    def whole(self, response: http.Response) -> None:
        """All of it."""
        self.begun = True
        self._client.write(assemble_response(response))
        self._client.done(close=not _keeps_open(response))

    def head(self, response: http.Response) -> None:
        self.begun = True
        self._is_chunked, self._keeps_open = _is_chunked(response), _keeps_open(response)
        self._client.write(assemble_response_head(response))

    def body(self, chunks: bytes | Iterable[bytes]) -> None:
        """A part of the body, or several."""
        for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
            if chunk:
                self._client.write(_chunk(chunk) if self._is_chunked else chunk)

    def end(self, rest: bytes = b"") -> None:
        """`rest`: the last part of the body."""
        last = _chunk(rest) if rest and self._is_chunked else rest
        self._client.write(last + b"0\r\n\r\n" if self._is_chunked else last)
        self._client.done(close=not self._keeps_open)

    def break_off(self) -> None:
        """There will be no end."""
        self._client.done(close=True)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _is_chunked(response: http.Response) -> bool:
    return "chunked" in response.headers.get("transfer-encoding", "").lower()


def _keeps_open(response: http.Response) -> bool:
    """Whether a client knows where this ends, and that another answer may follow."""
    told = _is_chunked(response) or "content-length" in response.headers or response.status_code in (204, 304)
    return told and not connection_close(response.http_version, response.headers)
