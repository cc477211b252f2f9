"""Keeping the published file fresh while proxies write: look, and export if there is something new."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final

from chatreel.analytics.export import Exported, export
from chatreel.analytics.workfile import Busy
from chatreel.errors import StoreError
from chatreel.recovery import recover
from chatreel.store.extract import LogReader

REST: Final = 20
"""Times as long as an export took, nothing is done after it: a file of gigabytes is not copied all the time."""
MOST: Final = 60.0
"""Seconds of rest, if `every` is not more: so fresh is a file of whatever size."""

logger = logging.getLogger(__name__)


def follow(
    store: str,
    out: Path,
    *,
    every: float,
    stop: Event,
    parquet: Path | None = None,
    report: Callable[[Exported], None] = lambda _done: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Export what is new every so many seconds until `stop` is set. `report` is told of what changed something.

    After a long export it rests longer, see `REST`; not after the first, which moves all there is and loads what that
    needs, and says nothing about the next. A store that cannot be read for a while, and another export to the same
    file, are waited for. Raises `ExportError`.
    """
    seen: Exported | None = None
    complained = False
    while not stop.is_set():
        rest = 0.0
        try:
            if seen is None or not out.exists() or _is_news(store, seen):
                first, started = seen is None, clock()
                seen = export(store, out, parquet=parquet)
                took = clock() - started
                rest = 0.0 if first else min(MOST, REST * took)
                if seen.published or seen.files:
                    report(seen)
            complained = False
        except (Busy, StoreError) as error:
            if not complained:
                logger.warning("%s", error)
            complained = True
        stop.wait(max(every, rest))


def _is_news(store: str, seen: Exported) -> bool:
    reader = LogReader(store)
    recover(store)
    try:
        extent = reader.extent(seen.last_id)
    finally:
        reader.close()
    return extent.rows > 0 or extent.repriced != seen.repriced
