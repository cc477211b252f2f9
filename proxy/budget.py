"""A limit on what is spent upstream: how much, for how long, and whether the next call may go there.

    budget = parse_budget("5.00/day", unpriced="refuse")
    allowance = Allowance(budget, now=..., spent=what the log says of today)
    before a miss goes upstream:   verdict = allowance.check(now, priced=prices.knows(...))
    when its answer is complete:   allowance.spend(price.usd if price else None, now)

Hits are served whatever it says. What is in flight is not counted, for nobody knows what it will cost: so many calls at
once may overrun the budget by what they cost together. A call counts for the day on which its answer is complete.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from chatreel.money import dollars

_DAY: Final = 86_400


class Period(StrEnum):
    """For how long an amount has to last."""

    RUN = "run"
    """From start to end of the program or the session."""
    DAY = "day"
    """From midnight to midnight, UTC."""


class Unknown(StrEnum):
    """What a call counts as whose price is not known."""

    WARN = "warn"
    """As nothing; the calls are counted, so that it can be said."""
    REFUSE = "refuse"
    """It may not be made."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit, as configured."""

    amount: Decimal
    """USD."""
    period: Period
    unpriced: Unknown | Decimal = Unknown.WARN
    """What a call of unknown price counts as: see `Unknown`, or so many USD."""

    def __str__(self) -> str:
        return f"{dollars(self.amount)} a {self.period}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the next call may go upstream."""

    allowed: bool
    spent: Decimal
    """USD in this period."""
    unpriced: int
    """Calls of this period whose price is not known."""
    resets_at: float | None
    """Seconds since the epoch; `None` if waiting does not help."""
    reason: str
    """Why not, for the error's message; empty if it may."""


def parse_budget(text: str, unpriced: str = Unknown.WARN) -> Budget:
    """Read `5.00/day` or `5.00/run`; unpriced: `warn`, `refuse`, or USD per call. Raises `ValueError` that says how."""
    amount, _, period = text.strip().partition("/")
    if period.strip() not in set(Period):
        raise ValueError(f"a budget is an amount in USD for a day or a run, as in 5.00/day or 1/run, not {text!r}")
    counts_as = Unknown(unpriced) if unpriced in set(Unknown) else _usd(unpriced, "warn, refuse or USD per call")
    return Budget(_usd(amount, "an amount in USD"), Period(period.strip()), counts_as)


class Allowance:
    """What is left of a budget. Told the time, and of every call that was made upstream."""

    def __init__(self, budget: Budget, *, now: float, spent: Decimal = Decimal(0), unpriced: int = 0) -> None:
        """`now`: seconds since the epoch. `spent`, `unpriced`: of this period so far; after a restart the log knows."""
        self.budget = budget
        self._day = _midnight(now)
        self._spent = spent
        self._unpriced = unpriced

    def spend(self, usd: Decimal | None, now: float) -> None:
        """Count one call that was made upstream; `None`: its price is not known."""
        self._turn_over(now)
        if usd is None:
            self._unpriced += 1
            usd = self.budget.unpriced if isinstance(self.budget.unpriced, Decimal) else Decimal(0)
        self._spent += usd

    def check(self, now: float, *, priced: bool = True) -> Verdict:
        """Whether one more call may go upstream; priced: whether it will be known what it costs."""
        self._turn_over(now)
        reset = self._day + _DAY if self.budget.period is Period.DAY else None
        spent = self._spent >= self.budget.amount
        unknown = not priced and self.budget.unpriced is Unknown.REFUSE
        reason = ""
        if spent:
            reason = f"the budget of {self.budget} is spent: {dollars(self._spent)} so far; {_when(reset)}"
        elif unknown:
            reason = f"what this call would cost is not known, and the budget of {self.budget} refuses such calls"
        return Verdict(not reason, self._spent, self._unpriced, reset if spent else None, reason)

    def _turn_over(self, now: float) -> None:
        """A clock that is set back gives nothing back."""
        day = _midnight(now)
        if self.budget.period is Period.DAY and day > self._day:
            self._day, self._spent, self._unpriced = day, Decimal(0), 0


def _when(reset: float | None) -> str:
    if reset is None:
        return "a new run starts a new one"
    return f"it starts anew at {datetime.fromtimestamp(reset, UTC):%Y-%m-%d %H:%M} UTC"


def _midnight(now: float) -> float:
    """The last one, UTC."""
    return now // _DAY * _DAY


def _usd(text: str, what: str) -> Decimal:
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{text!r} is not {what}")
    return amount
