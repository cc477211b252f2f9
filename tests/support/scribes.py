"""The processes that write recordings for others, seen from outside."""

import contextlib
import os
import signal
from pathlib import Path

NAME = b"chatreel.store.scribe_process"


def scribes_of(pid: int) -> list[int]:
    """Those that a process has started, and that have not ended."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_scribe_of(pid, entry)]


def is_alive(pid: int) -> bool:
    """Whether a process is there and is no zombie, whoever its parent is by now."""
    try:
        return _state(Path(f"/proc/{pid}"))[0] not in "ZX"
    except OSError:
        return False


def writing_for(pid: int) -> list[int]:
    """Those of them that have opened the store."""
    return [scribe for scribe in scribes_of(pid) if any(name.endswith("-wal") for name in files_of(scribe))]


def files_of(pid: int) -> list[str]:
    """What a process has open: paths, and what is none by its kind."""
    try:
        return [kind_of(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # it has just ended, or closed one
        return []


def kind_of(link: Path) -> str:
    return str(link).partition(":[")[0]


def kill(*pids: int) -> None:
    """At once. One that has ended is left alone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_scribe_of(pid: int, entry: Path) -> bool:
    try:
        return NAME in (entry / "cmdline").read_bytes() and _state(entry)[1] == str(pid) and is_alive(int(entry.name))
    except OSError:  # it has just ended
        return False


def _state(entry: Path) -> list[str]:
    """Its state and its parent."""
    return (entry / "stat").read_text().rpartition(")")[2].split()
