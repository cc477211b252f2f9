"""`chatreel suggest`: what it prints can be pasted, and then the misses are hits."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.calls import ask, question
from support.command import chatreel
from support.program import Program, running_chatreel
from support.upstream import Upstream, completion

DAYS = [f"Today is 2026-11-{day}. Plan my day." for day in (20, 21, 22)]
TICKETS = [f"Summarise ticket T_{number}, please." for number in ("8f3ab2c", "77aa01b", "0a1b2c3", "d4e5f60")]
PRICE = "[[price]]\nmodel = 'gpt-4o*'\nupstream = 'http://127.0.0.1:*'\ninput = 1000\noutput = 2000\n"
"""A call of the stand-in for an upstream costs 0.025 USD by it: 11 and 7 tokens."""
WORDS = ["the capital of France", "the capital of Spain", "the capital of Peru"]


def ask_all(proxy: Program, texts: list[str], **headers: str) -> list[bool]:
    """Whether each was a hit."""
    return ["; hit" in ask(proxy.base_url, question(text), **headers).headers["cache-status"] for text in texts]


@pytest.fixture
def arguments(upstream: Upstream, store: str) -> list[str]:
    upstream.reply_with(completion("ok"))
    return ["--upstream", upstream.url, "--mode", "cache", "--store", store]


def suggest(folder: Path, store: str, *options: str) -> Any:
    ended = chatreel("suggest", "--store", store, "--json", *options, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.long
def test_what_is_proposed_makes_the_misses_hits(arguments: list[str], store: str, tmp_path: Path) -> None:
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        assert not any(ask_all(proxy, DAYS + TICKETS + WORDS))
        assert not any(ask_all(proxy, [DAYS[0].replace("20", "23")], cache_control="only-if-cached"))
    ended = chatreel("suggest", "--store", store, cwd=tmp_path)
    assert "11 misses looked at, 6 of them would have been hits" in ended.stderr
    rules = tomllib.loads(ended.stdout)["normalize"]
    assert [rule["name"] for rule in rules] == ["iso-date", "t"]
    assert "# 3 calls would have been hits: " in ended.stdout
    (tmp_path / "chatreel.toml").write_text(ended.stdout)
    chatreel("rekey", "--store", store, cwd=tmp_path)
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        new = ["Today is 2027-01-01. Plan my day.", "Summarise ticket T_12ab34c, please."]
        assert all(ask_all(proxy, DAYS + TICKETS + WORDS + new))
        assert not any(ask_all(proxy, ["the capital of Chad", "Summarise ticket T_abc, please."]))
    assert suggest(tmp_path, store)["rules"] == [], "by the rules of today they are hits"


@pytest.mark.long
def test_a_program_reads_how_much_would_have_been_saved(arguments: list[str], store: str, tmp_path: Path) -> None:
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        ask_all(proxy, DAYS)
    found = suggest(tmp_path, store)
    [rule] = found["rules"]
    assert (found["misses"], found["helped"]) == (3, 2)
    assert rule["seconds"] > 0
    assert rule | {"seconds": 0, "usd": 0} == {
        "name": "iso-date",
        "pointer": None,
        "pattern": None,
        "calls": 2,
        "seconds": 0,
        "usd": 0,
        "unpriced": 2,
        "together_with": [],
    }
    assert suggest(tmp_path, store, "--limit", "1")["misses"] == 1


def saved(folder: Path, store: str) -> tuple[float | None, int]:
    """What the one rule that is proposed would have saved: USD, and calls of unknown price."""
    [rule] = suggest(folder, store)["rules"]
    return rule["usd"], rule["unpriced"]


@pytest.mark.long
def test_money_that_would_have_been_saved_is_that_of_the_calls_recorded_anew(
    upstream: Upstream, arguments: list[str], store: str, tmp_path: Path
) -> None:
    upstream.reply_with(completion("ok"), completion("ok"), completion("ok", usage=None))
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        ask_all(proxy, DAYS[:2])
        assert saved(tmp_path, store) == (None, 1), "not known is not 0"
        (tmp_path / "chatreel.toml").write_text(PRICE)
        assert saved(tmp_path, store) == (0.025, 0)
        ask_all(proxy, DAYS[2:])
    shown = chatreel("suggest", "--store", store, cwd=tmp_path).stdout
    assert " seconds and $0.025 upstream saved; the price of 1 call is not known\n" in shown
    assert [rule["name"] for rule in tomllib.loads(shown)["normalize"]] == ["iso-date"]


def test_a_refused_call_has_cost_nothing(arguments: list[str], store: str, tmp_path: Path) -> None:
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        ask_all(proxy, DAYS[:1])
        ask_all(proxy, DAYS[1:], cache_control="only-if-cached")
    assert saved(tmp_path, store) == (0, 0)


@pytest.mark.long
def test_the_model_that_served_is_what_was_paid(
    upstream: Upstream, arguments: list[str], store: str, tmp_path: Path
) -> None:
    upstream.reply_with(completion("ok", model="o3"))
    (tmp_path / "chatreel.toml").write_text(PRICE.replace("gpt-4o*", "o3"))
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        ask_all(proxy, DAYS[:2])
    assert saved(tmp_path, store) == (0.025, 0)


@pytest.mark.long
def test_recordings_of_another_model_are_no_proof(arguments: list[str], store: str, tmp_path: Path) -> None:
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        for text, model in zip(DAYS, "abc", strict=True):
            ask(proxy.base_url, question(text, model=model))
    assert suggest(tmp_path, store)["rules"] == []


@pytest.mark.long
def test_a_pattern_is_made_up_only_for_what_happens_often(arguments: list[str], store: str, tmp_path: Path) -> None:
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        ask_all(proxy, TICKETS[:3])
    assert suggest(tmp_path, store)["rules"] == []
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        ask_all(proxy, TICKETS[3:])
    assert [rule["calls"] for rule in suggest(tmp_path, store)["rules"]] == [3]


def test_nothing_to_propose_is_nothing_on_stdout(arguments: list[str], store: str, tmp_path: Path) -> None:
    with running_chatreel(*arguments, cwd=tmp_path) as proxy:
        ask_all(proxy, WORDS)
    ended = chatreel("suggest", "--store", store, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "3 misses looked at, 0 of them would have been hits" in ended.stderr
