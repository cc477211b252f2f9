"""Figures of calls: what they came to, hits and calls upstream never mixed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.figures import Spread, figures, percentile
from chatreel.model import Outcome

VALUES = st.lists(st.floats(0, 100), min_size=1)


@given(VALUES, st.floats(0.01, 1))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[float], part: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, part)
    assert sum(value <= found for value in ordered) >= part * len(ordered)
    assert sum(value < found for value in ordered) < part * len(ordered)


def test_hits_and_calls_upstream_have_percentiles_of_their_own() -> None:
    found = figures(
        [
            (Outcome.HIT, [0.001, 0.002, 0.003]),
            (Outcome.RECORDED, [1.0, 2.0]),
            (Outcome.PASSED, [3.0]),
            (Outcome.COALESCED, [5.0]),
            (Outcome.REFUSED, [0.5]),
            (Outcome.FAILED, [60.0]),
        ]
    )
    assert found.hits == Spread(0.002, 0.003)
    assert found.upstream == Spread(2.0, 3.0)
    assert found.calls == 9


@pytest.mark.parametrize(
    ("outcomes", "rate"),
    [
        ({Outcome.HIT: 3, Outcome.RECORDED: 1}, 0.75),
        ({Outcome.HIT: 1, Outcome.COALESCED: 1, Outcome.REFUSED: 2}, 0.5),
        ({Outcome.PASSED: 5, Outcome.FAILED: 1}, None),
        ({Outcome.HIT: 1, Outcome.PASSED: 9}, 1.0),
        ({}, None),
    ],
)
def test_the_hit_rate_is_of_the_calls_that_were_looked_up(outcomes: dict[Outcome, int], rate: float | None) -> None:
    assert figures((outcome, [0.1] * count) for outcome, count in outcomes.items()).hit_rate == rate


def test_an_outcome_may_come_in_several_runs() -> None:
    assert figures([(Outcome.HIT, [3.0]), (Outcome.HIT, [1.0, 2.0])]) == figures([(Outcome.HIT, [1.0, 2.0, 3.0])])
