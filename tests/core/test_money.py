"""What calls came to: both sides, exact, and what is not known is counted and never 0."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Outcome
from chatreel.money import Spend, Total, dollars
from chatreel.rates import Price
from chatreel.tokens import Tokens

TEN = Tokens(prompt=10, completion=5)


def price(usd: str) -> Price:
    return Price(Decimal(usd), "override", "", "m")


def test_a_hit_saves_what_a_recorded_call_has_cost() -> None:
    spend = Spend()
    spend.count(Outcome.RECORDED, "m", TEN, price("0.1"))
    spend.count(Outcome.HIT, "m", TEN, price("0.1"))
    spend.count(Outcome.COALESCED, "m", TEN, price("0.2"))
    assert (spend.whole.spent.usd, spend.whole.saved.usd) == (Decimal("0.1"), Decimal("0.3"))
    assert (spend.whole.prompt_tokens, spend.whole.completion_tokens) == (10, 5), "of what came from upstream"


@pytest.mark.parametrize(
    ("outcome", "spent", "saved"),
    [
        (Outcome.RECORDED, 1, 0),
        (Outcome.PASSED, 1, 0),
        (Outcome.FAILED, 1, 0),
        (Outcome.HIT, 0, 1),
        (Outcome.COALESCED, 0, 1),
        (Outcome.REFUSED, 0, 0),
    ],
)
def test_every_outcome_has_its_side(outcome: Outcome, spent: int, saved: int) -> None:
    spend = Spend()
    spend.count(outcome, "m", TEN, price("1"))
    assert (spend.whole.spent.priced, spend.whole.saved.priced) == (spent, saved)


@pytest.mark.parametrize("outcome", Outcome)
def test_an_error_costs_nothing_and_is_not_a_call_of_unknown_price(outcome: Outcome) -> None:
    spend = Spend()
    spend.count(outcome, "m", None, None)
    assert (spend.whole.unpriced, spend.whole.spent.usd) == (0, Decimal(0))
    assert not spend.by_model


def test_what_is_not_known_is_counted_and_is_not_zero() -> None:
    spend = Spend()
    spend.count(Outcome.RECORDED, "local", Tokens(), None)
    spend.count(Outcome.HIT, "m", TEN, price("1"))
    spend.count(Outcome.HIT, "local", TEN, None)
    assert spend.whole.spent.usd is None
    assert spend.whole.saved.usd == 1
    assert spend.whole.unpriced == 2
    assert {model: (one.spent.unpriced, one.saved.unpriced) for model, one in spend.by_model.items()} == {
        "local": (1, 1),
        "m": (0, 0),
    }


def test_no_call_at_all_has_cost_nothing() -> None:
    assert Total().usd == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.decimals(0, 1, places=9))))
def test_the_models_add_up_to_the_whole(calls: list[tuple[str, Decimal | None]]) -> None:
    spend = Spend()
    for model, usd in calls:
        spend.count(Outcome.RECORDED, model, TEN, None if usd is None else Price(usd, "", "", model))
    models = spend.by_model.values()
    assert sum(one.spent.known for one in models) == spend.whole.spent.known == sum(usd or 0 for _, usd in calls)
    assert sum(one.unpriced for one in models) == spend.whole.unpriced == sum(usd is None for _, usd in calls)


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ("0", "$0"),
        ("1234.5", "$1,234.50"),
        ("12.3", "$12.30"),
        ("0.35", "$0.35"),
        ("0.0057", "$0.0057"),
        ("0.00001234", "$0.000012"),
        ("4E-9", "$0.0000000040"),
    ],
)
def test_dollars_are_shown_as_a_person_reads_them(usd: str, text: str) -> None:
    assert dollars(Decimal(usd)) == text
