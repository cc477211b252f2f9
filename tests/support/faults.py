"""Upstreams that fail, each in one way: raw sockets, since no HTTP server would send what they send.

    with Faulty(Fault.RESET_IN_STREAM) as upstream:
        ...  # talk to upstream.url

Each connection is read up to the end of one request, then the fault happens on it.
"""

import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self, override

from support.replies import dumps, event
from support.sockets import Server, hang_up, reserve, reset, url_of

CONTENT = "Hel"
"""The text that arrives before a stream breaks."""

BODY = dumps({"id": "chatcmpl-x", "object": "chat.completion", "created": 1, "model": "m", "choices": []})


class Fault(StrEnum):
    """What goes wrong."""

    RESET_ON_CONNECT = "reset on connect"
    RESET_BEFORE_HEADERS = "reset before headers"
    CLOSE_BEFORE_HEADERS = "close before headers"
    RESET_IN_HEADERS = "reset in headers"
    RESET_IN_BODY = "reset in body"
    CLOSE_IN_BODY = "close in body"
    """The content-length promises more than is sent."""
    RESET_IN_STREAM = "reset in stream"
    CLOSE_IN_STREAM = "close in stream"
    """The connection ends between two chunks, without the last one."""
    CLOSE_IN_CHUNK = "close in chunk"
    GARBAGE = "garbage"
    """Bytes that are not HTTP."""
    BODY_TOO_LONG = "body too long"
    """More is sent than the content-length says."""
    BAD_LENGTH = "bad content-length"
    TRAILERS = "trailers"
    """A whole JSON body in chunks, and a trailer, which HTTP allows."""
    BAD_CHUNK_SIZE = "bad chunk size"
    STALL_BEFORE_HEADERS = "stall before headers"
    STALL_IN_BODY = "stall in body"
    STALL_IN_STREAM = "stall in stream"


class End(StrEnum):
    """How a connection ends after what was sent."""

    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"
    """Not before the upstream is stopped, or the client leaves."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a fault puts on the wire."""

    sends: bytes
    end: End


def chunk(payload: bytes) -> bytes:
    """`payload` as one HTTP chunk (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _delta(delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    frame = {"id": "chatcmpl-x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return chunk(event(frame))


def _json(length: object, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n".encode() + body


STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + _delta({"role": "assistant", "content": ""})
    + _delta({"content": CONTENT})
)
HALF = _json(len(BODY), BODY[: len(BODY) // 2])

SCRIPTS = {
    Fault.RESET_ON_CONNECT: Script(b"", End.RESET),
    Fault.RESET_BEFORE_HEADERS: Script(b"", End.RESET),
    Fault.CLOSE_BEFORE_HEADERS: Script(b"", End.CLOSE),
    Fault.RESET_IN_HEADERS: Script(b"HTTP/1.1 200 OK\r\ncontent-ty", End.RESET),
    Fault.RESET_IN_BODY: Script(HALF, End.RESET),
    Fault.CLOSE_IN_BODY: Script(HALF, End.CLOSE),
    Fault.RESET_IN_STREAM: Script(STREAM, End.RESET),
    Fault.CLOSE_IN_STREAM: Script(STREAM, End.CLOSE),
    Fault.CLOSE_IN_CHUNK: Script(STREAM + _delta({"content": "lo"})[:20], End.CLOSE),
    Fault.GARBAGE: Script(b"\x15\x03\x01\x00\x02\x02\x50 this is no HTTP\r\n\r\n", End.CLOSE),
    Fault.BODY_TOO_LONG: Script(_json(len(BODY), BODY + b'{"more": true}'), End.CLOSE),
    Fault.BAD_LENGTH: Script(_json("many", BODY), End.CLOSE),
    Fault.TRAILERS: Script(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        + chunk(BODY)
        + b"0\r\nx-checked: yes\r\n\r\n",
        End.STALL,
    ),
    Fault.BAD_CHUNK_SIZE: Script(STREAM + b"xyz\r\ndata: {}\n\n\r\n", End.CLOSE),
    Fault.STALL_BEFORE_HEADERS: Script(b"", End.STALL),
    Fault.STALL_IN_BODY: Script(HALF, End.STALL),
    Fault.STALL_IN_STREAM: Script(STREAM, End.STALL),
}


class Faulty:
    """An upstream that fails on every connection, inside `with Faulty(fault) as upstream`."""

    def __init__(self, fault: Fault) -> None:
        """Reserve a port; nobody listens before the block is entered."""
        self.fault = fault
        self.connections = 0
        """TCP connections accepted so far."""
        self.requests: list[bytes] = []
        """The requests read, head and body as they travelled."""
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        bound = reserve()
        self.url = url_of(bound)
        self._server = _Server(bound, self)

    def __enter__(self) -> Self:
        """Start listening."""
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """End what stalls, close all connections, refuse new ones."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._server.stop()

    def wait_for_requests(self, count: int, timeout: float = 30.0) -> None:
        """Return once `count` requests have been read. Raises `TimeoutError` after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"Waited {timeout} s for {count} requests; got {len(self.requests)}.")

    def connected(self) -> int:
        """Count a TCP connection."""
        self.connections += 1
        return self.connections

    def fail(self, connection: socket.socket) -> None:
        """Read one request from `connection`, send what the fault's script says, and end it."""
        script = SCRIPTS[self.fault]
        if self.fault is not Fault.RESET_ON_CONNECT:
            self._keep(_read_request(connection))
        connection.sendall(script.sends)
        match script.end:
            case End.RESET:
                # What was sent is in the peer's buffer already, this being loopback; the RST does not take it back.
                reset(connection)
            case End.CLOSE:
                hang_up(connection)
            case End.STALL:
                connection.recv(1)  # returns when the client leaves, or `stop` hangs up

    def _keep(self, request: bytes) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """The URL of a port that refuses connections for the whole block, since it is held without anyone listening."""
    held = reserve()
    try:
        yield url_of(held)
    finally:
        held.close()


class _Server(Server):
    def __init__(self, bound: socket.socket, upstream: Faulty) -> None:
        super().__init__(bound, socketserver.BaseRequestHandler, upstream.connected)
        self._upstream = upstream

    @override
    def finish_request(self, request: Any, client_address: Any) -> None:
        self._upstream.fail(request)


def _read_request(connection: socket.socket) -> bytes:
    """One request with a content-length, or without a body. Raises `ConnectionError` if the client leaves too early."""
    read = b""
    while (end := read.find(b"\r\n\r\n")) < 0:
        read += _received(connection)
    length = re.search(rb"\r\ncontent-length: *(\d+)", read[:end], re.IGNORECASE)
    total = end + 4 + int(length[1] if length else 0)
    while len(read) < total:
        read += _received(connection)
    return read


def _received(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("the client left before the end of its request")
    return piece
