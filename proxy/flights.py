"""Identical calls in flight: one goes upstream, the others wait for its recording."""

import asyncio
from collections.abc import Callable

from chatreel.model import Replayable

PATIENCE = 300.0
"""Seconds that a call waits for another's answer, in all; then it goes upstream by itself."""

ROUNDS = 2
"""Calls that are waited for in turn. Where those fail, the upstream fails: everybody asks it at once, not in a row."""


class Flight:
    """One call upstream that others wait for."""

    def __init__(self, landed: Callable[["Flight", Replayable | None], None]) -> None:
        self._landed = landed
        self._result: asyncio.Future[Replayable | None] = asyncio.get_running_loop().create_future()

    def land(self, recording: Replayable | None) -> None:
        """Tell those who wait what was recorded; `None` if nothing was. Only the first time counts."""
        if not self._result.done():
            self._result.set_result(recording)
            self._landed(self, recording)

    def when_landed(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once there is a result, soon."""
        self._result.add_done_callback(lambda _: callback())

    async def wait(self, seconds: float) -> Replayable | None:
        """What was recorded; `None` if nothing was, or not in time."""
        done, _ = await asyncio.wait([self._result], timeout=seconds)
        return self._result.result() if done else None


class Flights:
    """The calls of one session that are upstream, by key."""

    def __init__(self) -> None:
        self._in_the_air: dict[str, Flight] = {}
        self.landings = 0
        """How many have brought a recording: whoever looked one up before may look again."""

    def of(self, key: str) -> Flight | None:
        """The call with that key that is upstream."""
        return self._in_the_air.get(key)

    def lead(self, key: str) -> Flight:
        """Be the call that goes upstream. Whoever leads lands."""

        def landed(flight: Flight, recording: Replayable | None) -> None:
            if self._in_the_air.get(key) is flight:
                del self._in_the_air[key]
            self.landings += recording is not None

        flight = self._in_the_air[key] = Flight(landed)
        return flight
