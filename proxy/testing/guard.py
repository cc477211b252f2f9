"""Calls that go around the proxy: noticed when a host name is looked up or a connection is opened, by whatever code.

Python's audit events are raised by the interpreter itself, so nothing is patched, and it does not matter whether a
client is synchronous, asynchronous or in a thread of its own. An audit hook stays for the life of the process: it is
added when the first test needs it, and does nothing while no test is watched. Child processes are not watched.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from chatreel.errors import ChatreelError
from chatreel.providers import HostList

_LOOKED_UP = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_CONNECTED = "socket.connect"


class BlockedHost(ChatreelError, ConnectionError):  # noqa: N818 - says what happened
    """A test called a model API behind the proxy's back. Clients take it for a network that is not there."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """One call that went around the proxy, or would have."""

    host: str
    provider: str
    blocked: bool
    test: str
    """Its node id."""
    caller: str
    """`file.py:12`, the nearest code of the project's own; empty where a thread or an event loop has lost it."""

    def __str__(self) -> str:
        who = f"{self.host} ({self.provider})" if self.provider else self.host
        where = f", called from {self.caller}" if self.caller else ""
        what = "was blocked" if self.blocked else "went around the proxy and is not recorded"
        return f"a call to {who} {what}{where}"


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched during one test."""

    test: str
    blocks: bool
    """Whether such calls fail, or are only noted."""
    hosts: HostList
    ports: frozenset[tuple[str, int]]
    """Address and port of upstreams on this machine, which have no host name to be known by."""
    root: Path
    """Of the project's own code."""
    note: Callable[[Bypass], None]


class Guard:
    """The audit hook of this process, of which there is one."""

    def __init__(self) -> None:
        self._watch: Watch | None = None
        self._added = False

    def start(self, watch: Watch) -> None:
        """Watch from now on, in all threads."""
        self._watch = watch
        if not self._added:
            self._added = True
            sys.addaudithook(self._hook)

    def stop(self) -> None:
        self._watch = None

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        # Called for every import and every opened file as well, until the process ends.
        watch = self._watch
        if watch is None or not event.startswith("socket."):
            return
        if event in _LOOKED_UP:
            _check(watch, args[0], None)
        elif event == _CONNECTED and isinstance(args[1], tuple):  # else the path of a socket in the file system
            _check(watch, args[1][0], args[1][1])


GUARD = Guard()


def _check(watch: Watch, host: object, port: object) -> None:
    """Note a call to a watched host; raises `BlockedHost` if such calls are blocked."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if not isinstance(name, str):
        return
    if name == "localhost" or name.startswith("127.") or name == "::1":
        match = None
        known = (name, port) in watch.ports
    else:
        match = watch.hosts.match(name)
        known = match is not None
    if not known:
        return
    shown = name if port is None else f"{name}:{port}"
    bypass = Bypass(shown, match.provider if match else "", watch.blocks, watch.test, _caller(watch.root))
    watch.note(bypass)
    if watch.blocks:
        raise BlockedHost(f"chatreel: {bypass}. {ADVICE}")


ADVICE = (
    "In this test, clients have to use the base URL in OPENAI_BASE_URL, or that of the fixture `chatreel`. A client "
    "that has a base URL of its own, or was made before the test (at import, say), does not: for those "
    "that are made at import, set chatreel_at_import = true."
)


def _caller(root: Path) -> str:
    """The innermost frame that runs code below `root` that is not an installed package."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to the calling frames
    start = str(root)
    while frame:
        name = frame.f_code.co_filename
        if name.startswith(start) and "site-packages" not in name and not name.startswith(_OWN):
            return f"{Path(name).relative_to(root)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


_OWN = str(Path(__file__).parents[1])
