"""The benchmarks and the fuzz target run; their figures are for people."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.program import clean_environment
from support.resources import REPOSITORY


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / script), *args]
    return subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=240, check=False, cwd=REPOSITORY
    )


@pytest.mark.parametrize("seed", [1, 2026])
def test_a_few_hundred_mutated_inputs_break_nothing(seed: int) -> None:
    ended = run("fuzz_wire.py", "--seconds", "60", "--inputs", "300", "--seed", str(seed))
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.long
def test_the_commands_that_look_after_a_store_are_measured() -> None:
    ended = run("bench_commands.py", "60", "--runs", "1")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("60 recordings, ")
    assert ended.stdout.count("median") == 16


@pytest.mark.long
def test_the_cost_of_a_key_is_a_table() -> None:
    ended = run("bench_canonical.py")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("body")


@pytest.mark.long
def test_the_cost_of_a_test_with_a_session_is_a_table() -> None:
    ended = run("bench_plugin.py")
    assert ended.returncode == 0, ended.stderr
    assert "processor time of a session" in ended.stdout


def test_a_cassette_is_read_as_it_was_written_and_its_cost_is_a_table() -> None:
    ended = run("bench_cassette.py", "100")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("100 interactions")


def test_a_conversation_takes_a_fraction_of_what_it_takes_as_text() -> None:
    ended = run("bench_size.py", "--turns", "25", "--conversations", "1")
    assert ended.returncode == 0, ended.stderr
    ours = next(line for line in ended.stdout.splitlines() if line.startswith("chatreel"))
    whole, apart = (float(ratio) for ratio in re.findall(r"1/([\d.]+)", ours)[:2])
    assert whole > 6, ended.stdout
    assert apart > 10, ended.stdout


@pytest.mark.long
def test_every_answer_of_the_benchmark_of_hits_is_right_and_its_figures_are_a_table(tmp_path: Path) -> None:
    """Wrong answers, or none, end it; what it measures in a second says nothing."""
    ended = run("bench_hits.py", "--quick", "--json", str(tmp_path / "hits.json"), "--svg", str(tmp_path / "hits.svg"))
    if "cannot be installed" in ended.stderr and not os.environ.get("CI"):
        pytest.skip("needs a package index")
    assert ended.returncode == 0, ended.stderr
    rows = json.loads((tmp_path / "hits.json").read_bytes())["rows"]
    assert ended.stdout.count("| JSON") + ended.stdout.count("| streams") == len(rows) == 7
    assert all(row["ratio"] > 0 for row in rows.values())
    assert "<svg" in (tmp_path / "hits.svg").read_text()


@pytest.mark.long
def test_what_a_second_worker_is_worth_is_a_figure(tmp_path: Path) -> None:
    ended = run("bench_workers.py", "--quick", "--json", str(tmp_path / "found.json"))
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found.json").read_bytes())
    assert {workers: len(rounds) for workers, rounds in found["shares"].items()} == {"1": 1, "2": 1}
    assert found["gain"] > 0


@pytest.mark.long
def test_every_answer_of_the_benchmark_of_recording_is_right_and_stored(tmp_path: Path) -> None:
    ended = run("bench_recording.py", "--quick", "--json", str(tmp_path / "found.json"))
    assert ended.returncode == 0, ended.stderr
    rows = json.loads((tmp_path / "found.json").read_bytes())["rows"]
    assert len(rows) == 5
    for row in rows.values():
        assert {name: len(rounds) for name, rounds in row["figures"].items()} == {"direct": 1, "bare": 1, "chatreel": 1}
        assert all(one["measured"]["requests"] > 0 for [one] in row["figures"].values())


@pytest.mark.long
def test_peers_answer_the_same_calls_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = run("bench_field.py", "--quick", "--json", str(tmp_path / "found.json"))
    if "cannot be installed" in ended.stderr and not os.environ.get("CI"):
        pytest.skip("needs a package index")
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found.json").read_bytes())
    assert len(found["servers"]) + len(found["missing"]) == 6
    assert set(found["cassettes"]) == {"VCR.py", "cassetter", "chatreel"}
    assert {len(rounds) for by in found["servers"].values() for rounds in by.values()} == {1}


@pytest.mark.long
def test_how_long_a_start_takes_is_a_table(tmp_path: Path) -> None:
    ended = run("bench_start.py", "--quick", "--json", str(tmp_path / "found.json"))
    assert ended.returncode == 0, ended.stderr
    found = json.loads((tmp_path / "found.json").read_bytes())
    assert len(found["seconds"]) == 5
    assert found["serve_by_mitmdump"] > 0


@pytest.mark.long
@pytest.mark.parametrize("where", [[], ["--anywhere"]])
def test_a_store_that_has_grown_answers_as_a_small_one_and_what_its_commands_take_is_a_table(where: list[str]) -> None:
    ended = run("bench_growth.py", "--quick", *where)
    assert ended.returncode == 0, ended.stderr
    assert len(re.findall(r"^\| (?:hot|cold), ", ended.stdout, re.MULTILINE)) == 4
    assert len(re.findall(r"^\| [24],000 \|", ended.stdout, re.MULTILINE)) == 2
    assert ended.stdout.count(" s |") == 8
