"""`chatreel run -- CMD`: a proxy around one command."""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from chatreel import talk
from chatreel.clients import API_KEY_VARIABLE, BASE_URL_VARIABLE, client_variables
from chatreel.config import Settings, with_fallback
from chatreel.exit_codes import ExitCode
from chatreel.interception import interception_variables
from chatreel.server import Proxy, running_proxy
from chatreel.trust import write_bundle

_WORDS = 5
"""Of a command, that are the name of its run."""


def default_upstream(settings: Settings) -> Settings:
    """Whoever points their clients somewhere already means that API, unless chatreel was told of another one."""
    return with_fallback(settings, os.environ.get("OPENAI_BASE_URL", ""))


def for_one_command(settings: Settings, *, intercept: bool) -> Settings:
    """The settings of a proxy that one command finds by its environment. Nobody else does, so it needs no token."""
    port = 0 if intercept else None
    return default_upstream(replace(settings, host="127.0.0.1", token=None, token_file=None, proxy_port=port))


async def run_command(command: Sequence[str], settings: Settings) -> int:
    """Run `command` to its end, intercepted if there is a forward proxy; its exit code, as a shell would give it."""
    with TemporaryDirectory(prefix="chatreel-") as folder:
        async with running_proxy(settings, run=name_of(command)) as proxy:
            environment = os.environ | _variables(proxy, Path(folder))
            try:
                process = await asyncio.create_subprocess_exec(*command, env=environment)
            except OSError as error:
                talk.complain(f"cannot run {command[0]!r}: {error.strerror}")
                return ExitCode.NOT_FOUND
            with_signals_forwarded(process)
            code = await process.wait()
    talk.verdict(proxy.tally)
    return 128 - code if code < 0 else code


def name_of(command: Sequence[str]) -> str:
    """What the log calls a run of it: the program, and what stands before its first option, which may be a password."""
    program, *arguments = command[:_WORDS]
    return " ".join([Path(program).name, *takewhile(lambda word: not word.startswith("-"), arguments)])


def _variables(proxy: Proxy, folder: Path) -> dict[str, str]:
    """What tells the command of the proxy. Intercepted, it goes on asking whom it would have asked."""
    told = client_variables(proxy.base_url, proxy.mode, os.environ)
    if proxy.proxy_url is None:
        return told
    kept = {name: value for name, value in told.items() if name in (API_KEY_VARIABLE, BASE_URL_VARIABLE)}
    bundle = write_bundle(folder, proxy.authority)
    return kept | interception_variables(proxy.proxy_url, str(bundle), proxy.hosts, os.environ)


def with_signals_forwarded(process: asyncio.subprocess.Process) -> None:
    """The command decides when to end. A terminal sends SIGINT to it as well, so only SIGTERM is passed on."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, process.terminate)
