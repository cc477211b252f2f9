"""Starts one aimock for the run, as its documentation has it: a server, and a base URL that points at it."""

import os
import socket
import subprocess
import time
import urllib.request

import pytest

FLAGS = "AIMOCK_FLAGS"
STARTED: list["subprocess.Popen[bytes]"] = []


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # a worker of xdist inherits the URL
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", os.environ["AIMOCK_CLI"], "--port", str(port), "--log-level", "silent"]
    STARTED.append(subprocess.Popen([*command, *os.environ[FLAGS].split()]))  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    for _ in range(400):
        try:
            urllib.request.urlopen(f"{url}/health").close()  # noqa: S310
            break
        except OSError:
            time.sleep(0.025)
    os.environ["OPENAI_BASE_URL"] = f"{url}/v1"


def pytest_unconfigure() -> None:
    for server in STARTED:
        server.terminate()
        server.wait()
