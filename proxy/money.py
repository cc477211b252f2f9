"""What calls came to in money: totals in which an unknown price is counted, and never 0."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from chatreel.model import Outcome
from chatreel.rates import Price
from chatreel.tokens import Tokens


@dataclass(slots=True)
class Total:
    """Calls, and what they cost as far as that is known."""

    known: Decimal = Decimal(0)
    """USD, exact, of the priced calls."""
    priced: int = 0
    unpriced: int = 0
    """Calls that cost something nobody knows."""

    def add(self, price: Price | None) -> None:
        """Count one call. `None`: it costs something, and what is not known."""
        if price is None:
            self.unpriced += 1
        else:
            self.priced += 1
            self.known += price.usd

    @property
    def usd(self) -> Decimal | None:
        """What to show: `known`, or `None` if there were calls and not one of them has a price."""
        return None if self.unpriced and not self.priced else self.known


@dataclass(slots=True)
class Account:
    """Both sides: what was paid upstream, and what would have been had nothing been recorded."""

    spent: Total = field(default_factory=Total)
    saved: Total = field(default_factory=Total)
    prompt_tokens: int = 0
    """Of answers from upstream, as far as they were reported; so is the next."""
    completion_tokens: int = 0

    @property
    def unpriced(self) -> int:
        """Calls on either side whose price is not known."""
        return self.spent.unpriced + self.saved.unpriced


_UPSTREAM: Final = frozenset({Outcome.RECORDED, Outcome.PASSED, Outcome.FAILED})
"""Outcomes that somebody was paid for, if there was an answer."""
_SPARED: Final = frozenset({Outcome.HIT, Outcome.COALESCED})


class Spend:
    """The running total of a session, in all and by model. Told of every call once, when it is over.

    A verdict's members are `whole.spent.usd`, `whole.saved.usd` and `whole.unpriced`. Pricing takes 0.1 ms a call, so
    whoever fills this does it off the hot path; `count` itself only adds.
    """

    def __init__(self) -> None:
        self.whole = Account()
        self.by_model: defaultdict[str, Account] = defaultdict(Account)

    def count(self, outcome: Outcome, model: str, tokens: Tokens | None, price: Price | None) -> None:
        """Add one call.

        model: as the answer names it, else as it was asked for. tokens: of the answer, that of the recording for a call
        served from one; `None` if there was no completion, only an error, and so nothing to pay. `Tokens()` says that
        there was one, or the beginning of one, without usage. price: what these tokens cost upstream at the time of the
        call, also where nothing was paid; `None` if that is not known.
        """
        if tokens is None or outcome is Outcome.REFUSED:
            return
        for account in (self.whole, self.by_model[model]):
            if outcome in _SPARED:
                account.saved.add(price)
            elif outcome in _UPSTREAM:
                account.spent.add(price)
                account.prompt_tokens += tokens.prompt or 0
                account.completion_tokens += tokens.completion or 0


def dollars(usd: Decimal) -> str:
    """As a person reads it: cents from a dollar on, else two digits that say something. `$12.30`, `$0.0057`, `$0`."""
    if usd == 0:
        return "$0"
    places = 2 if usd >= 1 else max(2, 1 - usd.adjusted())
    return f"${usd:,.{places}f}"
