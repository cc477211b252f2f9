"""Whose calls around the proxy are watched, and what was seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from chatreel.providers import HostList
from chatreel.testing.guard import ADVICE, GUARD, Bypass, Watch
from chatreel.testing.options import RunOptions
from chatreel.testing.verdicts import Bypassed


class Watching:
    """What goes around the proxy during the tests of this process, which run one after the other."""

    def __init__(self, options: RunOptions, fallback: str) -> None:
        """`fallback`: the API that clients are pointed at outside of tests; may be empty."""
        places = [_place(upstream) for upstream in options.value("upstream") or (fallback,)]
        local = [port for host, port in places if host in _HERE]
        self._blocking: str = options.value("block_network")
        self._root = options.config.rootpath
        self._hosts = HostList([*options.value("hosts"), *(host for host, _ in places if host and host not in _HERE)])
        self._ports = frozenset((host, port) for port in local for host in _HERE)
        self._seen: list[Bypass] = []
        self._said = 0

    @contextmanager
    def of(self, item: pytest.Item) -> Iterator[None]:
        """During a test: from the start if all tests are watched, else from `start` on."""
        self._seen, self._said = [], 0
        if self._blocking == "all":
            self._watch(item, blocks=True)
        try:
            yield
        finally:
            GUARD.stop()

    def start(self, item: pytest.Item, *, replays: bool) -> None:
        """The test has a session, so what goes around it is a mistake: one that is blocked if the test `replays`."""
        if self._blocking != "off":
            self._watch(item, blocks=replays or self._blocking == "all")

    def new_problems(self) -> list[str]:
        """Calls that were blocked since the last time this was asked."""
        new, self._said = self._seen[self._said :], len(self._seen)
        blocked = list(dict.fromkeys(str(bypass) for bypass in new if bypass.blocked))
        return [*blocked, ADVICE] if blocked else []

    def bypassed(self) -> list[Bypassed]:
        """All that was seen during this test, as it travels."""
        return [
            Bypassed(host=seen.host, provider=seen.provider, blocked=seen.blocked, caller=seen.caller)
            for seen in dict.fromkeys(self._seen)
        ]

    def _watch(self, item: pytest.Item, *, blocks: bool) -> None:
        GUARD.start(Watch(item.nodeid, blocks, self._hosts, self._ports, self._root, self._seen.append))


_HERE = ("127.0.0.1", "::1", "localhost")
_PORTS = {"http": 80, "https": 443}


def _place(upstream: str) -> tuple[str, int]:
    """Host and port of `[NAME=]URL`; what is wrong with one is for the proxy to say."""
    name, _, rest = upstream.partition("=")
    try:
        parts = urlsplit(upstream if "://" in name else rest)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", 0
