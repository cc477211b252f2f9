"""Charts as they are handed to the browser."""

from datetime import datetime, timedelta

import pytest

from chatreel.dashboards import charts
from chatreel.dashboards.vega import Series, Unit

DAY = timedelta(days=1)


def test_an_answer_has_one_height_at_each_moment_however_many_parts_came_then() -> None:
    drawn = charts.arrival([(1.0, 10), (2.5, 20), (2.5, 30), (4.0, 40)], "#000000", "characters").to_dict()
    [rows] = drawn["datasets"].values()
    assert [(row["at"], row["value"]) for row in rows] == [(1.0, 10), (2.5, 30), (4.0, 40)]


@pytest.mark.parametrize(("known", "size"), [(1, 60), (3, 60), (4, 14)])
def test_a_line_of_few_moments_has_points_that_can_be_seen(known: int, size: int) -> None:
    moments = [datetime(2026, 3, 1) + number * DAY for number in range(30)]
    values = [None] * (30 - known) + [0.5] * known
    line, _ = charts.lines(moments, DAY, [Series("rate", "#000000", values)], Unit.PART).to_dict()["layer"]
    assert line["mark"]["point"]["size"] == size
