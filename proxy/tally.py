"""What calls came to, in numbers."""

from collections import Counter
from dataclasses import dataclass, field

from chatreel.model import Outcome
from chatreel.money import Account


@dataclass(slots=True)
class Tally:
    """What the calls of a session, or of all of them, came to."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    seconds_saved: float = 0.0
    """Time the recorded answers took upstream, less the time their replays took."""
    account: Account = field(default_factory=Account)
    """Filled a little later than the rest: see `chatreel.recorder.logbook`."""

    @property
    def calls(self) -> int:
        return self.outcomes.total()

    def count(self, outcome: Outcome, *, seconds_saved: float = 0.0) -> None:
        self.outcomes[outcome] += 1
        self.seconds_saved += max(0.0, seconds_saved)

    def add(self, other: "Tally") -> None:
        self.outcomes.update(other.outcomes)
        self.seconds_saved += other.seconds_saved
        self.account.add(other.account)
