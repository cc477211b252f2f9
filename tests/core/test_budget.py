"""A budget lets calls go upstream until it is spent, says so, and starts anew when its time has come."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.budget import Allowance, Budget, Period, Unknown, parse_budget

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
ONE = Decimal(1)


@pytest.mark.parametrize(
    ("text", "unpriced", "budget"),
    [
        ("5.00/day", "warn", Budget(Decimal("5.00"), Period.DAY)),
        (" $5 / day ", "warn", Budget(Decimal(5), Period.DAY)),
        ("0/run", "refuse", Budget(Decimal(0), Period.RUN, Unknown.REFUSE)),
        ("1/run", "0.02", Budget(Decimal(1), Period.RUN, Decimal("0.02"))),
    ],
)
def test_a_budget_is_an_amount_for_a_day_or_a_run(text: str, unpriced: str, budget: Budget) -> None:
    assert parse_budget(text, unpriced) == budget


@pytest.mark.parametrize(
    ("text", "unpriced", "complaint"),
    [
        ("5.00", "warn", "for a day or a run, as in 5.00/day or 1/run, not '5.00'"),
        ("5/week", "warn", "not '5/week'"),
        ("/day", "warn", "'' is not an amount in USD"),
        ("much/day", "warn", "'much' is not an amount in USD"),
        ("-1/day", "warn", "'-1' is not an amount"),
        ("nan/day", "warn", "'nan' is not an amount"),
        ("5/day", "ignore", "'ignore' is not warn, refuse or USD per call"),
    ],
)
def test_what_is_no_budget_says_how_one_is_written(text: str, unpriced: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as raised:
        parse_budget(text, unpriced)
    assert complaint in str(raised.value)


def test_calls_may_go_upstream_until_the_budget_is_spent() -> None:
    allowance = Allowance(parse_budget("5/day"), now=NOON)
    for _ in range(4):
        allowance.spend(ONE, NOON)
        assert allowance.check(NOON).allowed
    allowance.spend(Decimal("1.25"), NOON)
    verdict = allowance.check(NOON)
    assert (verdict.allowed, verdict.spent, verdict.resets_at) == (False, Decimal("5.25"), MIDNIGHT)
    assert verdict.reason == "the budget of $5.00 a day is spent: $5.25 so far; it starts anew at 2026-11-25 00:00 UTC"


def test_a_day_starts_anew_at_midnight_utc() -> None:
    allowance = Allowance(parse_budget("1/day"), now=NOON, spent=ONE)
    assert not allowance.check(MIDNIGHT - 1).allowed
    assert allowance.check(MIDNIGHT).allowed
    allowance.spend(ONE, MIDNIGHT)
    assert allowance.check(MIDNIGHT).resets_at == MIDNIGHT + 86_400


def test_a_clock_that_is_set_back_gives_nothing_back() -> None:
    allowance = Allowance(parse_budget("1/day"), now=NOON, spent=ONE)
    assert not allowance.check(NOON - 86_400).allowed


def test_a_run_does_not_start_anew_however_long_it_takes() -> None:
    allowance = Allowance(parse_budget("1/run"), now=NOON)
    allowance.spend(ONE, NOON)
    verdict = allowance.check(NOON + 10 * 86_400)
    assert (verdict.allowed, verdict.resets_at) == (False, None)
    assert verdict.reason == "the budget of $1.00 a run is spent: $1.00 so far; a new run starts a new one"


def test_a_budget_of_nothing_lets_nothing_through() -> None:
    assert not Allowance(parse_budget("0/run"), now=NOON).check(NOON).allowed


@pytest.mark.parametrize(
    ("unpriced", "allowed", "spent"), [("warn", True, "0"), ("refuse", False, "0"), ("0.4", True, "0.4")]
)
def test_a_call_of_unknown_price_counts_as_configured(unpriced: str, allowed: bool, spent: str) -> None:
    allowance = Allowance(parse_budget("1/run", unpriced), now=NOON)
    allowance.spend(None, NOON)
    verdict = allowance.check(NOON, priced=False)
    assert (verdict.allowed, verdict.spent, verdict.unpriced) == (allowed, Decimal(spent), 1)
    assert ("not known" in verdict.reason) is (not allowed)
    assert verdict.resets_at is None, "waiting does not make a price known"
    assert allowance.check(NOON, priced=True).allowed


def test_what_a_log_knows_of_this_period_counts_from_the_start() -> None:
    allowance = Allowance(parse_budget("5/day"), now=NOON, spent=Decimal(5), unpriced=3)
    verdict = allowance.check(NOON)
    assert (verdict.allowed, verdict.unpriced) == (False, 3)


@given(st.lists(st.decimals(0, 3, places=4), max_size=30))
def test_it_is_overrun_by_one_call_at_most(prices: list[Decimal]) -> None:
    allowance = Allowance(parse_budget("5/run"), now=NOON)
    made = []
    for usd in prices:
        if not allowance.check(NOON).allowed:
            break
        allowance.spend(usd, NOON)
        made.append(usd)
    assert sum(made[:-1]) < 5
    assert allowance.check(NOON).spent == sum(made)
    assert len(made) == len(prices) or sum(made) >= 5
