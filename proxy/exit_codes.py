"""What the program's exit code says. Part of the documented interface."""

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    """The work was done and something in it was wrong, for example bytes that differ."""
    USAGE = 2
    """A wrong flag or setting; nothing was started."""
    CANNOT_SERVE = 3
    """The port is taken, or the engine is not installed."""
    STORE = 4
    """The store cannot be used."""
    NOT_FOUND = 127
    """`run`: the command does not exist (as a shell says it). Else `run` returns the command's own code."""
