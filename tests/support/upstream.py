"""A scripted upstream on a real socket: HTTP/1.1 with keep-alive, one daemon thread per connection.

It answers what a test told it to, and by default an `echo` of the request. It keeps every call and counts every TCP
connection, so that "this never reached the network" is a number.
"""

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from email.message import Message
from io import BufferedIOBase
from types import TracebackType
from typing import Any, Self

from support.replies import PATIENCE, Gate, Reply, Request, answer_to, completion, echo, error, stream, wait_at
from support.sockets import Server, port_of, reserve, reset, url_of

__all__ = ["Gate", "Reply", "Request", "Upstream", "answer_to", "completion", "echo", "error", "stream"]

BODILESS = frozenset({204, 304})


class Upstream:
    """A server on a free loopback port, from `with Upstream() as upstream` to the end of the block.

    `reply_with` and `reply_by` say what to answer and may be called at any time; each replaces the other. What a script
    raises is raised again at the end of the block.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Reserve a port; nobody listens before the block is entered. With `tls` it speaks HTTPS."""
        self.calls: list[Request] = []
        """Every request that arrived whole, in order."""
        self.connections = 0
        """TCP connections accepted so far, restarts included."""
        self.finished = 0
        """Replies that went out to their last byte."""
        self.mistakes: list[Exception] = []
        """What scripts and gates raised."""
        self._decide: Callable[[Request], Reply] = echo
        self._changed = threading.Condition()
        self._reserved = reserve()
        self._port = port_of(self._reserved)
        self._server: _Server | None = None
        self.tls = tls
        self.url = url_of(self._reserved) if tls is None else url_of(self._reserved).replace("http:", "https:")
        """`http://127.0.0.1:PORT`, the same after a restart."""

    def __enter__(self) -> Self:
        """Start listening."""
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and give the port back. Raises the first mistake of a script, unless the block itself has raised."""
        self.stop()
        self._reserved.close()
        if self.mistakes and raised is None:
            raise self.mistakes[0]

    def reply_with(self, *replies: Reply) -> None:
        """Answer with `replies` in turn; the last one repeats."""
        if not replies:
            raise ValueError("give at least one reply")
        waiting = list(replies)

        def next_reply(_request: Request) -> Reply:
            with self._changed:
                return waiting.pop(0) if len(waiting) > 1 else waiting[0]

        self._decide = next_reply

    def reply_by(self, decide: Callable[[Request], Reply]) -> None:
        """Answer each request with what `decide` makes of it; it is called in the thread of the connection."""
        self._decide = decide

    def wait_for_calls(self, count: int, timeout: float = PATIENCE) -> None:
        """Return once `count` calls have arrived. Raises `TimeoutError` after `timeout` seconds."""
        self._wait(lambda: len(self.calls) >= count, f"{count} calls", timeout)

    def wait_for_finished(self, count: int, timeout: float = PATIENCE) -> None:
        """Return once `count` replies have gone out whole. Raises `TimeoutError` after `timeout` seconds."""
        self._wait(lambda: self.finished >= count, f"{count} finished replies", timeout)

    def stop(self) -> None:
        """Refuse further connections and close the open ones. The port stays reserved for `restart`."""
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        self._reserved = reserve(self._port)

    def restart(self) -> None:
        """Listen again on the same port. Does nothing while listening."""
        if self._server is None:
            self._server = _Server(self._reserved, self)
            self._server.start()

    def connected(self) -> int:
        """Count a TCP connection; its number."""
        with self._changed:
            self.connections += 1
            return self.connections

    def arrived(self, request: Request) -> Reply:
        """Keep `request` and say what to answer."""
        with self._changed:
            self.calls.append(request)
            self._changed.notify_all()
        try:
            return self._decide(request)
        except Exception as mistake:
            self.mistakes.append(mistake)
            return error(500, f"The script of the test raised {mistake!r}.")

    def sent(self) -> None:
        """Count a reply that went out whole."""
        with self._changed:
            self.finished += 1
            self._changed.notify_all()

    def _wait(self, reached: Callable[[], bool], what: str, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(reached, timeout):
                raise TimeoutError(f"Waited {timeout} s for {what}; got {len(self.calls)} and {self.finished}.")


class _Server(Server):
    """Brings the handlers and their upstream together."""

    def __init__(self, bound: socket.socket, upstream: Upstream) -> None:
        super().__init__(bound, _Handler, upstream.connected)
        self.upstream = upstream
        self.cut: set[Any] = set()
        """The connections that end with a reset."""

    def get_request(self) -> tuple[socket.socket, Any]:
        """The handshake is left to the thread of the connection."""
        connection, address = super().get_request()
        if self.upstream.tls:
            number = self.numbers.pop(connection)
            connection = self.upstream.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self.numbers[connection] = number
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection whose handler has ended; a cut one without the FIN that would precede the RST."""
        if request in self.cut:
            self.cut.discard(request)
            reset(request)
        super().shutdown_request(request)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        """Read one request and send what the script says. Raises `OSError` if the client leaves in between."""
        body = _read_body(self.rfile, self.headers)
        reply = self.server.upstream.arrived(self._request(body))
        for status in reply.interim:
            self.send_response_only(status)
            self.send_header("link", "</style.css>; rel=preload")
            self.end_headers()
        self._wait_at(reply.hold)
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.pieces is None:
            self._send_body(reply)
        else:
            self._send_pieces(reply, reply.pieces)
        if not reply.cut:
            self.server.upstream.sent()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Say nothing: the calls are kept."""

    def _request(self, body: bytes) -> Request:
        # `self.path` has lost repeated slashes at its start; the request line has the target as it travelled.
        path, _, query = self.requestline.split()[1].partition("?")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        return Request(self.command, path, query, headers, body, self.server.numbers.get(self.connection, 0))

    def _send_body(self, reply: Reply) -> None:
        bodiless = reply.status in BODILESS
        if not bodiless and "content-length" not in {name.lower() for name in reply.headers}:
            self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(reply.body)

    def _send_pieces(self, reply: Reply, pieces: Sequence[bytes]) -> None:
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        gates = [*reply.gates, *[None] * (len(pieces) + 1 - len(reply.gates))]
        for k, piece in enumerate(pieces):
            if k:
                time.sleep(reply.gap)
            self._wait_at(gates[k])
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self._wait_at(gates[len(pieces)])
        if reply.cut:
            self.close_connection = True
            self.server.cut.add(self.connection)
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _wait_at(self, gate: Gate | None) -> None:
        """Wait at `gate`; one that fails ends the connection and is a mistake of the test."""
        try:
            wait_at(gate)
        except Exception as mistake:
            self.server.upstream.mistakes.append(mistake)
            raise ConnectionAbortedError("a gate of the script failed") from mistake


def _read_body(stream: BufferedIOBase, headers: Message) -> bytes:
    """The body of a request after transfer decoding (RFC 9112, 6). Raises `ConnectionError` if it is cut short."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return _read_exactly(stream, int(headers.get("content-length", "0")))
    body = b""
    while size := int(stream.readline().partition(b";")[0] or b"0", 16):
        body += _read_exactly(stream, size)
        stream.readline()
    while stream.readline().strip():
        pass
    return body


def _read_exactly(stream: BufferedIOBase, size: int) -> bytes:
    read = stream.read(size)
    if len(read) < size:
        raise ConnectionError(f"the request ends after {len(read)} of {size} bytes")
    return read
