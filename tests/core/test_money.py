"""What calls came to: both sides, exact, and what is not known is counted and never 0."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Outcome
from chatreel.money import Account, Total, dollars
from chatreel.rates import Price
from chatreel.tokens import Tokens

TEN = Tokens(prompt=10, completion=5)


def price(usd: str) -> Price:
    return Price(Decimal(usd), "override", "", "m")


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
    account = Account()
    account.count(outcome, Decimal(1))
    assert (account.spent.known, account.saved.known) == (Decimal(spent), Decimal(saved))


def test_what_is_not_known_is_counted_and_is_not_zero() -> None:
    account = Account()
    account.count(Outcome.RECORDED, None)
    account.count(Outcome.HIT, Decimal(1))
    account.count(Outcome.HIT, None)
    assert account.spent.usd is None
    assert account.saved.usd == 1
    assert account.unpriced == 2


def test_no_call_at_all_has_cost_nothing() -> None:
    assert Total().usd == 0


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.none() | st.decimals(0, 1, places=9))), st.integers(0, 9))
def test_accounts_add_up_however_their_calls_are_shared_out(
    calls: list[tuple[Outcome, Decimal | None]], cut: int
) -> None:
    whole, first, second = Account(), Account(), Account()
    for number, (outcome, usd) in enumerate(calls):
        whole.count(outcome, usd)
        (first if number < cut else second).count(outcome, usd)
    first.add(second)
    assert first == whole


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
