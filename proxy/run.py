"""`chatreel run -- CMD`: a proxy around one command."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence

from chatreel import talk
from chatreel.config import BASE_URL_VARIABLE, Settings
from chatreel.exit_codes import ExitCode
from chatreel.model import Mode
from chatreel.server import running_proxy
from chatreel.upstreams import parse_upstream

BASE_URL_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE", BASE_URL_VARIABLE)
"""Where clients look for the API: the official SDKs; LangChain, LiteLLM and older SDKs; whoever asks for ours."""


def default_upstream(settings: Settings) -> Settings:
    """Whoever points their clients somewhere already means that API, unless chatreel was told of another one."""
    url = os.environ.get("OPENAI_BASE_URL", "")
    if not url or "upstream" in settings.model_fields_set:
        return settings
    parse_upstream(url)
    return settings.model_copy(update={"upstream": (url,)})


def client_environment(base_url: str, mode: Mode, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment in which clients find the proxy."""
    environment = dict(inherited)
    environment.update(dict.fromkeys(BASE_URL_VARIABLES, base_url))
    for name in ("NO_PROXY", "no_proxy"):  # a proxy for the way out must not swallow the way to us
        if (names := environment.get(name, "")) != "*":
            environment[name] = ",".join(filter(None, (names, "127.0.0.1")))
    if mode is Mode.REPLAY:  # clients insist on a key; replay has no use for one
        environment.setdefault("OPENAI_API_KEY", "sk-chatreel-replay")
    return environment


async def run_command(command: Sequence[str], settings: Settings) -> int:
    """Run `command` to its end; its exit code, as a shell would give it."""
    async with running_proxy(settings) as proxy:
        environment = client_environment(proxy.base_url, proxy.mode, os.environ)
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
