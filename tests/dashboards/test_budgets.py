"""Budgets are told where money is: how far they are spent, when they will be, and the most that a month may cost."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatreel.budget import parse_budget
from chatreel.dashboards.source import Source
from chatreel.store.call import Charge
from support.dashboard import charts, published, said, visit
from support.log import DAY, answered, logged

pytestmark = pytest.mark.long

NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
CHART = "USD spent in September, and what is expected to its end"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dollar a day, half of it of a team."""
    store = tmp_path_factory.mktemp("spent") / "store.db"
    charge = Charge(cost=500_000_000, price_source="override")
    calls = [
        answered(f"{number}{team}", started_at=NOW.timestamp() - number * DAY, charge=charge, tags=tags)
        for number in range(1, 41)
        for team, tags in (("a", json.dumps({"team": "search"})), ("b", None))
    ]
    logged(str(store), calls)
    return published(store)


def source(file: Path, *budgets: str) -> Source:
    return Source(file, budgets=tuple(map(parse_budget, budgets)), clock=lambda: NOW)


def test_each_budget_has_a_sentence_that_says_when_it_will_be_reached(file: Path) -> None:
    found = visit(source(file, "25/month", "team=search:99/week", "1/run"), "cost")
    assert not found.exception
    text = said(found).replace("\\", "")
    assert (
        "Budget of **$25.00 a month**: $21.00 spent (84%). As things go, **it will be reached on 25 September**."
        in text
    )
    assert (
        "Budget of **$99.00 a week for team=search**: $0.50 spent (1%). "
        "As things go, it will not be reached before it starts anew on 28 September." in text
    )
    assert "A budget of a run is counted by each proxy for itself" in text


@pytest.mark.parametrize("page", ["overview", "cost"])
def test_a_budget_that_is_spent_is_a_warning_that_says_until_when(file: Path, page: str) -> None:
    found = visit(source(file, "20/month", "30/month"), page)
    [warning] = [element.value.replace("\\", "") for element in found.warning]
    assert warning.startswith("Budget of **$20.00 a month**: $21.00 spent (105%). ")
    assert warning.endswith("are refused until it starts anew on 1 October, 00:00 UTC.")


def lines(source: Source, **address: str) -> dict[str, list[tuple[str, float]]]:
    """Days and USD of the lines of budgets, by their names."""
    found: dict[str, list[tuple[str, float]]] = {}
    for row in charts(visit(source, "cost", **address))[CHART]:
        if (name := row.get("name") or "").startswith("Budget"):
            found.setdefault(name, []).append((row["at"][:10], row["value"]))
    return found


def test_a_budget_is_a_line_in_the_chart_of_the_month(file: Path) -> None:
    days = [f"2026-09-{day:02}" for day in range(1, 31)]
    assert {*lines(source(file, "25/month"))["Budget, $25.00 a month"]} == {(day, 25.0) for day in days}
    daily = lines(source(file, "2/day"))["Budget, $2.00 a day"]
    assert {*daily} == {(day, 2.0 * number) for number, day in enumerate(days, 1)}


def test_a_line_is_drawn_where_all_of_what_it_is_for_is_looked_at_and_nothing_else(file: Path) -> None:
    found = source(file, "25/month", "team=search:12/month", "9000/month")
    assert [*lines(found)] == ["Budget, $25.00 a month"], "9,000 would leave no room for what was spent"
    assert [*lines(found, tag="team: search")] == ["Budget, $12.00 a month for team=search"]
    assert [*lines(found, model="m")] == []
