"""What a session remembers of its calls, within bounds."""

from collections import deque
from dataclasses import dataclass, field

from chatreel.model import Outcome

CALLS = 1_000
"""Calls that are remembered whole, the newest; as many refusals and failures, the first."""

BYTES = 16_000_000
"""Of request bodies that are remembered."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call, as its session remembers it."""

    call_id: str
    outcome: Outcome
    status: int | None
    """What the client got; `None` if it got no response."""
    model: str
    stream: bool
    key: str | None
    take: int | None
    """Number of the take that was served, from 1."""
    latency: float
    """Seconds."""
    reason: str
    code: str
    """Of the error, if it was refused."""
    sent: bytes = field(repr=False)
    """Request body."""
    recording_id: int | None
    """Served or made by the call."""


class Journal:
    """Calls in order of arrival, and what a verdict has to name."""

    def __init__(self, *, keeps_calls: bool) -> None:
        """`keeps_calls`: whether anybody may ask for the calls one by one."""
        self.calls: deque[Entry] = deque()
        self.refusals: list[Entry] = []
        self.failures: list[Entry] = []
        self.used: set[int] = set()
        """Recordings that were served or made, where calls are kept."""
        self.aged: set[int] = set()
        """Recordings that were served although they are older than `max_age`."""
        self._keeps_calls = keeps_calls
        self._bytes = 0
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def warn(self, text: str) -> bool:
        """Remember a warning; whether it is a new one."""
        if text in self._warnings or len(self._warnings) >= CALLS:
            return False
        self._warnings[text] = None
        return True

    def wants(self, outcome: Outcome) -> bool:
        """Whether a call that came to this is remembered at all."""
        return self._keeps_calls or outcome in (Outcome.REFUSED, Outcome.FAILED)

    def add(self, entry: Entry) -> None:
        named = {Outcome.REFUSED: self.refusals, Outcome.FAILED: self.failures}.get(entry.outcome)
        if named is not None and len(named) < CALLS:
            named.append(entry)
        if not self._keeps_calls:
            return
        if entry.recording_id is not None:
            self.used.add(entry.recording_id)
        self.calls.append(entry)
        self._bytes += len(entry.sent)
        while len(self.calls) > CALLS or (self._bytes > BYTES and len(self.calls) > 1):
            self._bytes -= len(self.calls.popleft().sent)
