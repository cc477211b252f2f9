"""One proxy for all processes of a test run: started by the one that needs it first, found by the others.

They meet in a folder of the run, where a lock says whose turn it is. The proxy watches the process that leads the run
and ends with it, however that ends.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chatreel.errors import ServeError

START_LIMIT = 120.0
"""Seconds until a proxy that says nothing counts as not started: a loaded machine imports slowly."""
STOP_LIMIT = 20.0

MISSING = (
    "the proxy is not installed. Install it beside pytest: pip install 'chatreel[proxy]'; or where it cannot get in "
    "the way of other packages: uv tool install 'chatreel[proxy]', which puts a `chatreel` on PATH"
)


@dataclass(frozen=True, slots=True)
class Run:
    """A test run, as all of its processes know it."""

    folder: Path
    """Private to the run; exists."""
    leader: int
    """Process id of the one that the others work for."""
    root: Path
    """Where chatreel.toml is looked for."""
    upstreams: tuple[str, ...]
    """As for `serve --upstream`; empty: as configured for chatreel."""
    fallback: str
    """The API clients are pointed at, for when nothing is configured; may be empty."""
    port: int = 0
    """Where the proxy has to listen; 0: anywhere."""
    budget: float | None = None
    """US dollars that it may spend upstream."""


@dataclass(frozen=True, slots=True)
class Address:
    """A proxy that runs."""

    origin: str
    pid: int


def claim(folder: Path, cassette: Path) -> bool:
    """Whether nobody in this run has claimed the cassette yet: of tests that share one, only the first empties it."""
    try:
        (folder / f"rewritten-{sha256(str(cassette).encode()).hexdigest()}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def join(run: Run) -> Address:
    """The proxy of the run, started if this process is the first to ask. Raises `ServeError`, to all the same one."""
    ready, failed = run.folder / "ready.json", run.folder / "failed.txt"
    with _locked(run.folder / "lock"):
        if failed.exists():
            raise ServeError(failed.read_text(encoding="utf-8"))
        if not ready.exists():
            try:
                _start(run, ready)
            except ServeError as error:
                failed.write_text(str(error), encoding="utf-8")
                raise
        document: dict[str, Any] = json.loads(ready.read_bytes())
    return Address(str(document["base_url"]).removesuffix("/v1"), int(document["pid"]))


def stop(address: Address) -> None:
    """End the proxy, and wait until it is gone. Does nothing if it is gone already."""
    if not _listens(address.origin):
        return  # nor may the process id be its own any more
    with contextlib.suppress(ProcessLookupError):
        os.kill(address.pid, signal.SIGTERM)
    if process := _children.pop(address.pid, None):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT)
    else:
        _await_end(address)


def command() -> list[str]:
    """How to run chatreel with its engine. Raises `ServeError` if there is no way."""
    if find_spec("mitmproxy"):
        return [sys.executable, "-P", "-m", "chatreel"]  # -P: the modules of the project are not those of the proxy
    own = Path(sys.executable).parent  # has a `chatreel` that lacks the engine as well
    elsewhere = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder and Path(folder) != own]
    if program := shutil.which("chatreel", path=os.pathsep.join(elsewhere)):
        return [program]
    raise ServeError(MISSING)


_children: dict[int, "subprocess.Popen[bytes]"] = {}


def _start(run: Run, ready: Path) -> None:
    upstreams = [word for upstream in run.upstreams for word in ("--upstream", upstream)]
    fallback = ["--fallback-upstream", run.fallback] if run.fallback else []
    store, parent = str(run.folder / "calls.db"), str(run.leader)
    flags = ["--mode", "replay", "--workers", "1", "--port", str(run.port), "--store", store]
    if run.budget is not None:
        flags += ["--budget", f"{run.budget}/run"]
    flags += ["--ready-file", str(ready), "--parent", parent]
    log = run.folder / "serve.log"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*command(), "serve", *flags, *upstreams, *fallback],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=run.root,
            start_new_session=True,  # Ctrl-C is for the tests, which still have to tell the proxy that they end
        )
    deadline = time.monotonic() + START_LIMIT
    while not ready.exists():
        if process.poll() is not None:
            text = log.read_text(encoding="utf-8", errors="replace").strip()
            raise ServeError(f"the proxy ended with exit code {process.returncode} before it was ready:\n{text}")
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise ServeError(f"the proxy was not ready after {START_LIMIT:.0f} s; what it said is in {log}")
        time.sleep(0.01)
    _children[process.pid] = process


def forget_children() -> None:
    """This process ends, and the proxy it has started goes on: it is the leader's to stop."""
    for process in _children.values():
        process.returncode = 0  # else Python warns of a child that still runs
    _children.clear()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _await_end(address: Address) -> None:
    """Wait for a process that is not a child of this one: one that a worker has started."""
    try:
        descriptor = os.pidfd_open(address.pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux: the port is closed shortly before the process ends
        deadline = time.monotonic() + STOP_LIMIT
        while _listens(address.origin) and time.monotonic() < deadline:
            time.sleep(0.01)
        return
    try:
        select.select([descriptor], [], [], STOP_LIMIT)
    finally:
        os.close(descriptor)


def _listens(origin: str) -> bool:
    parts = urlsplit(origin)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1).close()
    except OSError:
        return False
    return True
