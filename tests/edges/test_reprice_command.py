"""History can be priced anew, from what was reported; what is only supposed changes nothing."""

import json
from pathlib import Path

import pytest

from chatreel.analytics.export import export
from chatreel.model import Outcome
from chatreel.store.call import Charge
from support.command import chatreel
from support.database import rows
from support.log import NOON, answered, ask, logged
from support.stores import add, call, take

COMPLETION = b'{"model":"m","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2}}'


def with_price(folder: Path, usd: float, model: str = "m*") -> None:
    """Rates of one's own, per million tokens, in the settings that commands run in the folder read."""
    (folder / "chatreel.toml").write_text(f"[[price]]\nmodel = '{model}'\ninput = {usd}\noutput = {usd}\n")


def test_prices_are_made_anew_for_both_sides_and_reach_the_export(store: str, tmp_path: Path) -> None:
    out = tmp_path / "calls.duckdb"
    unknown = answered("b", charge=Charge(saved=0, unpriced="nobody knew"))
    logged(
        store,
        [answered("a"), unknown, answered("c", Outcome.HIT), call("d", outcome=Outcome.REFUSED, charge=Charge(0, 0))],
    )
    export(store, out)
    with_price(tmp_path, 5)
    ended = chatreel("reprice", "--store", store, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "4 calls priced anew, 3 of them changed\n"), ended.stderr
    cost = 120 * 5_000
    expected = [("a", cost, 0, None), ("b", cost, 0, None), ("c", 0, cost, None), ("d", 0, 0, None)]
    assert rows(store, "SELECT call_id, cost, saved, unpriced FROM calls ORDER BY id") == expected
    assert ask(out, "SELECT sum(cost_nusd) FROM calls") == [(3_000,)]
    export(store, out)
    assert ask(out, "SELECT call_id, cost_nusd, saved_nusd, unpriced FROM calls ORDER BY id") == expected


def test_a_second_time_nothing_changes_and_nothing_is_exported_again(store: str, tmp_path: Path) -> None:
    logged(store, [answered("a")])
    with_price(tmp_path, 5)
    chatreel("reprice", "--store", store, cwd=tmp_path)
    before = rows(store, "SELECT * FROM calls"), rows(store, "SELECT * FROM meta")
    ended = chatreel("reprice", "--store", store, "--json", cwd=tmp_path)
    assert json.loads(ended.stdout) == {"rows": 1, "changed": 0}
    assert (rows(store, "SELECT * FROM calls"), rows(store, "SELECT * FROM meta")) == before


@pytest.mark.parametrize(
    ("options", "changed"),
    [((), "ab"), (("--since", "2026-09-22"), "b"), (("--until", "2026-09-22"), "a"), (("--since", "2026-09-23"), "")],
)
def test_only_the_days_that_are_named_are_priced_anew(
    store: str, tmp_path: Path, options: tuple[str, ...], changed: str
) -> None:
    logged(store, [answered("a"), answered("b", started_at=NOON + 86_400)])
    with_price(tmp_path, 5)
    chatreel("reprice", "--store", store, *options, cwd=tmp_path)
    found = rows(store, "SELECT call_id FROM calls WHERE cost <> 3000 ORDER BY id")
    assert "".join(name for (name,) in found) == changed


def test_rows_of_an_older_version_learn_from_their_recordings_what_was_answered(store: str, tmp_path: Path) -> None:
    [recording] = add(store, take(completion=COMPLETION))
    logged(
        store,
        [
            call("made", outcome=Outcome.RECORDED, recording_id=recording.id),
            call("hit", recording_id=recording.id),
            call("gone", recording_id=99),
            call("elsewhere", recording_id=recording.id, cassette="a.json"),
        ],
    )
    with_price(tmp_path, 1)
    chatreel("reprice", "--store", store, cwd=tmp_path)
    found = rows(store, "SELECT call_id, prompt_tokens, cost, saved FROM calls ORDER BY id")
    assert found == [
        ("made", 10, 12_000, 0),
        ("hit", 10, 0, 12_000),
        ("gone", None, 0, None),
        ("elsewhere", None, 0, None),
    ]


def test_what_another_model_would_have_cost_is_only_said(store: str, tmp_path: Path) -> None:
    logged(store, [answered("a"), answered("b", Outcome.HIT), call("c", outcome=Outcome.REFUSED)])
    before = rows(store, "SELECT * FROM calls")
    with_price(tmp_path, 7, "other")
    ended = chatreel("reprice", "--store", store, "--as", "other", "--json", cwd=tmp_path)
    was = {"spent_usd": 3e-6, "saved_usd": 3e-6, "unpriced": 0}
    would_be = {"spent_usd": 0.00084, "saved_usd": 0.00084, "unpriced": 0}
    assert json.loads(ended.stdout) == {"model": "other", "calls": 2, "was": was, "would_be": would_be}
    told = chatreel("reprice", "--store", store, "--as", "other", cwd=tmp_path).stdout.splitlines()
    assert told[1] == "spent: $0.0000030; on other it would have been $0.00084"
    assert rows(store, "SELECT * FROM calls") == before


def test_a_model_that_is_not_known_there_says_so(store: str, tmp_path: Path) -> None:
    logged(store, [answered("a")])
    ended = chatreel("reprice", "--store", store, "--as", "gpt-4o", cwd=tmp_path)
    assert "on gpt-4o it would have been not known" in ended.stdout
    assert "without a price there: 1 calls (genai-prices does not know 'gpt-4o' at https://h" in ended.stdout
    there = chatreel("reprice", "--store", store, "--as", "gpt-4o", "--at", "https://api.openai.com", cwd=tmp_path)
    assert "on gpt-4o it would have been $0.00045" in there.stdout


def test_without_a_store_there_is_nothing_to_price(tmp_path: Path) -> None:
    ended = chatreel("reprice", "--store", str(tmp_path / "none.db"), cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "there is no store at" in ended.stderr
    assert not (tmp_path / "none.db").exists()


def test_where_without_what_is_refused(store: str, tmp_path: Path) -> None:
    ended = chatreel("reprice", "--store", store, "--at", "https://api.openai.com", cwd=tmp_path)
    assert ended.returncode == 2
    assert "give --as MODEL, too" in ended.stderr
