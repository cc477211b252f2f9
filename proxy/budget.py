"""A limit on what is spent upstream: how much, for how long, of which calls, and whether the next one may go there.

    budget = parse_budget("team=search:5.00/day", unpriced="refuse")
    allowance = Allowance(budget, now=...)
    what the log says of this period:   allowance.learn(spent, unpriced, now)
    before a miss goes upstream:        verdict = allowance.check(now, priced=prices.knows(...))
    when its answer is complete:        allowance.spend(price.usd if price else None, now)

Hits are served whatever it says. What is in flight is not counted, for nobody knows what it will cost: so many calls at
once may overrun the budget by what they cost together. A call counts for the day on which its answer is complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from chatreel.money import dollars
from chatreel.tags import parse_tag

_DAY: Final = 86_400
_MONDAY: Final = 3
"""Days from the last Monday before the epoch, which was a Thursday."""


class Period(StrEnum):
    """For how long an amount has to last."""

    RUN = "run"
    """From start to end of the program or the session."""
    DAY = "day"
    """From midnight to midnight, UTC."""
    WEEK = "week"
    """From Monday to Monday."""
    MONTH = "month"

    def begin(self, now: float) -> float:
        """When the one began that `now` is in, both in seconds since the epoch; 0 for a run, of which there is one."""
        day = int(now // _DAY)
        match self:
            case Period.RUN:
                return 0.0
            case Period.DAY:
                return float(day * _DAY)
            case Period.WEEK:
                return float((day - (day + _MONDAY) % 7) * _DAY)
            case Period.MONTH:
                return float((day - datetime.fromtimestamp(now, UTC).day + 1) * _DAY)

    def end(self, begin: float) -> float | None:
        """When the one ends that began then; `None` for a run, which no clock ends."""
        days = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 32}.get(self)  # 32 days on it is always the next month
        return None if days is None else self.begin(begin + days * _DAY)


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
    tag: tuple[str, str] | None = None
    """Of the calls that it is for; `None`: for all."""

    def __str__(self) -> str:
        whose = f" for {'='.join(self.tag)}" if self.tag else ""
        return f"{dollars(self.amount)} a {self.period}{whose}"

    @property
    def of_unpriced(self) -> str:
        """What a call of unknown price counts as, said to a person."""
        worth = dollars(self.unpriced) if isinstance(self.unpriced, Decimal) else "nothing"
        return f"a call of unknown price counts as {worth} against the budget of {self}"

    def covers(self, tags: Mapping[str, str]) -> bool:
        """Whether a call with these tags is paid from it."""
        return self.tag is None or tags.get(self.tag[0]) == self.tag[1]


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
    """Read `5.00/day` or `team=search:2.00/week`. Raises `ValueError` that says how.

    unpriced: `warn`, `refuse`, or USD per call.
    """
    whose, _, limit = text.strip().rpartition(":")
    amount, _, period = limit.partition("/")
    if period.strip() not in set(Period):
        raise ValueError(
            "a budget is an amount in USD for a run, day, week or month, as in 5.00/day, with the tag of the calls it "
            f"is for before it if it is not for all, as in team=search:2.00/day; not {text!r}"
        )
    tag = parse_tag(whose) if whose else None
    return Budget(_usd(amount, "an amount in USD"), Period(period.strip()), parse_unpriced(unpriced), tag)


def parse_unpriced(text: str) -> Unknown | Decimal:
    """Read `warn`, `refuse`, or USD per call. Raises `ValueError`."""
    return Unknown(text) if text in set(Unknown) else _usd(text, "warn, refuse or USD per call")


class Allowance:
    """What is left of a budget: told the time, and of each call made upstream. Used by one thread at a time."""

    def __init__(self, budget: Budget, *, now: float) -> None:
        """`now`: seconds since the epoch."""
        self.budget = budget
        self._begin = budget.period.begin(now)
        self._spent = Decimal(0)
        self._unpriced = 0

    def __str__(self) -> str:
        unpriced = f", and {self._unpriced:,} calls of unknown price" if self._unpriced else ""
        return f"{self.budget}, {dollars(self._spent)} of it spent{unpriced}"

    def spend(self, usd: Decimal | None, now: float) -> None:
        """Count one call that was made upstream; `None`: its price is not known."""
        self._turn_over(now)
        self._spent += self._worth(1) if usd is None else usd
        self._unpriced += usd is None

    def learn(self, spent: Decimal, unpriced: int, now: float) -> None:
        """What a log says of this period: USD, and calls without a price.

        It knows what was spent before, and what others spend; but not yet of the last calls that were counted here.
        """
        self._turn_over(now)
        self._spent = max(self._spent, spent + self._worth(unpriced))
        self._unpriced = max(self._unpriced, unpriced)

    def check(self, now: float, *, priced: bool = True) -> Verdict:
        """Whether one more call may go upstream; priced: whether it will be known what it costs."""
        self._turn_over(now)
        reset = self.budget.period.end(self._begin)
        spent = self._spent >= self.budget.amount
        unknown = not priced and self.budget.unpriced is Unknown.REFUSE
        reason = ""
        if spent:
            reason = f"the budget of {self.budget} is spent: {dollars(self._spent)} so far; {_when(reset)}"
        elif unknown:
            reason = f"what this call would cost is not known, and the budget of {self.budget} refuses such calls"
        return Verdict(not reason, self._spent, self._unpriced, reset if spent else None, reason)

    def _worth(self, unpriced: int) -> Decimal:
        """What so many calls of unknown price count as."""
        each = self.budget.unpriced
        return each * unpriced if isinstance(each, Decimal) else Decimal(0)

    def _turn_over(self, now: float) -> None:
        """A clock that is set back gives nothing back."""
        begin = self.budget.period.begin(now)
        if begin > self._begin:
            self._begin, self._spent, self._unpriced = begin, Decimal(0), 0


def _when(reset: float | None) -> str:
    if reset is None:
        return "a new run starts a new one"
    return f"it starts anew at {datetime.fromtimestamp(reset, UTC):%Y-%m-%d %H:%M} UTC"


def _usd(text: str, what: str) -> Decimal:
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{text!r} is not {what}")
    return amount
