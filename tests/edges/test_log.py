"""What the proxy writes down of a call is what happened: through the front door, read back from the store."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from chatreel.analytics.export import export
from support.calls import ask, question
from support.database import rows
from support.log import ask as asked
from support.program import running_chatreel
from support.replies import USAGE, echo, error
from support.upstream import Upstream

PATIENCE = 30.0


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A proxy with prices and a tag of its own, its upstream, its store."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "chatreel.toml").write_text("[[price]]\nmodel = 'gpt*'\ninput = 3\noutput = 15\n")
    store = str(folder / "store.db")
    with (
        Upstream() as upstream,
        running_chatreel(
            "--upstream", upstream.url, "--store", store, "--mode", "cache", "--tag", "run=7", cwd=folder
        ) as proxy,
    ):
        yield proxy.base_url, upstream, store


PRICE = USAGE["prompt_tokens"] * 3_000 + USAGE["completion_tokens"] * 15_000


def of_call(store: str, text: str, columns: str, count: int) -> list[tuple[Any, ...]]:
    """Rows of the calls that carry a tag of that text."""
    wanted = f'%"case":"{text}"%'
    deadline = time.monotonic() + PATIENCE
    while True:
        found = rows(store, f"SELECT {columns} FROM calls WHERE tags LIKE ? ORDER BY started_at, id", wanted)
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


@pytest.mark.parametrize("streams", [False, True])
def test_a_recording_was_paid_for_and_a_hit_has_saved_as_much(proxied: Any, streams: bool) -> None:
    base_url, _, store = proxied
    case = f"paid{streams}"
    for _ in range(2):
        ask(base_url, question(case, stream=streams), x_chatreel_tag=f"case={case}")
    columns = (
        "outcome, cost, saved, prompt_tokens, completion_tokens, price_source, miss_reason, model_served IS NOT NULL"
    )
    made, served = of_call(store, case, columns, 2)
    tokens = (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    assert made == ("recorded", PRICE, 0, *tokens, "override", "new", 1)
    assert served == ("hit", 0, PRICE, *tokens, "override", None, 1)
    columns = "upstream_time <= latency, spared, chunks, first_content IS NOT NULL, prompt"
    made, served = of_call(store, case, columns, 2)
    assert made[0] == 1
    assert made[1] is None
    assert served[0] is None
    assert served[1] > 0
    assert made[2] == served[2]
    assert (made[2] is not None) is streams
    assert (made[3], served[3]) == (int(streams), 0)
    assert made[4] == served[4]
    assert made[4]


def test_tags_of_a_call_and_of_the_run_are_logged_and_no_upstream_sees_them(proxied: Any) -> None:
    base_url, upstream, store = proxied
    before = len(upstream.calls)
    for tags in ("case=tags, team=search", "case=tags, team=other"):
        ask(base_url, question("tags"), x_chatreel_tag=tags)
    found = of_call(store, "tags", "outcome, tags", 2)
    assert [outcome for outcome, _ in found] == ["recorded", "hit"], "tags are no part of the key"
    assert json.loads(found[0][1]) == {"case": "tags", "team": "search", "run": "7"}
    assert len(upstream.calls) == before + 1
    assert not [name for name in upstream.calls[-1].headers if "chatreel" in name.lower()]


def test_a_tag_that_is_none_is_said_and_costs_nothing_else(proxied: Any) -> None:
    base_url, _, store = proxied
    assert ask(base_url, question("malformed"), x_chatreel_tag="case=malformed, nonsense").status_code == 200
    assert len(of_call(store, "malformed", "tags", 1)) == 1


def test_an_error_of_the_upstream_is_logged_by_its_name_and_cost_nothing(proxied: Any) -> None:
    base_url, upstream, store = proxied
    upstream.reply_with(error(429, "slow down"))
    ask(base_url, question("error"), x_chatreel_tag="case=error")
    upstream.reply_by(echo)
    [row] = of_call(store, "error", "outcome, status, cost, unpriced, error_type IS NOT NULL", 1)
    assert row == ("passed", 429, 0, None, 1)


def test_a_new_take_was_asked_for_and_a_pass_was_bypassed(proxied: Any) -> None:
    base_url, _, store = proxied
    for directive in ("", "no-cache", "no-store", "only-if-cached"):
        ask(base_url, question("directives"), x_chatreel_tag="case=directives", cache_control=directive)
    ask(base_url, question("never"), x_chatreel_tag="case=directives", cache_control="only-if-cached")
    found = of_call(store, "directives", "outcome, miss_reason, cost", 5)
    assert found == [
        ("recorded", "new", PRICE),
        ("recorded", "asked", PRICE),
        ("passed", "bypassed", PRICE),
        ("hit", None, 0),
        ("refused", "new", 0),
    ]


def test_what_the_export_shows_is_what_was_logged(proxied: Any, tmp_path: Path) -> None:
    base_url, _, store = proxied
    ask(base_url, question("shown"), x_chatreel_tag="case=shown")
    of_call(store, "shown", "id", 1)
    export(store, tmp_path / "calls.duckdb")
    [(calls, spent)] = rows(store, "SELECT count(*), sum(cost) FROM calls")
    assert asked(tmp_path / "calls.duckdb", "SELECT count(*), sum(cost_nusd) FROM calls") == [(calls, spent)]
    assert asked(tmp_path / "calls.duckdb", "SELECT bool_and(overhead_ms >= 0) FROM calls") == [(True,)]
