"""What calls came to in money: totals in which an unknown price is counted, and never 0."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from chatreel.model import SERVED, UPSTREAM, Outcome
from chatreel.rates import Price


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
        self.count(None if price is None else price.usd)

    def count(self, usd: Decimal | None, times: int = 1) -> None:
        """The same of so many alike, each of so many USD."""
        if usd is None:
            self.unpriced += times
        else:
            self.priced += times
            self.known += usd * times

    @classmethod
    def of(cls, nanodollars: int, priced: int, unpriced: int) -> Self:
        """Of so many calls, whose known prices come to so many billionths of a USD."""
        return cls(Decimal(nanodollars).scaleb(-9), priced, unpriced)

    def merge(self, other: "Total") -> None:
        self.known += other.known
        self.priced += other.priced
        self.unpriced += other.unpriced

    @property
    def usd(self) -> Decimal | None:
        """What to show: `known`, or `None` if there were calls and not one of them has a price."""
        return None if self.unpriced and not self.priced else self.known


@dataclass(slots=True)
class Account:
    """Both sides: what was paid upstream, and what would have been had nothing been recorded.

    Pricing takes 0.1 ms a call, so a thread beside the hot path fills it; whoever reads it sees whole calls.
    """

    spent: Total = field(default_factory=Total)
    saved: Total = field(default_factory=Total)

    @property
    def unpriced(self) -> int:
        """Calls on either side whose price is not known."""
        return self.spent.unpriced + self.saved.unpriced

    def count(self, outcome: Outcome, usd: Decimal | None, times: int = 1) -> None:
        """Add so many answered calls: the price of each upstream, also where nothing was paid; `None`: not known."""
        if outcome in SERVED:
            self.saved.count(usd, times)
        elif outcome in UPSTREAM:
            self.spent.count(usd, times)

    def add(self, other: "Account") -> None:
        self.spent.merge(other.spent)
        self.saved.merge(other.saved)


def dollars(usd: Decimal) -> str:
    """As a person reads it: cents from a dollar on, else two digits that say something. `$12.30`, `$0.0057`, `$0`."""
    if usd == 0:
        return "$0"
    places = 2 if usd >= 1 else max(2, 1 - usd.adjusted())
    return f"${usd:,.{places}f}"
