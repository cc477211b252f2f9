"""What a session's calls cost and what its recordings spare; and a budget, which stops recording and never a hit."""

import json
from collections.abc import Iterator

import pytest

from support.calls import ask, error_of, question
from support.program import Program, running_chatreel
from support.sessions import Sessions
from support.upstream import Upstream, completion, error

PRICES = json.dumps([{"model": "gpt-4o-mini", "input": 1000, "output": 10_000}])
"""USD per million tokens: an answer of the upstream has 11 and 7, so it costs 0.081 USD."""

COST = 0.081


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(shared: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    flags = ("--upstream", shared.url, "--mode", "cache", "--store", store)
    with running_chatreel(*flags, env={"CHATREEL_PRICE": PRICES}) as running:
        yield running


@pytest.fixture
def upstream(shared: Upstream) -> Upstream:
    shared.calls.clear()
    shared.reply_with(completion("Hello."))
    return shared


@pytest.fixture
def sessions(proxy: Program, upstream: Upstream) -> Sessions:  # noqa: ARG001 - one that answers
    return Sessions.of(proxy)


def test_a_verdict_says_what_was_spent_and_what_was_spared(sessions: Sessions) -> None:
    with sessions.opened() as session:
        for _ in range(3):
            assert ask(session["base_url"], question("priced")).is_success
        verdict = sessions.verdict(session)
    assert (verdict["spent_usd"], verdict["saved_usd"], verdict["unpriced"]) == (COST, 2 * COST, 0)


def test_an_unknown_price_is_no_price(sessions: Sessions, upstream: Upstream) -> None:
    upstream.reply_with(completion("Hello.", model="of-nobody"))
    with sessions.opened() as session:
        assert ask(session["base_url"], question("unpriced", model="of-nobody")).is_success
        verdict = sessions.verdict(session)
    assert (verdict["spent_usd"], verdict["saved_usd"], verdict["unpriced"]) == (None, 0.0, 1)


def test_a_refusal_and_an_error_cost_nothing(sessions: Sessions, upstream: Upstream) -> None:
    upstream.reply_with(error(500))
    with sessions.opened(mode="record") as session:
        assert ask(session["base_url"], question("an error")).status_code == 500
        assert ask(session["base_url"], question("refused"), cache_control="only-if-cached").status_code == 504
        verdict = sessions.verdict(session)
    assert (verdict["spent_usd"], verdict["saved_usd"], verdict["unpriced"]) == (0.0, 0.0, 0)


def test_a_spent_budget_refuses_what_would_go_upstream_and_serves_what_is_recorded(
    sessions: Sessions, upstream: Upstream
) -> None:
    with sessions.opened(budget_usd=2 * COST) as session:
        answers = [ask(session["base_url"], question(f"within {number}")) for number in range(3)]
        again = ask(session["base_url"], question("within 0"))
        asking_anew = ask(session["base_url"], question("within 0"), cache_control="no-cache")
        verdict = sessions.verdict(session)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = error_of(answers[2])
    assert (refused["type"], refused["code"]) == ("insufficient_quota", "chatreel_budget_spent")
    assert "$0.16" in refused["message"]
    assert answers[2].headers["x-should-retry"] == "false"
    assert again.is_success
    assert asking_anew.status_code == 429
    assert len(upstream.calls) == 2
    assert verdict["spent_usd"] == pytest.approx(2 * COST)
    assert any("is spent" in warning for warning in verdict["warnings"])


def test_a_budget_of_nothing_lets_nothing_out(sessions: Sessions, upstream: Upstream) -> None:
    with sessions.opened(budget_usd=0) as session:
        assert ask(session["base_url"], question("any", stream=True)).status_code == 429
    assert not upstream.calls
