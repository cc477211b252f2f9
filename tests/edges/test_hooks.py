"""Hooks of the engine run where they are asked for, each addon once and in its turn, whatever one of them raises."""

import asyncio
from collections.abc import Callable

import pytest
from mitmproxy.exceptions import AddonHalt
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.proxy.server_hooks import ClientConnectedHook
from mitmproxy.test.tflow import tclient_conn, tflow

from chatreel.engine.hooks import Hooks


class Addon:
    """Notes what it is told, and may do something else."""

    def __init__(self, name: str, notes: list[str], work: Callable[[], None] = lambda: None) -> None:
        self._name, self._notes, self._work = name, notes, work

    def client_connected(self, _client: object) -> None:
        self._notes.append(self._name)
        self._work()


class Waiting(Addon):
    """Waits before it is done."""

    def __init__(self, name: str, notes: list[str], until: asyncio.Event) -> None:
        super().__init__(name, notes)
        self._until = until

    async def request(self, _flow: object) -> None:
        self._notes.append(f"{self._name} begins")
        await self._until.wait()
        self._notes.append(f"{self._name} ends")


def raising(error: type[Exception]) -> Callable[[], None]:
    def work() -> None:
        raise error("planted")

    return work


def begun(*addons: Addon) -> bool:
    hooks = Hooks()
    hooks.add(*addons)
    return hooks.begin(ClientConnectedHook(tclient_conn()))


def test_a_hook_without_a_coroutine_is_over_when_it_was_begun() -> None:
    notes: list[str] = []
    assert begun(Addon("one", notes), Addon("other", notes))
    assert notes == ["one", "other"]


def test_an_addon_that_raises_is_logged_and_keeps_nobody_from_the_hook(caplog: pytest.LogCaptureFixture) -> None:
    notes: list[str] = []
    assert begun(Addon("one", notes, raising(ValueError)), Addon("other", notes))
    assert notes == ["one", "other"]
    assert "Addon error: planted" in caplog.text


def test_an_addon_can_halt_a_hook() -> None:
    notes: list[str] = []
    assert begun(Addon("one", notes, raising(AddonHalt)), Addon("other", notes))
    assert notes == ["one"]


@pytest.mark.parametrize("waits", [True, False])
def test_what_a_hook_waits_for_is_waited_for_once(waits: bool) -> None:
    notes: list[str] = []

    async def work() -> bool:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        until = asyncio.Event()
        if not waits:
            until.set()
        hooks = Hooks()
        hooks.add(Waiting("one", notes, until), Addon("no part of it", notes), Waiting("other", notes, until))
        hook = HttpRequestHook(tflow())
        if over := hooks.begin(hook):
            return over
        assert not hooks.begin(hook)  # as a layer does around the one that did
        assert notes == ["one begins"]
        until.set()
        await hooks.run(hook)
        return over

    assert asyncio.run(work()) is not waits
    assert notes == ["one begins", "one ends", "other begins", "other ends"]
