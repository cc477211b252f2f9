"""Runs the real program as its own process, the way a user would."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.forked import Files, Forked, may_fork

CHATREEL = (sys.executable, "-m", "chatreel", "serve")
"""The program as it is started, and not forked."""

START_LIMIT = 60.0
"""Seconds the program may take until it says it is ready: generous, since a loaded machine imports slowly."""

STOP_LIMIT = 20.0
"""Seconds the program may take to end after a signal before it is killed."""

LEAKY = re.compile(r"CI|OPENAI_.*|(.*_)?PROXY|CHATREEL_.*", re.IGNORECASE)
"""Variables of the environment that would change what the program does."""


SLOW = "TEST_WITHOUT_FAST_PATH"
"""Variable of the environment: set, all calls take the ordinary way. `make engine` runs some suites so."""

IS_SLOW = SLOW in os.environ


class NotStarted(Exception):  # noqa: N818 - says what happened
    """The program ended, or said nothing, before it was ready. The message has its log."""


@dataclass(slots=True)
class Program:
    """A running program. Standard output and standard error go to files, so nothing can block on a full pipe."""

    process: subprocess.Popen[bytes] | Forked
    folder: Path
    """Where `stdout`, `stderr` and the ready file are."""

    @property
    def pid(self) -> int:
        """Of the process, and of its process group."""
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self.process.poll()

    @property
    def ready(self) -> dict[str, Any]:
        """What the program wrote to its ready file: `base_url`, `proxy_url`, `pid`."""
        said: dict[str, Any] = json.loads((self.folder / "ready.json").read_bytes())
        return said

    @property
    def base_url(self) -> str:
        """As in `http://127.0.0.1:8080/v1`."""
        return str(self.ready["base_url"])

    @property
    def stdout(self) -> str:
        """All it has printed so far."""
        return _text(self.folder / "stdout")

    @property
    def log(self) -> str:
        """All it has said on standard error so far."""
        return _text(self.folder / "stderr")

    def wait_for_log(self, text: str, limit: float = START_LIMIT) -> None:
        """Return once the log contains `text`. Raises `TimeoutError`, with the log, after `limit` seconds."""
        deadline = time.monotonic() + limit
        while text not in self.log:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Waited {limit} s for {text!r} in the log.\n{self.log}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM, limit: float = STOP_LIMIT) -> int:
        """Send `how`, wait, and return the exit code; after `limit` seconds the process group is killed.

        Does nothing but answer if the program has ended before.
        """
        if self.returncode is None:
            self.process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(limit)
        self.kill()
        return self.process.wait(limit)

    def kill(self) -> None:
        """End the whole process group at once, children that outlive the program included."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextlib.contextmanager
def running_chatreel(
    *args: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    command: Sequence[str] | None = None,
    limit: float = START_LIMIT,
) -> Iterator[Program]:
    """`command --port 0 --ready-file FILE args`, running and ready, until the end of the block; `serve` if not given.

    It runs in a process group of its own, in `cwd` (an empty folder if not given), with this process's environment less
    what is `LEAKY`, plus `env`. The files of the program are gone after the block: read `log` inside it. Raises
    `NotStarted`, with the log, if it ends early or is not ready after `limit` seconds; `AssertionError` after the block
    if the engine has said that it came to grief, whatever the clients have seen of it.
    """
    with tempfile.TemporaryDirectory(prefix="chatreel-test-") as name:
        folder = Path(name)
        home = folder / "cwd"
        home.mkdir()
        arguments = ["--port", "0", "--ready-file", str(folder / "ready.json"), *args]
        process = _begin(arguments, command, cwd or home, clean_environment() | dict(env or {}), folder)
        program = Program(process, folder)
        try:
            _await_ready(program, limit)
            yield program
        finally:
            program.stop()
        assert "has crashed" not in program.log, program.log


def _begin(
    arguments: list[str], command: Sequence[str] | None, cwd: Path, env: dict[str, str], folder: Path
) -> subprocess.Popen[bytes] | Forked:
    """Fork it if it is the program itself, or start it."""
    if command is None and may_fork(env):
        files = Files(os.devnull, str(folder / "stdout"), str(folder / "stderr"))
        return Forked(["serve", *arguments], cwd=cwd, env=env, files=files)
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        return subprocess.Popen(
            [*(command or CHATREEL), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )


def clean_environment() -> dict[str, str]:
    """The environment of this process without what is `LEAKY`, and without the fast path if `SLOW` says so."""
    kept = {name: value for name, value in os.environ.items() if not LEAKY.fullmatch(name)}
    return kept | ({"CHATREEL_FAST_PATH": "false"} if os.environ.get(SLOW) else {})


def _text(path: Path) -> str:
    """What is in a file that the program makes as one of its first steps."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _await_ready(program: Program, limit: float) -> None:
    deadline = time.monotonic() + limit
    while not _is_ready(program):
        if program.returncode is not None:
            raise NotStarted(f"It ended with code {program.returncode} before it was ready.\n{program.log}")
        if time.monotonic() > deadline:
            raise NotStarted(f"It was not ready after {limit} s.\n{program.log}")
        time.sleep(0.02)


def _is_ready(program: Program) -> bool:
    """Whether the ready file is there, whole."""
    try:
        return bool(program.ready)
    except (FileNotFoundError, ValueError):
        return False
