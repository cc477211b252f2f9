"""One run's view of a store: its cassette, its mode, which take comes next, and what it all amounted to."""

from collections import Counter
from dataclasses import dataclass, field

from chatreel.model import Mode, Outcome, Take, WireForm


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
        self._served: Counter[tuple[str, WireForm | None]] = Counter()

    def choose_take(self, key: str, takes: tuple[Take, ...], form: WireForm) -> Take:
        """The recording to serve next, of all takes in recorded order (not empty).

        Where both wire forms were recorded, those in the form that is asked for take turns among themselves (Q78).
        """
        alike = tuple(take for take in takes if take.form is form)
        if self.mode is not Mode.REPLAY:
            return (alike or takes)[-1]
        turn = self._served[key, form] if alike else self._served[key, None]
        among = alike or takes
        return among[min(turn, len(among) - 1)]

    def served(self, key: str, form: WireForm) -> None:
        """`key` has been answered in `form`: the next one's turn. One that could not be served keeps its turn."""
        self._served[key, form] += 1
        self._served[key, None] += 1
