"""What killed proxies have left behind: rows on their way into the log, and recordings on theirs into the store.

`chatreel.store.spool` has kept them.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from chatreel.errors import StoreError
from chatreel.rates import PriceOverride, parse_override
from chatreel.store.foretelling import LeftRecording, Stored, is_ours, read_recording
from chatreel.store.lines import Left, read_line
from chatreel.store.spool import READABLE, spool_files

_YOUNG: Final = 60.0
"""Seconds: an empty file that is no older is about to be somebody's."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Leavings:
    """What was in one file."""

    rates: tuple[PriceOverride, ...]
    """By which its proxy priced calls."""
    rows: tuple[Left, ...]
    recordings: tuple[LeftRecording, ...]
    """Those that may not be in the store, in the order in which they were made."""
    stored: Mapping[str, int]
    """The numbers of those that are, or were, by the calls that made them."""


def left_behind(location: str) -> list[Path]:
    """Files with rows on their way into a store, those of living proxies included. Cheap if there are none."""
    folder, prefix = spool_files(location)
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(prefix))
    except OSError:
        return []


def abandoned(location: str) -> list[Path]:
    """Those of them whose processes have ended and that have rows in them. They are left as they are."""
    return [path for path in left_behind(location) if _is_abandoned(path)]


def _is_abandoned(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # its process has it to itself as long as it lives
            return len(file.readlines()) > 1  # the first line says how to read the others
    except OSError:
        return False


@contextmanager
def taken(path: Path) -> Iterator[Leavings | None]:
    """What is in a file whose process has ended, ours alone until the end of the block, after which it is gone.

    `None` if its process lives, or somebody else has taken it. If the block raises, the file stays. Raises `OSError`,
    and `StoreError` if another version of chatreel wrote it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        if not _is_ours(descriptor):
            yield None
            return
        yield _read(path)
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _is_ours(descriptor: int) -> bool:
    """Whether we have got the lock, and its owner will not come any more."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    found = os.fstat(descriptor)
    return found.st_size > 0 or time.time() - found.st_mtime > _YOUNG


def _read(path: Path) -> Leavings:
    """A line that is not whole, as the last one may be, says nothing. Raises `StoreError`."""
    head, *lines = path.read_bytes().split(b"\n")
    described = _object(head)
    if described and described.get("version") not in READABLE:
        raise StoreError("another version of chatreel wrote them")
    names = described.get("members", ())
    rates = tuple(parse_override(rate) for rate in described.get("rates", ()))
    rows = {left.call.call_id: left for line in lines if line and not is_ours(line) and (left := _left(line, names))}
    said = [_said(line) for line in lines if is_ours(line)]
    stored = {one.call_id: one.number for one in said if isinstance(one, Stored)}
    recordings = [one for one in said if isinstance(one, LeftRecording) and one.call_id not in stored]
    return Leavings(rates, tuple(rows.values()), tuple(recordings), stored)


def _said(line: bytes) -> LeftRecording | Stored | None:
    try:
        return read_recording(line)
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("a recording that a killed proxy left behind is not whole: %s", error)
        return None


def _left(line: bytes, names: Sequence[str]) -> Left | None:
    try:
        return read_line(line, names)
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("a row of the log that a killed proxy left behind is not whole: %s", error)
        return None


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
