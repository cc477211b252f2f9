"""What a dashboard is about: a published file, and the store behind it, if that is at hand."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Concatenate, Final

from cachetools import LRUCache

from chatreel.analytics.logfile import LogFile, generation
from chatreel.budget import Budget
from chatreel.config import Settings
from chatreel.errors import StoreError
from chatreel.store.database import require_store
from chatreel.store.place import store_name

_REMEMBERED: Final = 400
"""Answers, over all visitors."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The file as it is while one page is drawn: what is asked of it fits together."""

    log: LogFile
    _answers: "LRUCache[object, Any]"
    _lock: Lock

    def ask[**P, T](self, question: Callable[Concatenate[LogFile, P], T], *args: P.args, **named: P.kwargs) -> T:
        """The answer to one of `chatreel.analytics.queries`, from memory if it was asked before of this very file.

        It is shared: do not change it.
        """
        key = (question, args, tuple(sorted(named.items())))
        return self.remembered(key, lambda: question(self.log, *args, **named))

    def remembered[T](self, key: object, work: Callable[[], T]) -> T:
        """What some work comes to, done once for this very file."""
        with self._lock:
            if (self.log.generation, key) in self._answers:
                known: T = self._answers[self.log.generation, key]
                return known
        answer = work()
        with self._lock:
            self._answers[self.log.generation, key] = answer
        return answer


class Source:
    """Used by the threads of all visitors."""

    def __init__(
        self,
        file: Path,
        settings: Settings | None = None,
        *,
        follows: bool = False,
        budgets: tuple[Budget, ...] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`settings`: of the store that the file comes from; `None` if it is not at hand.

        `follows`: whether somebody keeps the file fresh. `budgets`: those of the proxies that write.
        """
        self.file = file
        self.settings = settings
        self.follows = follows
        self.budgets = budgets
        self.trouble = ""
        """Why the file is no longer kept fresh; empty if it is."""
        self._clock = clock
        self._log: LogFile | None = None
        self._answers: LRUCache[object, Any] = LRUCache(_REMEMBERED)
        self._lock = Lock()

    def now(self) -> datetime:
        """UTC, without a zone, as the log has it."""
        return self._clock().astimezone(UTC).replace(tzinfo=None)

    @property
    def generation(self) -> tuple[int, int] | None:
        """What changes when the file is replaced."""
        return generation(self.file)

    def snapshot(self) -> Snapshot:
        """The file as it is now. Raises `ExportError` that says what is wrong with it."""
        with self._lock:
            if self._log is None or self._log.generation != self.generation:
                self._log = None
                self._log = LogFile(self.file)  # the old one is closed when the last page is done with it
            return Snapshot(self._log, self._answers, self._lock)

    @property
    def store(self) -> str:
        """The store as messages may name it; empty if it is not at hand."""
        return store_name(self.settings.store) if self.settings else ""

    def no_store(self) -> str:
        """Why there is nothing to export; empty if there is a store."""
        with suppress(StoreError):
            if self.settings:
                require_store(self.settings.store)
                return ""
        return f"There is no store at {self.store} yet." if self.settings else "No store was named."
