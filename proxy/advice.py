"""`chatreel suggest`: misses of the log, the recordings they only just missed, and rules that would have helped."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from rich.progress import track

from chatreel import talk
from chatreel.config import Settings
from chatreel.errors import Malformed, NotKeyable
from chatreel.explain import CANDIDATES, rank
from chatreel.model import Recording
from chatreel.money import Total, dollars
from chatreel.prices import Price, Prices
from chatreel.recovery import require_recovered
from chatreel.request import Keys, read_request
from chatreel.server import keys_for, open_store
from chatreel.store import Call, Store
from chatreel.suggest import EVIDENCE, Proposal, proposals
from chatreel.wire.codec import loads_object

COMPARED = 3
"""Recordings that a miss is compared with: the nearest."""


@dataclass(frozen=True, slots=True)
class _Miss:
    """A call that should have been a hit."""

    helpful: tuple[Proposal, ...]
    """The entries that it needs, all of them."""
    seconds: float = 0.0
    """Upstream."""
    paid: bool = False
    """Whether it cost anything: it went upstream, and the answer was no error."""
    price: Price | None = None


@dataclass(slots=True)
class Saving:
    """What an entry of `normalize` would have saved, alone or with others."""

    calls: int = 0
    seconds: float = 0.0
    """Upstream, of the calls that were recorded anew."""
    cost: Total = field(default_factory=Total)
    """Of these calls; refused ones cost nothing."""
    together_with: set[str] = field(default_factory=set)
    """Names of other entries that some of these calls need as well."""

    def count(self, miss: _Miss, others: set[str]) -> None:
        self.calls += 1
        self.seconds += miss.seconds
        self.together_with |= others
        if miss.paid:
            self.cost.add(miss.price)


@dataclass(frozen=True, slots=True)
class Advice:
    """What came of looking through the log."""

    misses: int
    """Calls that were looked at."""
    helped: int
    """Of these, those that would have been hits."""
    savings: dict[Proposal, Saving]
    """What saves the most comes first."""


async def advise(settings: Settings, limit: int) -> Advice:
    """Look through the newest misses of the log, `limit` of them at most. Raises `StoreError`."""
    require_recovered(settings.store)
    keys = keys_for(settings)
    prices = Prices(settings.price)
    found: list[_Miss] = []
    with closing(open_store(settings)) as store:
        misses = await store.calls.misses("", limit)
        for call in track(misses, "comparing", console=talk.console(), transient=True):
            own = await store.load(call.recording_id) if call.recording_id else None
            if helpful := await _helpful(store, keys, call, own):
                found.append(_miss(prices, helpful, own))
    return _advice(len(misses), found)


async def _helpful(store: Store, keys: Keys, call: Call, own: Recording | None) -> tuple[Proposal, ...]:
    """The entries by which an earlier recording would have answered a call; none if there is no such recording."""
    asked = _document(keys, call, own.request if own else call.request)
    if asked is None:
        return ()
    earlier = [
        one
        for one in await store.near(call.cassette, asked, CANDIDATES)
        if one.model == call.model and one.recorded_at < call.started_at
    ]
    for place in rank(asked, [one.document for one in earlier])[:COMPARED]:
        recording = await store.load(earlier[place].id)
        recorded = _document(keys, recording, recording.request)
        if recorded == asked:
            return ()  # by the rules of today it is a hit
        if recorded and (helpful := proposals(asked, recorded)):
            return helpful
    return ()


def _miss(prices: Prices, helpful: tuple[Proposal, ...], own: Recording | None) -> _Miss:
    """`own`: what was recorded anew, if anything."""
    if own is None or not own.completion:
        return _Miss(helpful, own.duration if own else 0.0)
    completion = loads_object(own.completion)
    quoted = prices.quote_completion(completion, own.upstream + own.path, own.recorded_at, asked=own.model)
    return _Miss(helpful, own.duration, paid=True, price=quoted if isinstance(quoted, Price) else None)


def _document(keys: Keys, route: Call | Recording, request: bytes | None) -> bytes | None:
    """The canonical document by the rules of today; `None` if there is none, or no request was kept."""
    try:
        return keys.identify(route, read_request(request)).document if request is not None else None
    except (Malformed, NotKeyable):
        return None


def _advice(misses: int, found: list[_Miss]) -> Advice:
    """Leave out what was made up for a few calls only, and with it what needs it."""
    support: defaultdict[Proposal, int] = defaultdict(int)
    for miss in found:
        for one in miss.helpful:
            support[one] += 1
    kept = [miss for miss in found if all(support[one] >= EVIDENCE for one in miss.helpful if one.made_up)]
    savings: defaultdict[Proposal, Saving] = defaultdict(Saving)
    for miss in kept:
        for one in miss.helpful:
            savings[one].count(miss, {other.name for other in miss.helpful} - {one.name})
    ordered = sorted(savings.items(), key=lambda entry: (-entry[1].calls, entry[0]))
    return Advice(misses, len(kept), dict(ordered))


def as_toml(advice: Advice) -> Iterator[str]:
    """Yield lines to paste into chatreel.toml."""
    for proposal, saving in advice.savings.items():
        others = (
            f", some of them together with {', '.join(sorted(saving.together_with))}" if saving.together_with else ""
        )
        yield f"# {_calls(saving.calls)} would have been hits{others}: {_saved(saving)}"
        yield "[[normalize]]"
        for name, value in (("name", proposal.name), ("pointer", proposal.pointer), ("pattern", proposal.pattern)):
            if value:
                yield f"{name} = {_toml(value)}"
        yield ""


def _saved(saving: Saving) -> str:
    """Time and money; what is not known is said, and never 0."""
    known = "" if saving.cost.usd is None else f" and {dollars(saving.cost.usd)}"
    unknown = f"; the price of {_calls(saving.cost.unpriced)} is not known" if saving.cost.unpriced else ""
    return f"{saving.seconds:.1f} seconds{known} upstream saved{unknown}"


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number:,} calls"


def as_json(advice: Advice) -> dict[str, Any]:
    """The same for programs."""
    return {
        "misses": advice.misses,
        "helped": advice.helped,
        "rules": [
            {
                "name": proposal.name,
                "pointer": proposal.pointer or None,
                "pattern": proposal.pattern or None,
                "calls": saving.calls,
                "seconds": round(saving.seconds, 3),
                "usd": None if saving.cost.usd is None else float(saving.cost.usd),
                "unpriced": saving.cost.unpriced,
                "together_with": sorted(saving.together_with),
            }
            for proposal, saving in advice.savings.items()
        ],
    }


def _toml(text: str) -> str:
    """A literal string keeps backslashes as they are; it cannot hold an apostrophe, which a basic string can."""
    return f"'{text}'" if "'" not in text else json.dumps(text)
