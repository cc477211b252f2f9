"""What killed proxies have left behind: rows on their way into the log, as `chatreel.store.spool` keeps them."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import orjson

from chatreel.errors import StoreError
from chatreel.facts import Facts
from chatreel.model import Mode, Outcome
from chatreel.rates import PriceOverride, parse_override
from chatreel.store.database import store_url
from chatreel.store.log import Call, Charge
from chatreel.store.spool import VERSION, spool_files

_YOUNG: Final = 60.0
"""Seconds: an empty file that is no older is about to be somebody's."""

_FIELDS: Final = frozenset(field.name for field in fields(Call))

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Left:
    """A row as it was when its call was answered."""

    call: Call
    answered_at: float | None
    """When the recording was made that answered the call, by which it is found in a cassette: seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Leavings:
    """What was in one file."""

    rates: tuple[PriceOverride, ...]
    """By which its proxy priced calls."""
    rows: tuple[Left, ...]


def left_behind(location: str) -> list[Path]:
    """Files with rows on their way into a store, those of living proxies included. Cheap if there are none."""
    folder, prefix = spool_files(store_url(location))
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(prefix))
    except OSError:
        return []


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
    if described and described.get("version") != VERSION:
        raise StoreError("another version of chatreel wrote them")
    rates = tuple(parse_override(rate) for rate in described.get("rates", ()))
    found = {left.call.call_id: left for line in lines if line and (left := _left(line))}
    return Leavings(rates, tuple(found.values()))


def _left(line: bytes) -> Left | None:
    try:
        members, answered_at = orjson.loads(line)
        return Left(_call(members), answered_at)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        logger.warning("a row of the log that a killed proxy left behind is not whole: %s", error)
        return None


def _call(members: Mapping[str, Any]) -> Call:
    """Members that this version does not know are left out."""
    known: dict[str, Any] = {name: value for name, value in members.items() if name in _FIELDS}
    request = known.get("request")
    known |= {
        "outcome": Outcome(known["outcome"]),
        "mode": Mode(known["mode"]),
        "request": None if request is None else request.encode(),
        "facts": Facts(**known["facts"]),
        "charge": Charge(**known["charge"]),
    }
    return Call(**known)


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
