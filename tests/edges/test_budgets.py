"""What all calls of a proxy may spend: a day's, a tag's, a run's; hits go on, and a restart forgets nothing."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from support.calls import ask, error_of, question
from support.command import chatreel
from support.program import Program, running_chatreel
from support.upstream import Reply, Request, Upstream, completion, echo, error

PRICES = {"CHATREEL_PRICE": json.dumps([{"model": "gpt-4o-mini", "input": 1000, "output": 10_000}])}
"""USD per million tokens: an answer of the upstream has 11 and 7, so it costs 0.081 USD."""

COST = 0.081
PATIENCE = 20.0


def flags(upstream: Upstream, store: str, *more: str) -> tuple[str, ...]:
    return ("--upstream", upstream.url, "--mode", "cache", "--store", store, *more)


def of_unknown_model(request: Request) -> Reply:
    """The model that was asked for, which no list knows."""
    model = request.json()["model"]
    return echo(request) if model == "gpt-4o-mini" else completion("Hello.", model=model)


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with Upstream() as running:
        running.reply_by(of_unknown_model)
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("budgets") / "store.db")


LIMITS = ("case=one", "case=flight", "case=passed", "case=unknown", "case=session")
"""A budget of one and a half calls for each."""


@pytest.fixture(scope="module")
def proxy(shared: Upstream, store: str) -> Iterator[Program]:
    """A proxy with a budget for each of some tags."""
    budgets = [word for tag in LIMITS for word in ("--budget", f"{tag}:{1.5 * COST}/day")]
    with running_chatreel(*flags(shared, store, *budgets, "--unpriced", "0.1"), env=PRICES) as running:
        yield running


def call(proxy: Program, case: str, text: str, **more: str) -> httpx.Response:
    return ask(proxy.base_url, question(f"{case} {text}"), x_chatreel_tag=f"case={case}", **more)


def statuses(proxy: Program, case: str, texts: str, **more: str) -> list[int]:
    return [call(proxy, case, text, **more).status_code for text in texts]


def test_what_a_tag_may_spend_is_spent_by_its_calls_alone(proxy: Program) -> None:
    assert statuses(proxy, "one", "abc") == [200, 200, 429]
    refused = call(proxy, "one", "d")
    told = error_of(refused)
    assert told["type"] == "insufficient_quota"
    assert told["message"].startswith(
        "the budget of $0.12 a day for case=one is spent: $0.16 so far; it starts anew at 2"
    )
    assert refused.headers["x-should-retry"] == "false"
    assert statuses(proxy, "one", "ab") == [200, 200], "hits are served"
    assert statuses(proxy, "other", "cdef") == [200] * 4, "others have other budgets, or none"
    recorded = ask(proxy.base_url, question("other c"), x_chatreel_tag="case=one")
    assert recorded.status_code == 200, "what others have recorded is a hit"


def test_what_is_in_flight_when_a_budget_is_reached_is_let_through(proxy: Program, shared: Upstream) -> None:
    """Nobody knows what it will cost before it is answered: the overrun is what was in flight, and no more."""
    gate = threading.Event()
    shared.reply_by(lambda request: replace(echo(request), hold=gate))
    before = len(shared.calls)
    try:
        with ThreadPoolExecutor(4) as pool:
            flying = [pool.submit(call, proxy, "flight", text) for text in "abcd"]
            shared.wait_for_calls(before + 4)
            gate.set()
            assert [one.result().status_code for one in flying] == [200] * 4
    finally:
        gate.set()
        shared.reply_by(of_unknown_model)
    assert statuses(proxy, "flight", "ef") == [429, 429]


def test_calls_that_are_not_recorded_are_paid_for_as_well(proxy: Program) -> None:
    assert statuses(proxy, "passed", "aaa", cache_control="no-store") == [200, 200, 429]


def test_a_call_of_unknown_price_counts_as_configured_and_is_said_once(proxy: Program) -> None:
    for number, status in enumerate((200, 200, 429)):
        body = question(f"unknown {number}", model="of-nobody")
        assert ask(proxy.base_url, body, x_chatreel_tag="case=unknown").status_code == status
    said = "a call of unknown price counts as $0.10 against the budget of $0.12 a day for case=unknown"
    assert proxy.log.count(said) == 1


def test_sessions_spend_what_all_may_spend(proxy: Program) -> None:
    with httpx.Client(base_url=proxy.base_url.removesuffix("v1"), trust_env=False) as client:
        opened = [client.post("_chatreel/sessions", json={}).json() for _ in range(3)]
        answers = [
            ask(one["base_url"], question(f"session {number}"), x_chatreel_tag="case=session").status_code
            for number, one in enumerate(opened)
        ]
    assert answers == [200, 200, 429]


def test_a_restart_forgets_nothing_of_the_day_and_a_replay_spends_nothing(
    proxy: Program, shared: Upstream, store: str
) -> None:
    """Two proxies on one store: what the first has spent, and goes on spending, the second one sees."""
    assert statuses(proxy, "late", "a") + statuses(proxy, "early", "ab") == [200, 200, 200]
    limits = ("--budget", f"case=early:{1.5 * COST}/week", "--budget", f"case=late:{1.5 * COST}/day")
    with running_chatreel(*flags(shared, store, *limits), env=PRICES) as second:
        assert "budget      $0.12 a week for case=early, $0.16 of it spent" in second.log
        assert statuses(second, "early", "xa") == [429, 200]
        assert error_of(call(second, "early", "y", cache_control="only-if-cached"))["code"] == "chatreel_no_recording"
        assert statuses(proxy, "late", "b") == [200], "the first one has no budget for it"
        shared.reply_with(error(500))  # which costs nothing: what the second one knows of, it has from the log
        deadline = time.monotonic() + PATIENCE
        while call(second, "late", "c").status_code != 429:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    shared.reply_by(of_unknown_model)


def test_a_model_without_a_price_is_only_said_unless_configured(shared: Upstream, tmp_path: Path) -> None:
    limit = ("--budget", f"{0.5 * COST}/day")
    with running_chatreel(*flags(shared, str(tmp_path / "store.db"), *limit), env=PRICES, cwd=tmp_path) as proxy:
        for number in range(2):
            assert ask(proxy.base_url, question(f"gift {number}", model="of-nobody")).status_code == 200
        assert [ask(proxy.base_url, question(text)).status_code for text in ("paid", "too much")] == [200, 429]
        assert proxy.log.count("a call of unknown price counts as nothing against the budget of ") == 1


def test_a_model_without_a_price_can_be_refused(shared: Upstream, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    settings = 'budget = ["5/month"]\nunpriced = "refuse"\n'
    (tmp_path / "chatreel.toml").write_text(settings)
    with running_chatreel(*flags(shared, store), env=PRICES, cwd=tmp_path) as proxy:
        before = len(shared.calls)
        refused = ask(proxy.base_url, question("who knows", model="of-nobody"))
        assert refused.status_code == 429
        assert error_of(refused)["message"] == (
            "what this call would cost is not known, and the budget of $5.00 a month refuses such calls"
        )
        assert len(shared.calls) == before
        assert ask(proxy.base_url, question("priced")).status_code == 200


def test_a_run_has_its_own_budget(shared: Upstream, tmp_path: Path) -> None:
    program = (
        "import json, os, urllib.request as u\n"
        "for n in range(3):\n"
        "    body = json.dumps({'model': 'gpt-4o-mini', 'messages': [{'role': 'user', 'content': f'run {n}'}]})\n"
        "    url = os.environ['OPENAI_BASE_URL'] + '/chat/completions'\n"
        "    try: print(u.urlopen(u.Request(url, body.encode(), {'content-type': 'application/json'})).status)\n"
        "    except u.HTTPError as error: print(error.code)\n"
    )
    budget = ("--budget", f"{2 * COST}/run", "--upstream", shared.url, "--mode", "record")
    command = ("run", *budget, "--store", str(tmp_path / "store.db"), "--", sys.executable, "-c", program)
    for _ in range(2):
        assert chatreel(*command, cwd=tmp_path, **PRICES).stdout.split() == ["200", "200", "429"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--budget", "5"), "setting 'budget': a budget is an amount in USD for a run, day, week or month"),
        (
            ("--budget", "5/day", "--unpriced", "maybe"),
            "setting 'unpriced': 'maybe' is not warn, refuse or USD per call",
        ),
    ],
)
def test_what_is_no_budget_is_refused_at_the_start(tmp_path: Path, options: tuple[str, ...], complaint: str) -> None:
    ended = chatreel("serve", "--port", "0", *options, cwd=tmp_path)
    assert ended.returncode == 2
    assert complaint in ended.stderr
