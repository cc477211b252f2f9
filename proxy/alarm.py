"""Warnings that come at once, and then once a minute as long as their cause lasts: not once for each call."""

import logging
import time
from collections.abc import Callable

AGAIN = 60.0
"""Seconds."""

_CAUSES = 100
"""Different ones that are told apart."""


class Alarm:
    """One thing that can be wrong. Used by one thread at a time."""

    def __init__(
        self, logger: logging.Logger, level: int, text: str, over: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`text`: what is wrong, with `%s` for the cause. `over`: said when it works again, with `%d` for how often."""
        self._logger = logger
        self._level = level
        self._text = text
        self._over = over
        self._clock = clock
        self._said: dict[str, float] = {}
        self._count = 0
        self._unsaid = 0

    def ring(self, cause: object) -> None:
        """It has happened."""
        self._count += 1
        now, name = self._clock(), str(cause)
        if now - self._said.get(name, -AGAIN) < AGAIN:
            self._unsaid += 1
            return
        if len(self._said) >= _CAUSES:
            self._said.clear()
        self._said[name] = now
        more = f" (and {self._unsaid} times more since it was last said)" if self._unsaid else ""
        self._unsaid = 0
        self._logger.log(self._level, self._text + more, name)

    def rest(self) -> None:
        """It works. Cheap where it has always worked."""
        if self._count:
            self._logger.warning(self._over, self._count)
            self._said.clear()
            self._count = self._unsaid = 0
