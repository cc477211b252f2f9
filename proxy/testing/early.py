"""Clients that are made while modules are imported, before a test runs and before there is a proxy.

Its port is chosen when the run begins and kept from others; the environment names it from then on, to the end of the
run. In each process of a run all tests are reached by one name, so that such a client finds the test that runs.
"""

import re
import socket
import sys
from collections.abc import Mapping
from typing import Self

from chatreel import clients
from chatreel.model import Mode

ALONE = "main"
"""The name of the process that runs the tests, where there is one."""

_OURS = re.compile(rf"(http://{re.escape(clients.LOOPBACK)}:(\d+)/_chatreel/s/){ALONE}/v1")


class EarlyAddress:
    """Where the proxy of this run is going to be; its port is kept from others to the end of a `with` block."""

    def __init__(self, environ: Mapping[str, str], *, replays: bool) -> None:
        """`replays`: clients that insist on a key get one that is made up."""
        self.upstream = clients.configured_upstream(environ)
        """The API that clients are pointed at; empty if none, and in the workers of xdist, which are told."""
        self._reserved: socket.socket | None = None
        worker = environ.get("PYTEST_XDIST_WORKER", "")
        inherited = _OURS.fullmatch(environ.get(clients.BASE_URL_VARIABLE, "")) if worker else None
        if inherited:
            base_url = f"{inherited[1]}{worker}/v1"
            self.port = int(inherited[2])
        else:
            self._reserved, self.port = _reserve()
            base_url = f"http://{clients.LOOPBACK}:{self.port}/_chatreel/s/{ALONE}/v1"
        self.variables = clients.client_variables(base_url, Mode.REPLAY if replays else Mode.RECORD, environ)
        """Of the environment, by which clients find it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reserved:
            self._reserved.close()


def _reserve() -> tuple[socket.socket, int]:
    """A port that nobody else is given. The proxy can listen on it all the same, as nobody listens there yet."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((clients.LOOPBACK, 0))
    port = int(reserved.getsockname()[1])
    if sys.platform != "linux":
        reserved.close()  # elsewhere two sockets cannot have one port: it is only likely to be free later
    return reserved, port
