"""Rows of the log that killed proxies have left behind: written as those proxies would have, by whoever comes next."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from chatreel.annotate import Annotator, Source
from chatreel.cassette_file import read_cassette
from chatreel.errors import CassetteError, StoreError
from chatreel.model import Recording
from chatreel.prices import Prices
from chatreel.rates import PriceOverride
from chatreel.request import DEFAULT_KEYS
from chatreel.store import Call
from chatreel.store.later import database, recovering
from chatreel.store.leavings import left_behind
from chatreel.store.lines import Left

_MICROSECOND: Final = 1e-6

logger = logging.getLogger(__name__)


def recover(location: str) -> int:
    """Bring the log of a store up to date with what killed proxies had answered; how many rows that was.

    Costs a look into a folder where nothing was left. Raises `StoreError` if something was, and the store is gone.
    """
    if not left_behind(location):
        return 0
    written = recovering.recover(location, _completing)
    if written:
        rows = "1 row of the log is" if written == 1 else f"{written:,} rows of the log are"
        logger.warning("%s in the store now that a killed proxy had left behind", rows)
    return written


def require_recovered(location: str) -> None:
    """Have a store whose log is up to date. Raises `StoreError`, also if there is no store."""
    database.require_store(location)
    recover(location)


def _completing(rates: tuple[PriceOverride, ...]) -> Callable[[Left, Recording | None], Call]:
    annotator = Annotator(Prices(rates))
    cassette = cache(_cassette)

    def complete(left: Left, recording: Recording | None) -> Call:
        if left.call.cassette:
            recording = _among(cassette(Path(left.call.cassette)), left)
        source = Source(recording, recording.identity.document) if recording else Source()
        return annotator.complete(left.call, source)

    return complete


def _cassette(path: Path) -> tuple[Recording, ...]:
    """What it holds now; nothing if it cannot be read."""
    with suppress(CassetteError, StoreError):
        return read_cassette(path, DEFAULT_KEYS)
    return ()


def _among(recordings: tuple[Recording, ...], left: Left) -> Recording | None:
    """The one that answered: of that key and moment, which cassettes have to the microsecond."""
    if left.answered_at is None:
        return None
    near = (one for one in recordings if one.identity.key == left.call.key)
    return next((one for one in near if abs(one.recorded_at - left.answered_at) < _MICROSECOND), None)
