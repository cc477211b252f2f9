"""Amounts, times and parts as they are read: what is not known is said, and nothing that strangers wrote is markup."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.analytics.queries.money import Money
from chatreel.dashboards import wording


@pytest.mark.parametrize(
    ("amount", "read"),
    [
        (Money(12.3, 0), "$12.30"),
        (Money(0.0, 0), "$0"),
        (Money(0.000023, 0), "$0.000023"),
        (Money(1234567.8, 0), "$1,234,568"),
        (Money(12.3, 2), "≥ $12.30"),
        (Money(0.0, 1), "unknown"),
        (Money(None, 3), "unknown"),
    ],
)
def test_money_says_what_is_not_known(amount: Money, read: str) -> None:
    assert wording.money(amount) == read


@pytest.mark.parametrize(
    ("amounts", "sum_"),
    [
        ([], Money(0, 0)),
        ([Money(1.0, 0), Money(2.0, 3)], Money(3.0, 3)),
        ([Money(None, 2), Money(1.0, 0)], Money(1.0, 2)),
        ([Money(None, 2), Money(None, 1)], Money(None, 3)),
    ],
)
def test_a_sum_knows_what_it_lacks(amounts: list[Money], sum_: Money) -> None:
    assert wording.together(amounts) == sum_


@pytest.mark.parametrize(
    ("amount", "known"), [(Money(0.0, 0), 0.0), (Money(0.0, 1), None), (Money(None, 1), None), (Money(2.0, 1), 2.0)]
)
def test_no_more_than_0_is_no_figure_if_something_has_no_price(amount: Money, known: float | None) -> None:
    assert wording.known(amount) == known


@pytest.mark.parametrize(
    ("milliseconds", "read"),
    [
        (None, "–"),
        (0.04, "0.0 ms"),
        (9.9, "9.9 ms"),
        (9.97, "10 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (59_900, "59.9 s"),
        (61_000, "1m 1s"),
        (3_600_000, "1.0 h"),
        (36_000_000, "10 h"),
    ],
)
def test_times_have_the_unit_that_fits(milliseconds: float | None, read: str) -> None:
    assert wording.ms(milliseconds) == read


@pytest.mark.parametrize(
    ("number", "read"), [(None, "–"), (0, "0"), (9_999, "9,999"), (10_000, "10.0k"), (1_250_000, "1.2M"), (2e9, "2.0B")]
)
def test_large_numbers_are_short(number: float | None, read: str) -> None:
    assert wording.count(number) == read


@pytest.mark.parametrize(
    ("now", "before", "read"),
    [
        (120.0, 100.0, "+20.0%"),
        (80.0, 100.0, "-20.0%"),
        (100.0, 100.0, 0),
        (2_000.0, 1.0, "2,000x"),
        (5.0, 0.0, None),
        (5.0, None, None),
        (None, 5.0, None),
    ],
)
def test_a_change_is_told_only_against_something(now: float | None, before: float | None, read: object) -> None:
    assert wording.change(now, before) == read


@pytest.mark.parametrize(
    ("now", "before", "read"),
    [(0.5, 0.4, "+10.0 points"), (0.4, 0.4, 0), (0.0, 0.4, "-40.0 points"), (None, 0.4, None), (0.4, None, None)],
)
def test_parts_change_by_points(now: float | None, before: float | None, read: object) -> None:
    assert wording.points(now, before) == read


@given(st.text())
def test_text_of_strangers_has_no_markup_left(text: str) -> None:
    plain = wording.plain(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_{}\[\]()<>#+\-!|~$:@&]", plain)
    assert re.sub(r"\\(.)", r"\1", plain) == " ".join(text.split())


def test_every_reason_of_a_miss_that_the_docs_name_is_put_into_words() -> None:
    from chatreel.analytics.columns import COLUMNS

    [column] = [column for column in COLUMNS if column.name == "miss_reason"]
    named = set(re.findall(r"`([a-z-]+)`", column.meaning))
    assert named | {"differs"} == set(wording.WHY)
