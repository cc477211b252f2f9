"""The engine's hooks with less in between: which addon has which is known, and what can be done at once is.

mitmproxy makes a task of each hook, asks each addon by name whether it has that one, twice for a flow, and lets a layer
go on once that task has had another turn of the event loop. The four hooks of a forwarded call cost more than all the
rest of it so. Here a hook is begun where a layer asks for it. If that was all of it, as of nearly all hooks, the layer
goes on at once; else the engine waits for the rest as it always does.

Written against mitmproxy 12.2 (`mitmproxy/addonmanager.py`, `mitmproxy/proxy/server.py`); pyproject.toml caps the
version.
"""

import asyncio
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, NamedTuple

from mitmproxy.addonmanager import AddonManager, safecall
from mitmproxy.exceptions import AddonHalt
from mitmproxy.hooks import Hook
from mitmproxy.proxy.commands import StartHook

if TYPE_CHECKING:
    from mitmproxy.master import Master  # which would import all addons that there are


class _Concerned(NamedTuple):
    """Who has a hook."""

    addons: tuple[tuple[object, bool], ...]
    """Each with whether the hook is a coroutine there."""
    may_wait: bool
    """Whether it is one anywhere."""


class Hooks:
    """Of one proxy."""

    def __init__(self) -> None:
        self._addons: list[object] = []
        self._concerned: dict[str, _Concerned] = {}
        self._begun: dict[Hook, asyncio.Task[None]] = {}
        """Those that wait for something."""

    def add(self, *addons: object) -> None:
        """Their part of a hook comes after that of the ones before."""
        self._addons += addons
        self._concerned.clear()

    def begin(self, hook: StartHook) -> bool:
        """Run a hook as far as it goes without waiting; whether that was all of it. Else `run` waits for the rest."""
        if hook in self._begun:  # by a layer inside of the one that asks: HTTP in a tunnel
            return False
        if not self._of(hook.name).may_wait:
            self._run_at_once(hook)
            return True
        task = asyncio.create_task(self._run(hook))  # which begins at once: the engine's tasks are eager
        if not task.done():
            self._begun[hook] = task
        return task.done()

    async def run(self, hook: Hook) -> None:
        """Have each addon do its part, or wait for the rest of a hook that was begun. What one raises is logged."""
        if task := self._begun.pop(hook, None):
            await task
        elif self._of(hook.name).may_wait:
            await self._run(hook)
        else:
            self._run_at_once(hook)

    def _run_at_once(self, hook: Hook) -> None:
        [argument] = hook.args()
        for addon, _ in self._of(hook.name).addons:
            try:
                with safecall():
                    getattr(addon, hook.name)(argument)
            except AddonHalt:
                return

    async def _run(self, hook: Hook) -> None:
        [argument] = hook.args()
        for addon, waits in self._of(hook.name).addons:
            work = getattr(addon, hook.name)
            try:
                with safecall():
                    if waits:
                        await work(argument)
                    else:
                        work(argument)
            except AddonHalt:
                return

    def _of(self, name: str) -> _Concerned:
        known = self._concerned.get(name)
        if known is None:
            found = [addon for addon in self._addons if callable(getattr(addon, name, None))]
            addons = tuple((addon, iscoroutinefunction(getattr(addon, name))) for addon in found)
            known = self._concerned[name] = _Concerned(addons, any(waits for _, waits in addons))
        return known


class _Addons(AddonManager):
    """Leaves what happens to a connection or a flow to `Hooks`; nobody here wants to be told of updates besides."""

    def __init__(self, master: "Master", flow_hooks: Hooks) -> None:
        super().__init__(master)  # type: ignore[no-untyped-call]
        self._hooks = flow_hooks

    def add(self, *addons: object) -> None:
        super().add(*addons)  # type: ignore[no-untyped-call]
        self._hooks.add(*addons)

    async def handle_lifecycle(self, event: Hook) -> None:
        await self._hooks.run(event)


def take_over(master: "Master", flow_hooks: Hooks) -> None:
    """Have the hooks of a master that has no addons yet run this way."""
    master.addons = _Addons(master, flow_hooks)
