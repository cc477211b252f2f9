"""`--chatreel-budget`: recording stops when the run has spent it, hits go on."""

import json

import pytest

from support.project import Project, text_of
from support.upstream import Upstream

SUITE = """
import pytest
from client import ask

pytestmark = pytest.mark.chatreel

@pytest.mark.parametrize("number", range(4))
def test_asks(number):
    assert ask(f"question {number}")
"""
PRICES = json.dumps([{"model": "m-1", "input": 1000, "output": 10_000}])
COST = 0.081
"""Of an answer of the upstream, in USD: it has 11 and 7 tokens."""


@pytest.mark.long
def test_a_run_stops_recording_when_its_budget_is_spent_and_the_next_goes_on_from_there(
    project: Project, upstream: Upstream
) -> None:
    project.write({"test_a.py": SUITE})
    flags = ("--chatreel=once", f"--chatreel-budget={2 * COST}", "--chatreel-report=report.json")
    first = project.run(*flags, CHATREEL_PRICE=PRICES)
    first.assert_outcomes(passed=2, failed=2)
    assert "the budget of $0.16 a run is spent: $0.16 so far" in text_of(first)
    assert len(upstream.calls) == 2
    assert project.report()["totals"]["spent_usd"] == pytest.approx(2 * COST)

    project.run(*flags, CHATREEL_PRICE=PRICES).assert_outcomes(passed=4)
    assert len(upstream.calls) == 4, "what was recorded costs nothing, so the budget is for the rest"
    upstream.stop()
    project.run("--chatreel-budget=0", CHATREEL_PRICE=PRICES).assert_outcomes(passed=4)
