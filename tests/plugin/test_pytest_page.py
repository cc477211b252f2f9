"""The page about pytest is true: its examples run, its settings are those there are, its table is what is printed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatreel.testing.options import MARKED, OPTIONS, Finding
from support.command import chatreel
from support.program import clean_environment
from support.project import Project, text_of
from support.resources import REPOSITORY
from support.upstream import Upstream

PAGE = (REPOSITORY / "docs" / "pytest.md").read_text(encoding="utf-8")

YAML = """
interactions:
- request:
    method: POST
    uri: https://api.openai.com/v1/chat/completions
    body: '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Name a river in Norway."}]}'
    headers:
      content-type: [application/json]
  response:
    status: {code: 200, message: OK}
    headers:
      Content-Type: [application/json]
    body:
      string: '{"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "The Glomma."}, "finish_reason": "stop"}]}'
version: 1
"""

NODE_TEST = """
import test from "node:test";
import assert from "node:assert";
import OpenAI from "openai";

test("a river", async () => {
  const answer = await new OpenAI().chat.completions.create({
    model: "m-1", messages: [{ role: "user", content: "Name a river." }],
  });
  assert.match(answer.choices[0].message.content, /river/);
});
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def words_of(command: str) -> list[str]:
    """The arguments of a command of the page, without its comment."""
    return command.partition("#")[0].split()


@pytest.mark.long
def test_its_examples_record_replay_and_miss_as_they_say(project: Project, upstream: Upstream) -> None:
    project.write({block.splitlines()[0].removeprefix("# "): block for block in blocks("python")})
    record, replay = next(block for block in blocks("sh") if "--chatreel=cache" in block).splitlines()
    assert words_of(record)[0] == words_of(replay)[0] == "pytest"
    project.run(*words_of(record)[1:]).assert_outcomes(passed=2)
    assert "cassettes/test_river/test_a_river.json" in project.cassettes
    assert "cassettes/test_river/test_a_river.json" in record
    upstream.stop()
    [in_ci] = [block for block in blocks("sh") if "--chatreel-report" in block]
    replayed = project.run(*words_of(in_ci)[1:])
    replayed.assert_outcomes(passed=2)
    assert project.report("chatreel.json")["totals"]["outcomes"] == {"hit": 2}
    header = next(block for block in blocks("text") if "orphans" in block).splitlines()[0].partition("  spent")[0]
    assert any(line.startswith(header) for line in replayed.outlines), "the money stands behind, where prices are known"

    project.replace("test_river.py", "Norway", "Sweden")
    missed = project.run("test_river.py")
    missed.assert_outcomes(failed=1)
    said = re.sub(r"v1:[0-9a-f]+", "v1:…", text_of(missed))
    assert next(block for block in blocks("text") if "differs" in block) in said


@pytest.mark.long
def test_a_suite_of_pytest_recording_goes_on_with_the_answers_it_has(project: Project, upstream: Upstream) -> None:
    [test] = [block for block in blocks("python") if "test_a_river" in block]
    project.write({"test_river.py": test, "cassettes/test_river/test_a_river.yaml": YAML})
    imported = chatreel("import", "cassettes", cwd=project.path)
    assert imported.returncode == 0, imported.stdout + imported.stderr
    replayed = project.run("--chatreel-upstream=https://api.openai.com/v1", "--chatreel-fail-on=unused,orphans")
    replayed.assert_outcomes(passed=1)
    assert replayed.ret == 0
    assert upstream.connections == 0


def test_every_setting_stands_in_it() -> None:
    for option in OPTIONS:
        for flag in [name for name, _ in option.constants] or [option.long]:
            assert f"`{flag}`" in PAGE
        assert f"`{option.ini}`" in PAGE
    rows = [[cell.strip() for cell in line.split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
    assert {row[3].strip("`") for row in rows if len(row) == 7} - {"marker", ""} == MARKED
    for finding in Finding:
        assert f"| `{finding}` |" in PAGE


@pytest.mark.long
def test_a_suite_in_node_is_recorded_and_replayed_by_the_same_commands(upstream: Upstream, tmp_path: Path) -> None:
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("there is no Node with npm here")
    (tmp_path / "package.json").write_text('{"private": true, "scripts": {"test": "node --test"}}')
    (tmp_path / "river.test.mjs").write_text(NODE_TEST)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "openai@7"]
    try:
        if subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False).returncode:
            pytest.skip("npm cannot install the client")
    except subprocess.TimeoutExpired:
        pytest.skip("the registry of npm did not answer in time")
    record, replay = next(block for block in blocks("sh") if "npm test" in block).splitlines()

    def run(line: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", *words_of(line)]
        store = str(tmp_path / "calls.db")
        env = clean_environment() | {"OPENAI_API_KEY": "sk-test", "CHATREEL_STORE": store}
        env |= {"OPENAI_BASE_URL": f"{upstream.url}/v1"}
        return subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)

    recorded = run(record)
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    assert "1 recorded" in recorded.stderr
    assert (tmp_path / "cassettes" / "suite.json").exists()
    upstream.stop()
    replayed = run(replay)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "1 hit" in replayed.stderr
    (tmp_path / "river.test.mjs").write_text(NODE_TEST.replace("Name a river", "Name another river"))
    changed = run(replay)
    assert changed.returncode == 1
    assert "1 refused" in changed.stderr
