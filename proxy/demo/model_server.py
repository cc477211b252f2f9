"""A model server on this machine: it answers chat completions at the pace of a real one, without a key or a network."""

import http.server
import json
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from chatreel.demo.answers import answer
from chatreel.demo.prose import draw
from chatreel.demo.request import ApiError, ChatRequest, parse
from chatreel.demo.shapes import chunks

FIRST_TOKEN = (0.25, 0.5)
"""Seconds until the first token: the least and the most. Which it is depends on the request."""

RATE = (40, 80)
"""Tokens a second: the least and the most."""


class ModelServer:
    """Serves on a free loopback port inside `with ModelServer() as server`, one thread per connection.

    `pace` scales all waits: 1 is the pace of a real model, 0 does not wait.
    """

    def __init__(self, pace: float = 1.0) -> None:
        """Take a port; requests are answered once the block is entered."""
        self.pace = pace
        self._calls = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """The origin, `http://127.0.0.1:PORT`; a client's base URL is this and `/v1`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def calls(self) -> int:
        """Requests answered or being answered, those with an error included."""
        return self._calls

    def stop(self) -> None:
        """Refuse further connections and abort the answers under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def count(self) -> None:
        """Count a request. Raises `ConnectionAbortedError` if the server was stopped: a connection may outlive it."""
        self.wait(0)
        with self._lock:
            self._calls += 1

    def wait(self, seconds: float) -> None:
        """Wait at the server's pace. Raises `ConnectionAbortedError` if it is stopped meanwhile."""
        if self._stopped.wait(seconds * self.pace):
            raise ConnectionAbortedError("the model server was stopped")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, model: ModelServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name that `HTTPServer` adds: a name server may be slow or absent."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves ends its handler with an error of the socket, which is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer a chat completion, or say what is wrong with the request."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.server.model.count()
        try:
            self._check_head()
            request, whole = _answered(body)
        except ApiError as error:
            self._send(error.status, error.body)
            return
        if request.body.get("stream"):
            self._stream(request, whole)
        else:
            first, token = _times(request)
            self.server.model.wait(first + token * whole["usage"]["completion_tokens"])
            self._send(200, whole)

    def do_GET(self) -> None:
        """Nothing can be read here."""
        self.server.model.count()
        self._send(404, _unknown(self.command, self.path).body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Say nothing: the demo tells its own story."""

    def _check_head(self) -> None:
        if "transfer-encoding" in self.headers:
            self.close_connection = True  # its chunks have not been read
            raise ApiError(411, "The request has no content-length.")
        if self.path.partition("?")[0] != "/v1/chat/completions":
            raise _unknown(self.command, self.path)
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ApiError(401, "No API key was sent; any key will do here.", code="invalid_api_key")

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        encoded = _dumps(body)
        self.send_response_only(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def _stream(self, request: ChatRequest, whole: Mapping[str, Any]) -> None:
        """Send the chunks one by one; the first comes after the time to first token."""
        first, token = _times(request)
        self.server.model.wait(first)
        self.send_response_only(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in _events(request, whole):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            self.server.model.wait(token)
        self.wfile.write(b"0\r\n\r\n")


def _answered(body: bytes) -> tuple[ChatRequest, dict[str, Any]]:
    """The request in `body` and its completion. Raises `ApiError` for whatever cannot be answered."""
    request = parse(body)
    try:
        return request, answer(request, int(time.time()))
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as reason:
        # The checks cover what people get wrong; a member of an odd shape, say tools that are a number, ends up here.
        raise ApiError(400, f"A member of the request has the wrong shape: {reason}.") from reason


def _events(request: ChatRequest, whole: Mapping[str, Any]) -> Iterator[bytes]:
    for chunk in chunks(whole, include_usage=request.include_usage):
        yield b"data: %b\n\n" % _dumps(chunk)
    yield b"data: [DONE]\n\n"


def _times(request: ChatRequest) -> tuple[float, float]:
    """Seconds to the first token and from one token to the next, within bounds and the same for the same request."""
    first = FIRST_TOKEN[0] + (FIRST_TOKEN[1] - FIRST_TOKEN[0]) * draw(f"{request.seed} first", 1000) / 1000
    return first, 1 / (RATE[0] + draw(f"{request.seed} rate", RATE[1] - RATE[0]))


def _unknown(method: str, path: str) -> ApiError:
    return ApiError(404, f"There is nothing at {method} {path}.", code="unknown_url")


def _dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
