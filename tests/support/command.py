"""Runs a command of the program to its end."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from support.forked import Files, Forked, may_fork
from support.program import clean_environment

LIMIT = 60.0
"""Seconds that a command may take."""


def chatreel(*args: str, cwd: Path, said: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """`chatreel args` in `cwd`, with `said` on its standard input and `env` in its environment."""
    environment = clean_environment() | {"COLUMNS": "200"} | env
    return (forked if may_fork(environment) else started)(args, cwd, said, environment)


def started(args: tuple[str, ...], cwd: Path, said: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The program as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "chatreel", *args],
        cwd=cwd,
        input=said,
        env=env,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def forked(args: tuple[str, ...], cwd: Path, said: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own that has imported it already."""
    with tempfile.TemporaryDirectory(prefix="chatreel-test-") as name:
        files = Files(*(os.path.join(name, stream) for stream in ("stdin", "stdout", "stderr")))  # noqa: PTH118
        Path(files.stdin).write_text(said)
        process = Forked(args, cwd=cwd, env=env, files=files)
        try:
            code = process.wait(LIMIT)
        finally:
            process.kill()
        return subprocess.CompletedProcess(args, code, *(Path(one).read_text() for one in (files.stdout, files.stderr)))
