"""Whether a port can be had: asked before anything heavy is loaded."""

import socket
from typing import Final

from chatreel.errors import ServeError

HOST: Final = "127.0.0.1"


def require_port(port: int) -> None:
    """Raises `ServeError` if nothing could listen there. 0: any free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServeError(
                f"port {port} on {HOST} cannot be had: {error.strerror}. Give another one with --port; 0 takes any."
            ) from error
