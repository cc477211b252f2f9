"""A WebSocket server that echoes, and the few frames that a test needs (RFC 6455)."""

import base64
import hashlib
import os
import socket
import socketserver
from types import TracebackType
from typing import Any, Self, override

from support.sockets import Server, reserve, url_of

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT = 1


class EchoSocket:
    """Inside `with EchoSocket() as server`: every text frame comes back, reversed."""

    def __init__(self) -> None:
        bound = reserve()
        self.url = url_of(bound)
        self.heads: list[bytes] = []
        """The handshakes as they travelled."""
        self._server = _Server(bound, self)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


class _Server(Server):
    def __init__(self, bound: socket.socket, echo: EchoSocket) -> None:
        super().__init__(bound, socketserver.BaseRequestHandler, lambda: 0)
        self._echo = echo

    @override
    def finish_request(self, request: Any, client_address: Any) -> None:
        head = read_head(request)
        self._echo.heads.append(head)
        [key] = [
            line.partition(b":")[2].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        ]
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
        request.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: " + accept + b"\r\n\r\n"
        )
        while (text := read_text(request)) is not None:
            request.sendall(frame(text[::-1], masked=False))


def handshake(target: str, host: str) -> bytes:
    """What a client asks. `target`: path, or URL where it asks a proxy."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {target} HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n"
    ).encode()


def frame(text: bytes, *, masked: bool = True) -> bytes:
    """One text frame of fewer than 126 bytes; a client's is masked."""
    if not masked:
        return bytes((0x80 | TEXT, len(text))) + text
    mask = os.urandom(4)
    return bytes((0x80 | TEXT, 0x80 | len(text))) + mask + bytes(byte ^ mask[k % 4] for k, byte in enumerate(text))


def read_head(connection: socket.socket) -> bytes:
    """Up to the empty line."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(connection, 1)
    return head


def read_text(connection: socket.socket) -> bytes | None:
    """The text of the next frame; `None` if it is another kind of frame, or the peer has left."""
    try:
        first, second = exactly(connection, 2)
        mask = exactly(connection, 4) if second & 0x80 else bytes(4)
        payload = exactly(connection, second & 0x7F)
    except ConnectionError:
        return None
    return bytes(byte ^ mask[k % 4] for k, byte in enumerate(payload)) if first & 0x0F == TEXT else None


def exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes. Raises `ConnectionError` if there are fewer."""
    read = b""
    while len(read) < size:
        piece = connection.recv(size - len(read))
        if not piece:
            raise ConnectionError("the peer has left")
        read += piece
    return read
