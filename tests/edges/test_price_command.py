"""`chatreel price`: which price is used, and where it is from."""

import json
from pathlib import Path

from support.command import chatreel


def test_it_says_what_a_call_costs_and_where_that_is_known_from(tmp_path: Path) -> None:
    ended = chatreel("price", "gpt-4o-2024-08-06", "--at", "2025-09-01", "--cached", "1000", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("$0.01125  genai-prices ")
    assert ended.stdout.endswith(", gpt-4o\n")


def test_a_table_of_ones_own_goes_first_and_a_program_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "chatreel.toml").write_text("[[price]]\nmodel = 'llama*'\ninput = 0.5\noutput = 1\nreasoning = 3\n")
    options = ("--upstream", "http://127.0.0.1:8000", "--prompt", "2000", "--completion", "100", "--reasoning", "50")
    ended = chatreel("price", "Llama-3", *options, "--json", cwd=tmp_path)
    found = json.loads(ended.stdout)
    assert (found["usd"], found["source"], found["model"]) == (0.0012, "override", "llama*")
    assert len(found["version"]) == 12


def test_what_is_not_known_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    ended = chatreel("price", "llama3", "--upstream", "http://127.0.0.1:11434", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        "genai-prices does not know 'llama3' at http://127.0.0.1:11434: give a [[price]] table for it" in ended.stderr
    )
