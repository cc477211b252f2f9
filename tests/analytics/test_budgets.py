"""Where a budget stands is what the proxy would say of it, and when it will be spent follows from the days before."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chatreel.analytics.export import export
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries.budgets import Outlook, allowed_by, outlook
from chatreel.budget import parse_budget
from chatreel.model import Outcome
from chatreel.store import Call
from chatreel.store.call import Charge
from support.log import DAY, answered, logged

NOW = datetime(2026, 9, 22, 12, 0)
MOMENT = NOW.replace(tzinfo=UTC).timestamp()
MIDNIGHT = MOMENT - DAY / 2

type Look = Callable[..., Outlook | None]


def paid(number: int, usd: float | None, at: float, **more: Any) -> Call:
    """A call that an upstream answered; `None`: its price is not known."""
    charge = Charge(unpriced="nobody knows") if usd is None else Charge(cost=round(usd * 1e9), price_source="override")
    return answered(str(number), started_at=at, charge=charge, **more)


def look(folder: Path, calls: list[Call], text: str, unpriced: str = "warn") -> Outlook:
    """Where a budget stands at `NOW`."""
    logged(str(folder / "store.db"), calls)
    export(str(folder / "store.db"), folder / "calls.duckdb")
    with LogFile(folder / "calls.duckdb") as log:
        found = outlook(log, parse_budget(text, unpriced), NOW)
    assert found
    return found


def a_dollar_a_day(days: int = 40) -> list[Call]:
    """At noon of each day before today."""
    return [paid(number, 1.0, MOMENT - number * DAY) for number in range(1, days + 1)]


@pytest.mark.parametrize(
    ("text", "spent", "ends"),
    [("9/day", "3", "2026-09-23"), ("9/week", "4", "2026-09-28"), ("99/month", "24", "2026-10-01")],
)
def test_what_counts_are_the_calls_that_were_over_in_the_period_that_is_running(
    tmp_path: Path, text: str, spent: str, ends: str
) -> None:
    calls = [
        *a_dollar_a_day(),
        paid(100, 1.0, MIDNIGHT - 1, latency=2.0),
        paid(101, 2.0, MIDNIGHT + 1, outcome=Outcome.PASSED),
        answered("102", Outcome.HIT, started_at=MIDNIGHT + 2),
    ]
    found = look(tmp_path, calls, text)
    assert (found.spent, f"{found.ends:%Y-%m-%d}", found.is_spent) == (Decimal(spent), ends, False)


def test_a_tag_is_charged_with_its_calls_alone(tmp_path: Path) -> None:
    calls = [
        paid(1, 1.0, MOMENT, tags='{"team":"search"}'),
        paid(2, 2.0, MOMENT, tags='{"team":"agents"}'),
        paid(3, 4.0, MOMENT),
    ]
    assert look(tmp_path, calls, "team=search:9/day").spent == 1


@pytest.mark.parametrize(("unpriced", "spent"), [("warn", "1"), ("refuse", "1"), ("0.25", "1.5")])
def test_a_call_of_unknown_price_counts_as_it_does_in_the_proxy(tmp_path: Path, unpriced: str, spent: str) -> None:
    calls = [paid(1, 1.0, MOMENT), paid(2, None, MOMENT), paid(3, None, MOMENT)]
    found = look(tmp_path, calls, "9/day", unpriced)
    assert (found.spent, found.unpriced) == (Decimal(spent), 2)


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("25/month", date(2026, 9, 25)),  # 21 are spent, and each day from today on costs one
        ("22/month", date(2026, 9, 22)),
        ("31/month", None),
        ("3/week", date(2026, 9, 23)),  # since Monday, the day before
        ("8/week", None),
        ("1/day", date(2026, 9, 22)),
        ("1.01/day", None),
    ],
)
def test_the_day_on_which_it_will_be_spent_follows_from_the_days_before(
    tmp_path: Path, text: str, reached: date | None
) -> None:
    found = look(tmp_path, a_dollar_a_day(), text)
    assert (found.foreseen, found.reached, found.is_spent) == (True, reached, False)


def test_two_weeks_are_needed_to_say_when(tmp_path: Path) -> None:
    found = look(tmp_path, a_dollar_a_day(13), "14/month")
    assert (found.foreseen, found.reached, found.spent) == (False, None, Decimal(13))


def test_what_is_spent_is_spent_from_the_last_cent_on(tmp_path: Path) -> None:
    calls = [paid(number, 0.5, MOMENT) for number in range(2)]
    assert look(tmp_path, calls, "1.00/day").is_spent
    assert not look(tmp_path, [], "1.01/day").is_spent


def test_a_log_does_not_know_when_a_run_began(tmp_path: Path) -> None:
    logged(str(tmp_path / "store.db"), a_dollar_a_day(1))
    export(str(tmp_path / "store.db"), tmp_path / "calls.duckdb")
    with LogFile(tmp_path / "calls.duckdb") as log:
        assert outlook(log, parse_budget("1/run"), NOW) is None


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("2/day", [2, 4, 6, 8, 10, 12, 14, 16]),
        ("2/week", [2, 2, 2, 2, 2, 2, 4, 4]),  # the first was a Tuesday
        ("2/month", [2] * 8),
        ("2/run", None),
    ],
)
def test_the_most_that_days_may_cost_is_what_the_periods_allow_that_they_are_in(
    text: str, allowed: list[int] | None
) -> None:
    days = [datetime(2026, 9, day) for day in range(1, 9)]
    assert allowed_by(parse_budget(text), days) == allowed
