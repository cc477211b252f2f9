"""Runs a command of the program to its end."""

import subprocess
import sys
from pathlib import Path

from support.program import clean_environment


def chatreel(*args: str, cwd: Path, said: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """`chatreel args` in `cwd`, with `said` on its standard input and `env` in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "chatreel", *args],
        cwd=cwd,
        input=said,
        env=clean_environment() | {"COLUMNS": "200"} | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
