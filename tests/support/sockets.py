"""Loopback sockets that do exactly what a test says."""

import contextlib
import socket
import struct

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
