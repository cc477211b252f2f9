"""Runs the program's own `main` inside this process: a hundred times as fast as a process of its own."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatreel.cli import main
from support.program import LEAKY


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of standard output."""
        return self.out.splitlines()


type Program = Callable[..., Ended]


def inside(folder: Path, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> Program:
    """A function that runs `chatreel` with its arguments in `folder`, on lines of 200 characters."""
    patch.chdir(folder)
    for name in [name for name in os.environ if LEAKY.fullmatch(name)]:
        patch.delenv(name)
    patch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Ended:
        captured.readouterr()
        patch.setattr(sys, "argv", ["chatreel", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = captured.readouterr()
        code = end.value.code
        return Ended(code if isinstance(code, int) else 0, said.out, said.err)

    return run
