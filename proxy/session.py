"""One run's view of a store: its cassette, its mode, which take comes next, and what it all amounted to."""

from collections import Counter
from dataclasses import dataclass, field

from chatreel.model import Mode, Outcome


@dataclass(slots=True)
class Tally:
    """What a session's calls came to."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    seconds_saved: float = 0.0
    """Time the recorded answers took upstream, less the time their replays took."""

    @property
    def calls(self) -> int:
        return self.outcomes.total()

    def count(self, outcome: Outcome, *, seconds_saved: float = 0.0) -> None:
        self.outcomes[outcome] += 1
        self.seconds_saved += max(0.0, seconds_saved)


class Session:
    """Repeats are told apart here: one key may hold several takes.

    `replay` hands them out in recorded order and then repeats the last one, so that an agent that polls sees what it
    saw. The other modes serve the newest.
    """

    def __init__(self, mode: Mode, *, cassette: str = "") -> None:
        self.mode = mode
        self.cassette = cassette
        self.tally = Tally()
        self._served: Counter[str] = Counter()

    def choose_take(self, key: str, takes: tuple[int, ...]) -> int:
        """The recording to serve next, of the ids of all takes in recorded order (not empty)."""
        if self.mode is not Mode.REPLAY:
            return takes[-1]
        return takes[min(self._served[key], len(takes) - 1)]

    def served(self, key: str) -> None:
        """A take of `key` has been served: the next one's turn. One that could not be served keeps its turn."""
        self._served[key] += 1
