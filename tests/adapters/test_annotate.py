"""A row of the log is completed with what the answer says and what it cost; a recording is read once."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chatreel import annotate
from chatreel.annotate import Annotator, Source, miss_reason
from chatreel.decide import Found
from chatreel.facts import facts_of, facts_of_bytes
from chatreel.model import Mode, Outcome, Piece, WireForm
from chatreel.prices import PriceOverride, Prices
from chatreel.store.call import Charge
from support.stores import DOCUMENT, call, document, take

COMPLETION = b'{"model":"m","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2}}'
ANSWER = take(id=1, completion=COMPLETION)
PRICE = PriceOverride("m", input=Decimal(3), output=Decimal(15))
COST = 10 * 3_000 + 2 * 15_000
"""Nano-USD."""


@pytest.fixture
def annotator() -> Annotator:
    return Annotator(Prices((PRICE,)))


@pytest.mark.parametrize(
    ("outcome", "cost", "saved"),
    [
        (Outcome.RECORDED, COST, 0),
        (Outcome.PASSED, COST, 0),
        (Outcome.HIT, 0, COST),
        (Outcome.COALESCED, 0, COST),
        (Outcome.REFUSED, 0, 0),
    ],
)
def test_a_price_is_what_was_paid_or_what_was_saved(
    annotator: Annotator, outcome: Outcome, cost: int, saved: int
) -> None:
    found = annotator.complete(call(outcome=outcome), Source(answer=ANSWER)).charge
    assert (found.cost, found.saved) == (cost, saved)


def test_a_price_says_where_it_is_from(annotator: Annotator) -> None:
    found = annotator.complete(call(outcome=Outcome.RECORDED), Source(answer=ANSWER)).charge
    assert (found.price_source, found.price_model, found.unpriced) == ("override", "m", None)
    assert found.price_version


@pytest.mark.parametrize(("outcome", "cost", "saved"), [(Outcome.RECORDED, None, 0), (Outcome.HIT, 0, None)])
def test_a_price_that_is_not_known_is_none_and_says_why(outcome: Outcome, cost: int | None, saved: int | None) -> None:
    unknown = call(outcome=outcome, upstream="http://127.0.0.1:1")
    found = Annotator(Prices()).complete(unknown, Source(answer=ANSWER)).charge
    assert (found.cost, found.saved) == (cost, saved)
    assert "does not know 'm'" in (found.unpriced or "")


def test_what_a_failed_call_cost_is_not_known_and_an_error_is_not_paid_for(annotator: Annotator) -> None:
    failed = annotator.complete(call(outcome=Outcome.FAILED), Source())
    assert (failed.charge.cost, failed.charge.unpriced) == (None, None)
    begun = annotator.complete(call(outcome=Outcome.FAILED, first_piece=0.5), Source())
    assert (begun.charge.cost, begun.charge.unpriced) == (None, "the answer broke off"), "somebody may be paid for it"
    body = b'{"error":{"type":"overloaded"}}'
    said = facts_of_bytes(529, body, (Piece(0.1, len(body)),))
    passed = annotator.complete(call(outcome=Outcome.PASSED, facts=said), Source())
    assert (passed.charge.cost, passed.facts.error_type) == (0, "overloaded")


@pytest.mark.parametrize(("outcome", "cost", "saved"), [(Outcome.RECORDED, None, 0), (Outcome.HIT, 0, None)])
def test_an_answer_nothing_is_known_of_is_not_free(
    annotator: Annotator, outcome: Outcome, cost: int | None, saved: int | None
) -> None:
    found = annotator.complete(call(outcome=outcome), Source()).charge
    assert (found.cost, found.saved, found.unpriced) == (cost, saved, "it is not known what was answered")


def test_an_answer_that_was_not_recorded_is_read_and_priced(annotator: Annotator) -> None:
    said = facts_of_bytes(200, COMPLETION.replace(b'"finish', b'"message":{},"finish'), ())
    found = annotator.complete(call(outcome=Outcome.PASSED, facts=said), Source())
    assert (found.facts.prompt_tokens, found.charge.cost) == (10, COST)


def test_a_recording_is_read_once_however_often_it_is_served(
    annotator: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []

    def counted(answer: Any, *said: Any) -> Any:
        read.append(answer)
        return facts_of(answer, *said)

    monkeypatch.setattr(annotate, "facts_of", counted)
    for _ in range(3):
        assert annotator.complete(call(), Source(answer=ANSWER)).facts.prompt_tokens == 10
    assert len(read) == 1
    annotator.complete(call(), Source(answer=replace(ANSWER, id=2)))
    annotator.complete(call(cassette="c"), Source(answer=ANSWER))
    annotator.complete(call(), Source(answer=replace(ANSWER, recorded_at=5.0)))
    assert len(read) == 4


def test_when_a_recording_was_made_says_nothing_of_when_a_hit_got_it(annotator: Annotator) -> None:
    body = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
    streamed = replace(ANSWER, form=WireForm.SSE, body=body, pieces=(Piece(0.5, len(body)),))
    made = annotator.complete(call(outcome=Outcome.RECORDED), Source(answer=streamed))
    served = annotator.complete(call(outcome=Outcome.HIT), Source(answer=streamed))
    assert (made.facts.first_content, served.facts.first_content) == (0.5, None)
    assert made.facts.chunks == served.facts.chunks == 1


def test_the_messages_alone_have_a_digest_too(annotator: Annotator) -> None:
    messages = document("https://h", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})
    found = annotator.complete(call(key="a"), Source(document=messages)).prompt
    assert found
    assert annotator.complete(call(key="a"), Source(document=messages)).prompt == found
    assert annotator.complete(call(key=None), Source(document=messages)).prompt is None
    assert annotator.complete(call(key="b"), Source(document=DOCUMENT)).prompt is None


@pytest.mark.parametrize(
    ("outcome", "mode", "found", "reason"),
    [
        (Outcome.HIT, Mode.CACHE, Found.HIT, None),
        (Outcome.COALESCED, Mode.CACHE, Found.MISS, None),
        (Outcome.RECORDED, Mode.CACHE, Found.MISS, "new"),
        (Outcome.REFUSED, Mode.REPLAY, Found.MISS, "new"),
        (Outcome.RECORDED, Mode.CACHE, Found.STALE, "stale"),
        (Outcome.RECORDED, Mode.RECORD, Found.HIT, "asked"),
        (Outcome.PASSED, Mode.PASSTHROUGH, Found.MISS, "bypassed"),
        (Outcome.PASSED, Mode.RECORD, Found.UNKEYABLE, "unkeyable"),
    ],
)
def test_a_miss_has_a_reason(outcome: Outcome, mode: Mode, found: Found, reason: str | None) -> None:
    assert miss_reason(outcome, mode, found) == reason


def test_every_reason_fits_its_column() -> None:
    reasons = {miss_reason(Outcome.RECORDED, mode, found) or "" for mode in Mode for found in Found}
    assert max(map(len, reasons)) <= 16
    assert Charge() == Charge(None, None, None, None, None, None)
