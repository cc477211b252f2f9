"""`chatreel lint`: one line for each finding, and an exit code that fails a build."""

import json
from pathlib import Path

import pytest

from chatreel.formats import cassette
from support.command import chatreel
from support.made_recordings import KEYED_BY, ask, recorded, said

SECRET = "sk-proj-Tq7Z0mVb9LkXw2RfYh4NcJd8"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "tests" / "cassettes"
    folder.mkdir(parents=True)
    good, leaking = said("Hello", "Hi"), said("Key?", f"It is {SECRET}.")
    error = recorded(ask("Too much"), b'{"error": {"message": "slow"}}', status=429)
    for name, recordings in {"good": [good], "error": [error], "leak": [leaking]}.items():
        (folder / f"{name}.json").write_bytes(cassette.dump(recordings, KEYED_BY))
    (folder / "package.json").write_text('{"name": "not a cassette"}', encoding="utf-8")
    hidden = tmp_path / ".venv"
    hidden.mkdir()
    (hidden / "leak.json").write_bytes(cassette.dump([leaking], KEYED_BY))
    return tmp_path


def test_findings_are_lines_and_some_kinds_fail(project: Path) -> None:
    ended = chatreel("lint", cwd=project)
    assert ended.returncode == 1
    assert [line.split(":")[0:3:2] for line in ended.stdout.splitlines()] == [
        ["tests/cassettes/error.json", " error"],
        ["tests/cassettes/leak.json", " secret"],
    ]
    assert SECRET not in ended.stdout
    assert "2 found, 1 of them fail" in ended.stderr


@pytest.mark.long
def test_each_kind_can_fail_or_not(project: Path) -> None:
    assert chatreel("lint", "--warn", "secret", cwd=project).returncode == 0
    assert chatreel("lint", "tests/cassettes/error.json", cwd=project).returncode == 0
    assert chatreel("lint", "--fail", "error", "tests/cassettes/error.json", cwd=project).returncode == 1
    ended = chatreel("lint", "--fail", "error", "--warn", "error", cwd=project)
    assert (ended.returncode, "give it once" in ended.stderr) == (2, True)


def test_age_and_orphans_are_found_when_asked_for(project: Path) -> None:
    live = project / "live.txt"
    live.write_text("tests/cassettes/leak.json\ntests/cassettes/error.json\n", encoding="utf-8")
    ended = chatreel("lint", "--json", "--max-age", "1s", "--live", "live.txt", "--fail", "orphan", cwd=project)
    found = [(Path(one["file"]).stem, one["kind"], one["fails"]) for one in json.loads(ended.stdout)]
    assert ("good", "orphan", True) in found
    assert ("leak", "orphan", True) not in found
    assert sum(kind == "old" for _, kind, _ in found) == 3
    assert chatreel("lint", "--max-age", "soon", cwd=project).returncode == 2


def test_a_named_file_is_judged_whatever_it_is(project: Path) -> None:
    ended = chatreel("lint", "tests/cassettes/package.json", cwd=project)
    assert ended.returncode == 1
    assert ended.stdout.startswith("tests/cassettes/package.json:1: unreadable: this is no cassette of chatreel")
