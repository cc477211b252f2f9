"""How far budgets are spent, as the proxy counts it, and when they will be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from chatreel.analytics.filters import Filter
from chatreel.analytics.forecast import to_come
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries.money import spent_by_day
from chatreel.budget import Allowance, Budget, Period


@dataclass(frozen=True, slots=True)
class Outlook:
    """A budget on its way. It is about the calls that the budget is for, whatever is looked at."""

    budget: Budget
    spent: Decimal
    """USD in the period that is running, calls of unknown price as the budget counts them."""
    unpriced: int
    """Calls of unknown price in it."""
    is_spent: bool
    """Whether misses are refused now."""
    ends: datetime
    """When it starts anew, UTC."""
    foreseen: bool
    """Whether there are two weeks of calls to judge by."""
    reached: date | None
    """The day on which it will be spent as things go; `None` if none before its end will do that."""


def covered(budget: Budget) -> Filter:
    """Which calls are paid from it."""
    return Filter(tags=(budget.tag,) if budget.tag else ())


def outlook(log: LogFile, budget: Budget, now: datetime) -> Outlook | None:
    """Where a budget stands, `now` UTC without a zone. `None` for one of a run: a log does not know when one began."""
    moment = now.replace(tzinfo=UTC).timestamp()
    begin = budget.period.begin(moment)
    end = budget.period.end(begin)
    if end is None:
        return None
    allowance = Allowance(budget, now=moment)
    allowance.learn(*_spent(log, budget, datetime.fromtimestamp(begin, UTC).replace(tzinfo=None)), moment)
    verdict = allowance.check(moment)
    ends = datetime.fromtimestamp(end, UTC).replace(tzinfo=None)
    days = spent_by_day(log, covered(budget), now.date())
    coming = to_come(days, now.date(), (ends - timedelta(days=1)).date())
    reached, total = None, verdict.spent
    for day, usd in (coming or {}).items():
        total += Decimal(usd)
        if reached is None and total >= budget.amount:
            reached = day
    return Outlook(budget, verdict.spent, verdict.unpriced, not verdict.allowed, ends, coming is not None, reached)


def allowed_by(budget: Budget, days: Sequence[datetime]) -> list[Decimal] | None:
    """The most that could be spent from the first of these days, UTC, to the end of each; `None` for one of a run."""
    if budget.period is Period.RUN:
        return None
    begins = [budget.period.begin(day.replace(tzinfo=UTC).timestamp()) for day in days]
    return [budget.amount * len({*begins[: number + 1]}) for number in range(len(begins))]


def _spent(log: LogFile, budget: Budget, begin: datetime) -> tuple[Decimal, int]:
    """USD and calls of unknown price, of the calls that were over then or later; none takes a day."""
    about = covered(budget)
    query = f"""
    SELECT coalesce(sum(cost_nusd), 0),
     count(*) FILTER (unpriced IS NOT NULL OR cost_nusd IS NULL AND outcome <> 'failed')
    FROM calls WHERE {about.where} AND outcome IN ('recorded', 'passed', 'failed')
     AND started_at >= $begin - INTERVAL 1 DAY AND started_at + to_microseconds((latency_ms * 1000)::BIGINT) >= $begin
    """
    [(known, unpriced)] = log.rows(query, about.values | {"begin": begin})
    return Decimal(int(known)).scaleb(-9), int(unpriced)
