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
        ("7/week", "warn", Budget(Decimal(7), Period.WEEK)),
        ("team=search:2/month", "warn", Budget(Decimal(2), Period.MONTH, tag=("team", "search"))),
        ("a:b=c/d:e:2/day", "warn", Budget(Decimal(2), Period.DAY, tag=("a:b", "c/d:e"))),
    ],
)
def test_a_budget_is_an_amount_for_a_period_and_perhaps_a_tag(text: str, unpriced: str, budget: Budget) -> None:
    assert parse_budget(text, unpriced) == budget


@pytest.mark.parametrize(
    ("text", "unpriced", "complaint"),
    [
        ("5.00", "warn", "for a run, day, week or month, as in 5.00/day, with the tag"),
        ("5/year", "warn", "not '5/year'"),
        ("team:5/day", "warn", "'team' is no tag: give name=value"),
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
    allowance = Allowance(parse_budget("1/day"), now=NOON)
    allowance.spend(ONE, NOON)
    assert not allowance.check(MIDNIGHT - 1).allowed
    assert allowance.check(MIDNIGHT).allowed
    allowance.spend(ONE, MIDNIGHT)
    assert allowance.check(MIDNIGHT).resets_at == MIDNIGHT + 86_400


@pytest.mark.parametrize(
    ("period", "begin", "end"),
    [
        (Period.DAY, (2026, 11, 24), (2026, 11, 25)),
        (Period.WEEK, (2026, 11, 23), (2026, 11, 30)),
        (Period.MONTH, (2026, 11, 1), (2026, 12, 1)),
    ],
)
def test_days_weeks_and_months_are_those_of_the_calendar_in_utc(
    period: Period, begin: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    began, ended = (datetime(*date, tzinfo=UTC).timestamp() for date in (begin, end))
    assert period.begin(NOON) == began
    assert period.end(began) == ended
    assert period.begin(ended) == ended
    assert period.begin(ended - 1) == began


@given(st.floats(0, 7e9), st.sampled_from([Period.DAY, Period.WEEK, Period.MONTH]))
def test_every_moment_is_in_one_period_that_ends_later(now: float, period: Period) -> None:
    begin = period.begin(now)
    end = period.end(begin)
    assert end is not None
    assert begin <= now < end
    assert period.begin(begin) == begin
    assert period.begin(end) == end


def test_a_budget_of_a_tag_is_for_the_calls_that_have_it() -> None:
    budget = parse_budget("team=search:2/day")
    assert str(budget) == "$2.00 a day for team=search"
    assert [budget.covers(tags) for tags in ({"team": "search", "x": "y"}, {"team": "other"}, {})] == [
        True,
        False,
        False,
    ]
    assert parse_budget("2/day").covers({})


def test_a_clock_that_is_set_back_gives_nothing_back() -> None:
    allowance = Allowance(parse_budget("1/day"), now=NOON)
    allowance.spend(ONE, NOON)
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
    allowance = Allowance(parse_budget("5/day"), now=NOON)
    allowance.learn(Decimal(5), 3, NOON)
    verdict = allowance.check(NOON)
    assert (verdict.allowed, verdict.unpriced) == (False, 3)


def test_what_a_log_knows_and_what_was_counted_is_not_counted_twice() -> None:
    """A log that does not have the last calls yet takes nothing back; one that has those of others adds them."""
    allowance = Allowance(parse_budget("5/day"), now=NOON)
    allowance.spend(Decimal(3), NOON)
    spent = []
    for logged in (2, 3, 4):
        allowance.learn(Decimal(logged), 0, NOON)
        spent.append(allowance.check(NOON).spent)
    assert spent == [3, 3, 4]


def test_calls_without_a_price_that_a_log_knows_count_as_configured() -> None:
    allowance = Allowance(parse_budget("5/day", "0.5"), now=NOON)
    allowance.learn(Decimal(1), 4, NOON)
    assert allowance.check(NOON).spent == 3


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
