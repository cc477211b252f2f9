"""The web server on loopback, and beside it the export that keeps the file fresh."""

import asyncio
import logging
import os
import signal
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import orjson
import streamlit as st

from chatreel import talk
from chatreel.analytics.follow import follow
from chatreel.dashboards import app as _pages  # noqa: F401 - loaded now, the first page need not wait for it
from chatreel.dashboards.ports import HOST
from chatreel.dashboards.source import Source
from chatreel.errors import ChatreelError

_HERE: Final = Path(__file__).parent
_CONFIG: Final = {
    "server.address": HOST,
    "server.allowedHosts": [HOST, "localhost"],  # a page of somebody else must not read prompts through its own name
    "server.headless": True,  # the browser is opened here, once it has something to show
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "browser.gatherUsageStats": False,
    "browser.serverAddress": HOST,
    "client.toolbarMode": "viewer",
    "global.disableWidgetStateDuplicationWarning": True,  # the way out of an empty page sets the period
    "logger.hideWelcomeMessage": True,
    "logger.level": "warning",
    "runner.magicEnabled": False,
    "theme.base": str(_HERE / "theme.toml"),
}
_PATIENCE: Final = 5.0
"""Seconds that an export has to come to its end; it can be killed at any moment."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a dashboard is started."""

    source: Source
    port: int
    """0: any free one."""
    every: float
    """Seconds between two looks at the store, if the source is followed."""
    browser: bool
    """Whether to show it in a browser, where there is a screen."""
    ready_file: Path | None = None
    """Written once it answers: `{"url", "pid"}`."""


_current: list[Source] = []
"""What `script` draws: Streamlit has no other way to hand it something."""


def current() -> Source:
    """The source of the dashboard that runs in this process."""
    return _current[-1]


def run(launch: Launch) -> None:
    """Serve until interrupted. The port can be had: see `ports`."""
    _current.append(launch.source)
    signal.signal(signal.SIGTERM, _interrupt)  # the server ends first, then this is called
    server = st.App(_HERE / "script.py", lifespan=_announcing(launch))
    with _kept_fresh(launch), suppress(KeyboardInterrupt):
        server.run(config=_CONFIG | {"server.port": launch.port})


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _kept_fresh(launch: Launch) -> Iterator[None]:
    """Export what is new, beside the server, until the end of the block."""
    stop = Event()
    thread = Thread(target=_follow, args=(launch, stop), name="chatreel-export", daemon=True)
    if launch.source.follows:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if launch.source.follows:
            thread.join(_PATIENCE)


def _follow(launch: Launch, stop: Event) -> None:
    source = launch.source
    assert source.settings  # noqa: S101 - else it would not be followed
    try:
        follow(source.settings.store, source.file, every=launch.every, stop=stop)
    except ChatreelError as error:
        source.trouble = str(error)
        talk.complain(str(error))
    except Exception as error:  # the pages go on, and say it
        source.trouble = f"the export has failed: {error}"
        logger.exception("the export has failed")


def _announcing(launch: Launch) -> Callable[[Any], Any]:
    """Says where the dashboard is once it answers there."""

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        task = asyncio.create_task(_announce(launch, int(st.get_option("server.port"))))
        try:
            yield
        finally:
            task.cancel()

    return lifespan


async def _announce(launch: Launch, port: int) -> None:
    await _answering(port)
    url = f"http://{HOST}:{port}"
    talk.say(f"dashboard on {url}")
    talk.say(f"  calls       {launch.source.file}")
    if launch.source.store:
        talk.say(f"  recordings  {launch.source.store}")
    if launch.ready_file:
        _write(launch.ready_file, {"url": url, "pid": os.getpid()})
    if launch.browser and _has_screen():
        webbrowser.open(url)


async def _answering(port: int) -> None:
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            return
        await asyncio.sleep(0.05)


def _write(path: Path, document: dict[str, object]) -> None:
    """All at once: a reader never sees half of it."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(orjson.dumps(document))
        partial.replace(path)
    except OSError as error:
        talk.complain(f"the ready file {path} cannot be written: {error.strerror}")


def _has_screen() -> bool:
    """Without one, what opens a page in the terminal would take the terminal."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
