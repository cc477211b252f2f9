"""What calls came to: how many of which outcome, how often nobody had to ask an upstream, and how long it took.

Latencies of hits and of calls that went upstream are never mixed: a percentile over both says nothing about either.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from chatreel.model import Outcome

DAY = 86_400

_FREE = frozenset({Outcome.HIT, Outcome.COALESCED})
_LOOKED_UP = _FREE | {Outcome.RECORDED, Outcome.REFUSED}
_UPSTREAM = frozenset({Outcome.RECORDED, Outcome.PASSED})


@dataclass(frozen=True, slots=True)
class Spread:
    """Latencies of some calls, in seconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What some calls came to."""

    outcomes: Mapping[Outcome, int]
    hits: Spread | None
    """Of the calls that were answered from the store; `None` if there were none."""
    upstream: Spread | None
    """Of those that an upstream answered."""

    @property
    def calls(self) -> int:
        return sum(self.outcomes.values())

    @property
    def hit_rate(self) -> float | None:
        """Hits and coalesced calls, as a part of those that were looked up: `passthrough` and failures do not count."""
        looked_up = sum(self.outcomes.get(outcome, 0) for outcome in _LOOKED_UP)
        return sum(self.outcomes.get(outcome, 0) for outcome in _FREE) / looked_up if looked_up else None


def percentile(ordered: Sequence[float], part: float) -> float:
    """The least value that at least this part of the values, in order and not none, does not exceed."""
    return ordered[max(ceil(part * len(ordered)), 1) - 1]


def figures(times: Iterable[tuple[Outcome, Sequence[float]]]) -> Figures:
    """Figures of calls, given as latencies by outcome; an outcome may come several times."""
    counts: Counter[Outcome] = Counter()
    hits: list[float] = []
    upstream: list[float] = []
    for outcome, latencies in times:
        counts[outcome] += len(latencies)
        if outcome is Outcome.HIT:
            hits += latencies
        elif outcome in _UPSTREAM:
            upstream += latencies
    return Figures(dict(counts), spread(hits), spread(upstream))


def spread(latencies: list[float]) -> Spread | None:
    """Of latencies in any order, which are put in order; `None` if there are none."""
    if not latencies:
        return None
    latencies.sort()  # runs that are in order already cost little
    return Spread(percentile(latencies, 0.5), percentile(latencies, 0.95))
