"""What the log says of budgets: by period and tag, before this start and of others, each row once."""

from decimal import Decimal
from typing import Any

import pytest

from chatreel import spending
from chatreel.budget import Allowance, parse_budget
from chatreel.model import Outcome
from chatreel.spending import Spending
from chatreel.store import Store
from chatreel.store.call import Charge
from support.log import DAY, NOON, answered
from support.stores import call, opened, use

DOLLAR = 1_000_000_000
"""In billionths."""


def paid(call_id: str, usd: int = 1, **more: Any) -> Any:
    return answered(call_id, charge=Charge(usd * DOLLAR, 0, price_source="override"), **more)


def told(store: str, *budgets: str, unpriced: str = "warn", now: float = NOON) -> list[tuple[Any, ...]]:
    """What is known to be spent of each budget, and how many calls of unknown price."""
    allowances = tuple(Allowance(parse_budget(budget, unpriced), now=now) for budget in budgets)
    use(store, lambda opened_store: Spending(opened_store, allowances).look(now))
    verdicts = [allowance.check(now) for allowance in allowances]
    return [(verdict.spent, verdict.unpriced) for verdict in verdicts]


def logged(store: str, *some: Any) -> None:
    with opened(store) as opened_store:
        for one in some:
            opened_store.calls.add(one)


def test_every_call_that_was_paid_for_counts_for_its_period(store: str) -> None:
    """2026-09-21 is a Monday. A call counts for the day on which its answer is complete."""
    midnight = NOON // DAY * DAY
    logged(
        store,
        paid("now"),
        paid("passed", 2, outcome=Outcome.PASSED),
        paid("failed", 4, outcome=Outcome.FAILED),
        paid("yesterday", 8, started_at=midnight - 10, latency=9.0),
        paid("over midnight", 16, started_at=midnight - 10, latency=11.0),
        paid("last month", 32, started_at=NOON - 30 * DAY),
        answered("hit", Outcome.HIT),
        call("refused", outcome=Outcome.REFUSED, started_at=NOON, charge=Charge(0, 0)),
    )
    found = told(store, "1/day", "1/week", "1/month", "1/run")
    assert [spent for spent, _ in found] == [1 + 2 + 4 + 16, 1 + 2 + 4 + 16, 1 + 2 + 4 + 8 + 16, 0]


def test_a_tag_is_told_what_its_calls_have_cost(store: str) -> None:
    logged(
        store,
        paid("a", tags='{"env":"ci","team":"search"}'),
        paid("b", 2, tags='{"team":"search"}'),
        paid("c", 4, tags='{"team":"chat"}'),
        paid("d", 8),
        answered("e", tags='{"team":"chat"}', charge=Charge(None, 0, unpriced="nobody knows")),
        call("broke off", outcome=Outcome.FAILED, started_at=NOON, charge=Charge(None, 0, unpriced="it broke off")),
        call("never began", outcome=Outcome.FAILED, started_at=NOON, charge=Charge(None, 0)),
    )
    budgets = ("9/day", "team=search:9/day", "team=chat:9/day", "env=ci:9/week", "team=none:9/day")
    assert told(store, *budgets) == [(Decimal(15), 2), (3, 0), (4, 1), (1, 0), (0, 0)]
    assert told(store, *budgets, unpriced="0.5") == [(16, 2), (3, 0), (Decimal("4.5"), 1), (1, 0), (0, 0)]


def test_rows_that_come_in_meanwhile_are_added_and_none_twice(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: older ones are summed once."""
    monkeypatch.setattr(spending, "_SETTLED", 3)
    allowance = Allowance(parse_budget("99/day"), now=NOON)
    read: list[int] = []

    async def work(opened_store: Store) -> list[Decimal]:
        spent = opened_store.calls.spent
        seen = Spending(opened_store, (allowance,))

        async def counted(since: float, after: int, upto: int) -> Any:
            read.append(upto - after)
            return await spent(since, after, upto)

        monkeypatch.setattr(opened_store.calls, "spent", counted)
        found = []
        for number in range(6):
            logged(store, *(paid(f"{number} {one}") for one in range(5)))
            await seen.look(NOON)
            found.append(allowance.check(NOON).spent)
        await seen.look(NOON + DAY)
        found.append(allowance.check(NOON + DAY).spent)
        return found

    assert use(store, work) == [5, 10, 15, 20, 25, 30, 0]
    assert max(read) <= 2 * 3 + 5
