"""What is in memory of recordings: the takes of keys, and the answers of those that are asked for again."""

from collections.abc import Callable

from chatreel.generations import Generations, Marks
from chatreel.model import Replayable, Take

_SIZE_OF_TAKES = 400
"""Bytes that the takes of a key take; most have one."""

type Name = tuple[str, str]
"""Cassette and key."""


class Remembered:
    """Of one event loop."""

    def __init__(self, takes: int, answers: int, aside: Callable[[Callable[[], object]], object]) -> None:
        """`takes`, `answers`: bytes of either. `aside` does what takes a while in a thread of its own."""
        self._aside = aside
        self._takes: dict[Name, tuple[int, tuple[Take, ...]]] = {}
        """With the era that they are of: those of an earlier one are not believed."""
        self._most_takes = takes // _SIZE_OF_TAKES
        self._era = 0
        self._came = Marks()
        """Names: what is asked for but once is not remembered."""
        self._returns = False
        """Whether the one whose takes were asked for last had come before."""
        self._answers: Generations[int, Replayable] = Generations(answers, _memory_size)
        self.doubts = 0
        """How often something that is known may have become wrong."""

    def takes(self, name: Name) -> tuple[Take, ...] | None:
        """Those that are known; `None` if they have to be looked up."""
        known = self._takes.get(name)
        if known is None or known[0] != self._era:
            return None
        self._returns = True
        return known[1]

    def found(self, name: Name, takes: tuple[Take, ...]) -> None:
        """They were looked up: they are remembered from the second time on, and the answer that is read next."""
        self._returns = bool(takes) and self._came.again(name)
        if self._returns:
            self.remember(name, takes)

    def remember(self, name: Name, takes: tuple[Take, ...]) -> None:
        """From now on `takes` says these."""
        if len(self._takes) >= self._most_takes:
            self._aside(self._takes.clear)
            self._takes = {}
        self._takes[name] = (self._era, takes)

    def answer(self, recording_id: int) -> Replayable | None:
        """What a hit needs of a recording, if it is here."""
        return self._answers.get(recording_id)

    def read(self, recording: Replayable) -> None:
        """It was read for the name whose takes were asked for last."""
        if self._returns:
            self.keep(recording)

    def keep(self, recording: Replayable) -> None:
        """From now on `answer` says this."""
        self._answers.put(recording.id, recording)

    def added(self, name: Name) -> None:
        """There is a new take."""
        self.doubts += 1
        self._takes.pop(name, None)

    def doubt(self) -> None:
        """What is known of keys may have become wrong."""
        self.doubts += 1
        self._era += 1

    def gone(self, recording_id: int) -> None:
        """A recording was removed."""
        self._answers.forget(recording_id)

    def forget(self) -> None:
        """Others have removed recordings, nobody knows which."""
        self.doubt()
        gone, self._answers = self._answers, Generations(self._answers.limit, _memory_size)
        self._aside(gone.clear)


def _memory_size(recording: Replayable) -> int:
    apart = 200 * len(recording.headers) + 130 * len(recording.pieces)
    return 1_000 + apart + len(recording.body) + len(recording.completion)
