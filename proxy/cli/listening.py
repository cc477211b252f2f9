"""`serve`, whoever has read its command line: from settings to the end."""

import asyncio
import signal

import chatreel
from chatreel import talk
from chatreel.cli.straight import Told
from chatreel.config import Settings, load_settings, with_fallback
from chatreel.event_loop import loop_factory
from chatreel.server import Listening, running_proxy, write_ready_file
from chatreel.store.place import store_name


def serve_until_stopped(told: Told) -> None:
    """Run the proxy until it is interrupted. Raises `ChatreelError` if it cannot start."""
    settings = load_settings(**told.flags)
    talk.start_logging(redactor=settings.redactor)
    settings = with_fallback(settings, told.fallback_upstream or "")
    if settings.workers > 1:
        _serve_with_workers(settings, told.parent)
    else:
        asyncio.run(_serve(settings, told.parent), loop_factory=loop_factory())


def _serve_with_workers(settings: Settings, parent: int | None) -> None:
    from chatreel.workers import Crew

    tally = Crew(settings, parent).serve(lambda listening: _announce(settings, listening))
    talk.verdict(tally)


def _announce(settings: Settings, listening: Listening) -> None:
    """Tell whoever waits for it that it listens. Raises `ServeError`."""
    workers = f", {settings.workers} workers" if settings.workers > 1 else ""
    talk.say(f"chatreel {chatreel.__version__}, mode {settings.mode.value}{workers}")
    talk.say(f"  base URL    {listening.base_url}")
    if listening.proxy_url:
        talk.say(f"  proxy       {listening.proxy_url} (clients have to trust {listening.authority})")
    talk.say(f"  upstream    {' '.join(settings.upstream)}")
    talk.say(f"  recordings  {settings.cassette or store_name(settings.store)}")
    for budget in listening.budgets:
        talk.say(f"  budget      {budget}")
    if settings.ready_file:
        write_ready_file(settings.ready_file, listening)


async def _serve(settings: Settings, parent: int | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running_proxy(settings) as proxy:
        _announce(settings, proxy.listening)
        watch = asyncio.create_task(_stop_after(parent, stopped))
        await stopped.wait()
        watch.cancel()
        talk.say("stopping")
    talk.verdict(proxy.tally)


async def _stop_after(parent: int | None, stopped: asyncio.Event) -> None:
    """End with the process that this one was started for, if there is one."""
    from chatreel.parent import ended

    if parent is not None:
        await ended(parent)
        talk.say(f"process {parent} has ended")
        stopped.set()
