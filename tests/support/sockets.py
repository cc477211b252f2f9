"""Loopback sockets that do exactly what a test says."""

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from typing import Any

HOST = "127.0.0.1"


def reserve(port: int = 0) -> socket.socket:
    """A socket that holds a loopback port without listening: connecting is refused, and nobody else gets the port."""
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((HOST, port))
    return reserved


def url_of(bound: socket.socket) -> str:
    """`http://127.0.0.1:PORT` of a bound socket."""
    return f"http://{HOST}:{port_of(bound)}"


def port_of(bound: socket.socket) -> int:
    """The port of a bound socket."""
    return int(bound.getsockname()[1])


def reset(connection: socket.socket) -> None:
    """Close with a RST: the peer gets `ECONNRESET`, not an end of file (`SO_LINGER` on, 0 seconds)."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(connection: socket.socket) -> None:
    """Close both directions at once, which also wakes a thread that is blocked on the socket."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class Server(socketserver.ThreadingTCPServer):
    """Serves a bound socket with one daemon thread per connection, from `start` to `stop`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, bound: socket.socket, handler: type[socketserver.BaseRequestHandler], accepted: Callable[[], int]
    ) -> None:
        """`accepted` is called for each connection, in order, and gives it its number."""
        super().__init__(bound.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.numbers: dict[Any, int] = {}
        """The open connections, each with its number."""
        self._accepted = accepted

    def start(self) -> None:
        """Listen, and accept in a thread."""
        self.server_activate()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close the listening socket, then all open connections."""
        self.shutdown()
        self.server_close()
        for connection in tuple(self.numbers):
            hang_up(connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept and count a connection."""
        connection, address = super().get_request()
        self.numbers[connection] = self._accepted()
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection whose handler has ended."""
        self.numbers.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves ends its handler with an error of the socket, which is no news."""
