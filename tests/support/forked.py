"""Runs the program in a process that is forked from one where it has been imported: a start costs a tenth of itself.

What happens after the imports is what happens in any start: the command line of the program is called with its
arguments, in a process of its own, with the working folder, the environment and the files it is given. What a start
itself does, imports and what the interpreter reads from the environment, is tested with programs that are started.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import ModuleType

STARTED = "TEST_WITHOUT_FORKS"
"""Variable of the environment: set, every program is started, and none is forked."""

IMPORTED = [
    "chatreel.cli.program",
    "chatreel.cli.listening",
    "chatreel.engine.assembly",
    "chatreel.store.migrations.versions",
]
"""What nearly every command needs, and what serves calls. The rest each command imports by itself."""


_allowed = False


def allow() -> None:
    """Fork from now on. The suite says so; benchmarks, which use this package as well, start what they measure."""
    global _allowed
    _allowed = not os.environ.get(STARTED)


def may_fork(environment: Mapping[str, str]) -> bool:
    """Whether a process that runs already can be what would be started: nothing is meant for the interpreter itself."""
    return _allowed and all(
        os.environ.get(name) == value for name, value in environment.items() if name.startswith("PYTHON")
    )


@dataclass(frozen=True, slots=True)
class Files:
    """What standard input is read from, and the other two are written to."""

    stdin: str
    stdout: str
    stderr: str


class Forked:
    """A process of the program, to be handled like a `subprocess.Popen`."""

    def __init__(self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str], files: Files) -> None:
        """`args`: what stands behind `chatreel`. `env`: the whole of it."""
        self.args = tuple(args)
        self._process: ForkServerProcess = _forkserver().Process(
            target=_run, args=(self.args, str(cwd), dict(env), files), daemon=False
        )
        with _nothing_to_import_anew():
            self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Does nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Does nothing if it has ended."""
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def _nothing_to_import_anew() -> Iterator[None]:
    """A child runs the file of `__main__` first. Where Streamlit has run a page, that is the page."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _forkserver() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)  # done once, before the first fork
    return context


def _run(args: tuple[str, ...], cwd: str, env: dict[str, str], files: Files) -> None:
    """Be the program, from its first line on."""
    os.setsid()
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, (path, flag) in enumerate(zip((files.stdin, files.stdout, files.stderr), flags, strict=True)):
        opened = os.open(path, flag, 0o600)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.argv = ["chatreel", *args]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        from chatreel.cli import main

        main()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
