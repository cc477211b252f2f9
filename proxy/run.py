"""`chatreel run -- CMD`: a proxy around one command."""

import asyncio
import os
import signal
from collections.abc import Sequence

from chatreel import talk
from chatreel.clients import client_variables
from chatreel.config import Settings
from chatreel.exit_codes import ExitCode
from chatreel.server import running_proxy
from chatreel.upstreams import parse_upstream


def default_upstream(settings: Settings) -> Settings:
    """Whoever points their clients somewhere already means that API, unless chatreel was told of another one."""
    return with_fallback(settings, os.environ.get("OPENAI_BASE_URL", ""))


def with_fallback(settings: Settings, url: str) -> Settings:
    """The settings with this upstream, if there is a URL and they name none. Raises `ConfigError`."""
    if not url or "upstream" in settings.model_fields_set:
        return settings
    parse_upstream(url)
    return settings.model_copy(update={"upstream": (url,)})


async def run_command(command: Sequence[str], settings: Settings) -> int:
    """Run `command` to its end; its exit code, as a shell would give it."""
    async with running_proxy(settings) as proxy:
        environment = os.environ | client_variables(proxy.base_url, proxy.mode, os.environ)
        try:
            process = await asyncio.create_subprocess_exec(*command, env=environment)
        except OSError as error:
            talk.complain(f"cannot run {command[0]!r}: {error.strerror}")
            return ExitCode.NOT_FOUND
        with_signals_forwarded(process)
        code = await process.wait()
    talk.verdict(proxy.tally)
    return 128 - code if code < 0 else code


def with_signals_forwarded(process: asyncio.subprocess.Process) -> None:
    """The command decides when to end. A terminal sends SIGINT to it as well, so only SIGTERM is passed on."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, process.terminate)
