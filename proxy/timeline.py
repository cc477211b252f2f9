"""When the pieces of a response arrived, as a person reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatreel.model import Piece

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Arrival of a response; seconds from the request going upstream."""

    first: float
    """Of the first piece."""
    duration: float
    """Until the last one."""
    pieces: int
    gaps: tuple[float, ...]
    """Between a piece and the one before it."""

    @property
    def longest_gap(self) -> float:
        return max(self.gaps, default=0.0)


def timeline(pieces: Sequence[Piece]) -> Timeline:
    """The timeline of a body that arrived in these pieces, in order."""
    if not pieces:
        return Timeline(0.0, 0.0, 0, ())
    gaps = tuple(later.at - earlier.at for earlier, later in pairwise(pieces))
    return Timeline(pieces[0].at, pieces[-1].at, len(pieces), gaps)


def sparkline(values: Sequence[float], width: int) -> str:
    """Bars for `values` in order, `width` of them at most: each is as high as the greatest value it stands for."""
    if not values or width < 1:
        return ""
    count = min(width, len(values))
    highest = [max(values[i * len(values) // count : (i + 1) * len(values) // count]) for i in range(count)]
    top = max(highest)
    if top <= 0:
        return _BARS[0] * count
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in highest)
