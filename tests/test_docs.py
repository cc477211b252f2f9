"""The docs are true: what they show runs, and what there is stands in them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import chatreel
from chatreel.api_errors import Problem
from chatreel.cli.program import app
from chatreel.config import READERS
from chatreel.demo.model_server import ModelServer
from chatreel.exit_codes import ExitCode
from chatreel.formats import cassette, har, vcr_writing
from chatreel.model import Mode
from chatreel.request import DEFAULT_KEYS
from support.calls import ask, question
from support.program import clean_environment, running_chatreel
from support.resources import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
REFERENCE = (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    """Fenced code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The origin of a proxy that has a model server behind it."""
    store = str(tmp_path / "store.db")
    with (
        ModelServer(pace=0) as model,
        running_chatreel("--upstream", model.url, "--mode", "cache", "--store", store) as proxy,
    ):
        yield proxy.base_url.removesuffix("/v1")


def shell(command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = clean_environment() | {"PATH": path, "OPENAI_API_KEY": "sk-docs", "XDG_DATA_HOME": str(cwd)} | env
    return subprocess.run(
        command, shell=True, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_python_example_prints_the_same_answer_twice(served: str, tmp_path: Path) -> None:
    [example] = blocks(README, "python")
    (tmp_path / "app.py").write_text(example.replace("http://127.0.0.1:8080", served))
    ended = shell("python app.py", tmp_path)
    assert ended.returncode == 0, ended.stderr
    first, second = ended.stdout.splitlines()
    assert first == second


def test_the_curl_example_shows_a_hit_the_second_time(served: str, tmp_path: Path) -> None:
    [example] = [block for block in blocks(README, "sh") if "curl" in block]
    command = example.replace("http://127.0.0.1:8080", served)
    shell(command, tmp_path)
    ended = shell(command, tmp_path)
    shown = next(block for block in blocks(README, "text") if block.startswith("HTTP/1.1"))
    for line in shown.splitlines():
        start = line.partition("v1:")[0] if "v1:" in line else line.rstrip("7")
        assert start in ended.stdout


def test_the_control_api_works_as_its_curl_commands_show(served: str, tmp_path: Path) -> None:
    [example] = [block for block in blocks(REFERENCE, "sh") if "_chatreel/sessions" in block]
    script = example.replace("http://127.0.0.1:8080", served).replace(
        "/tmp/test_rivers.json", f"{tmp_path}/c/rivers.json"
    )
    for mode in ("cache", "replay"):
        ended = shell(script.replace("\n\n", "\necho\n").replace('/calls"', '/calls"; echo'), tmp_path)
        assert ended.returncode == 0, ended.stderr
        answer, calls, verdict = [json.loads(line) for line in ended.stdout.splitlines() if line]
        assert json.loads((tmp_path / "session.json").read_bytes())["mode"] == mode
        [call] = calls["calls"]
        assert call["completion"] == answer
        assert (verdict["open"], verdict["calls"], verdict["unused"]) == (False, 1, [])
        assert verdict["outcomes"] == {"recorded" if mode == "cache" else "hit": 1}
        for member in [*verdict, *call, *json.loads((tmp_path / "session.json").read_bytes())]:
            assert f"`{member}`" in REFERENCE
    assert (tmp_path / "c" / "rivers.json").is_file()


def test_the_run_example_records_and_replays(tmp_path: Path) -> None:
    [example] = [block for block in blocks(README, "sh") if "chatreel run" in block]
    [python] = blocks(README, "python")
    (tmp_path / "app.py").write_text(python.replace('base_url="http://127.0.0.1:8080/v1"', ""))
    record, replay = example.splitlines()
    with ModelServer(pace=0.2) as model:
        recorded = shell(record, tmp_path, OPENAI_BASE_URL=f"{model.url}/v1")
        replayed = shell(replay, tmp_path, OPENAI_BASE_URL=f"{model.url}/v1")
    shown = next(block for block in blocks(README, "text") if block.startswith("chatreel: "))
    assert "2 calls: 1 hit, 1 recorded, 0 refused" in recorded.stderr
    assert re.sub(r"[\d.]+ seconds", "", shown).strip() == re.sub(r"[\d.]+ seconds", "", replayed.stderr).strip()
    assert recorded.stdout == replayed.stdout


@pytest.mark.long
def test_the_commands_for_looking_after_a_store_run(served: str, tmp_path: Path) -> None:
    example = (REPOSITORY / "docs" / "store.md").read_text(encoding="utf-8")
    for text in ("capital of France", "other"):
        assert ask(f"{served}/v1", question(text), authorization="Bearer sk-docs").status_code == 200
    store = str(tmp_path / "store.db")
    for command in "".join(blocks(example, "sh")).splitlines():
        ended = shell(command, tmp_path, CHATREEL_STORE=store)
        assert ended.returncode == 0, f"{command}: {ended.stderr}"
    assert (tmp_path / "request.json").read_bytes().startswith(b'{"model":')
    assert shell("chatreel ls --json", tmp_path, CHATREEL_STORE=store).stdout.count("\n") == 1


CASSETTES = (REPOSITORY / "docs" / "cassettes.md").read_text(encoding="utf-8")


def test_the_cassette_in_the_docs_is_one_to_the_byte() -> None:
    [example] = blocks(CASSETTES, "json")
    [found] = (loaded := cassette.load(example.encode(), DEFAULT_KEYS)).recordings
    assert cassette.dump([found], loaded.keyed_by).decode() == example
    [edited] = cassette.load(example.replace('"The Nile,",', '"The Amazon,",').encode(), DEFAULT_KEYS).recordings
    assert (edited.edited, b"The Amazon," in edited.body) == (True, True)


@pytest.mark.long
def test_the_commands_for_cassettes_run(tmp_path: Path) -> None:
    """With recordings of VCR.py and a HAR, as somebody brings them along."""
    merging, importing, exporting, linting = blocks(CASSETTES, "sh")
    [found] = cassette.load(blocks(CASSETTES, "json")[0].encode(), DEFAULT_KEYS).recordings
    for path in ("tests/cassettes/test_a/test_b.yaml", "recordings.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(vcr_writing.write([found]))
    (tmp_path / "traffic.har").write_bytes(har.write([found], creator=chatreel.__version__))
    ended = shell(f"set -e\ngit init --quiet\n{importing}{linting}{merging}", tmp_path)
    assert (ended.returncode, ended.stdout.count("1 exact, 0 converted, 0 refused")) == (0, 3), ended.stderr
    ended = shell(f"set -e\nrm recordings.yaml\n{exporting}", tmp_path)
    assert ended.returncode == 0, ended.stderr
    written = ("tests/cassettes/test_a/test_b.json", "cassettes/suite.json", "cassettes/all.json", "recordings.har")
    assert [name for name in written if not (tmp_path / name).exists()] == []
    attributes = (tmp_path / ".gitattributes").read_text(encoding="utf-8")
    assert attributes == "cassettes/**/*.json merge=chatreel\n"


def test_every_make_target_that_the_docs_name_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"^\s*(?:`|)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert {"demo", "test", "serve", "check"} <= named
    assert named <= targets


def test_every_command_and_option_stands_in_the_reference() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group, as it has commands
    for name, command in commands.items():
        assert f"`chatreel {name}" in REFERENCE
        for option in (option for parameter in command.params for option in parameter.opts if option.startswith("--")):
            assert option in REFERENCE, f"{name} {option}"


@pytest.mark.parametrize("setting", READERS)
def test_every_setting_stands_in_the_reference(setting: str) -> None:
    assert setting in REFERENCE or f"--{setting.replace('_', '-')}" in REFERENCE


def test_every_error_code_and_exit_code_stands_in_the_reference() -> None:
    for problem in Problem:
        assert f"| `{problem.value.code}` | {problem.value.status} |" in REFERENCE
    for code in ExitCode:
        assert f"| {code.value} | `{code.name}` |" in REFERENCE


@pytest.mark.parametrize("mode", Mode)
def test_every_mode_stands_in_the_readme(mode: Mode) -> None:
    assert f"| `{mode}`" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = re.findall(r"`((?:proxy|analytics|tests|docs|cassettes|benchmarks)/[\w./-]+)`", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_the_version_is_the_packages() -> None:
    assert f'\nversion = "{chatreel.__version__}"\n' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_every_module_stands_in_the_map() -> None:
    named = set(re.findall(r"\w+", chatreel.__doc__ or ""))
    folder = REPOSITORY / "proxy"
    modules = {path.stem if path.suffix else path.name for path in folder.iterdir() if path.suffix in ("", ".py")}
    assert {name for name in modules if not name.startswith("__")} - named == set()
