"""One proxy for a run, however many processes run its tests, and none afterwards."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.project import Project, proxy_of, text_of
from support.upstream import Upstream

SUITE = """
import os, pathlib
import pytest
from client import ask

@pytest.mark.parametrize("k", range(24))
def test_one_of_many(k, chatreel, pytestconfig):
    assert f"question {k}" in ask(f"question {k}")
    port = chatreel.base_url.partition("/_chatreel")[0]
    (pathlib.Path(__file__).parent / f"port-{k}").write_text(port)
"""
LONELY = """
import os
import pytest

@pytest.mark.chatreel
def test_without_a_proxy():
    pass

@pytest.mark.chatreel
def test_without_a_proxy_again():
    pass

def test_that_needs_none():
    pass
"""
WITHOUT = """
import sys

sys.modules["mitmproxy"] = None
"""
"""A conftest: `mitmproxy` is not installed here. It is where the proxy runs, which is another process."""


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int, limit: float = 30) -> None:
    deadline = time.monotonic() + limit
    while runs(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


@pytest.mark.long
def test_four_workers_share_one_proxy_and_lose_nothing(project: Project, upstream: Upstream) -> None:
    project.write({"test_many.py": SUITE})
    base = project.path / "base"
    recorded = project.run("-n4", "--chatreel=rewrite", "--chatreel-report=report.json", f"--basetemp={base}")
    recorded.assert_outcomes(passed=24)
    assert len({path.read_text() for path in project.path.glob("port-*")}) == 1
    assert len(project.cassettes) == len(upstream.calls) == 24
    assert project.report()["totals"]["outcomes"] == {"recorded": 24}
    assert not runs(proxy_of(base)), "the run has ended, and the proxy before it"

    upstream.stop()
    (project.path / "cassettes/test_many/test_gone.json").write_bytes(
        (project.path / project.cassettes[0]).read_bytes()
    )
    replayed = project.run("-n4", "--chatreel-fail-on=orphans")
    replayed.assert_outcomes(passed=24)
    replayed.stdout.fnmatch_lines(["   24    24 *", "  cassettes/test_many/test_gone.json"])
    assert replayed.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.long
@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_run_that_is_killed_leaves_no_proxy_behind(
    project: Project, upstream: Upstream, workers: tuple[str, ...]
) -> None:
    hanging = "import time\nfrom client import ask\n\ndef test_hanging(chatreel):\n    ask('x')\n    time.sleep(600)\n"
    project.write({"test_hanging.py": hanging})
    base = project.path / "base"
    command = [sys.executable, "-m", "pytest", "-q", "--chatreel=cache", f"--basetemp={base}", *workers]
    run = subprocess.Popen(command, cwd=project.path, env=os.environ | {"OPENAI_API_KEY": "sk-test"})
    try:
        upstream.wait_for_calls(1, timeout=60)
        proxy = proxy_of(base)
        assert runs(proxy)
        run.kill()
        run.wait()
        wait_until_gone(proxy)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGKILL)
        run.wait()
    assert project.cassettes == ["cassettes/test_hanging/test_hanging.json"]


def test_without_a_proxy_to_start_each_test_says_what_to_install(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"test_lonely.py": LONELY, "conftest.py": WITHOUT})
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{project.path}")
    result = project.run()
    result.assert_outcomes(passed=1, errors=2)
    said = text_of(result)
    assert "the proxy is not installed" in said
    assert "pip install 'chatreel[proxy]'" in said
    assert "uv tool install 'chatreel[proxy]'" in said


@pytest.mark.long
def test_a_program_on_the_path_takes_the_place_of_what_is_not_installed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"test_lonely.py": LONELY, "conftest.py": WITHOUT})
    tool = project.path / "bin" / "chatreel"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m chatreel "$@"\n')
    tool.chmod(0o755)
    monkeypatch.setenv(
        "PATH", f"{Path(sys.executable).parent}{os.pathsep}{tool.parent}{os.pathsep}{os.environ['PATH']}"
    )
    project.run().assert_outcomes(passed=3)


@pytest.mark.long
def test_a_proxy_that_does_not_start_is_quoted_to_each_test_and_tried_once(project: Project) -> None:
    project.write({"test_lonely.py": LONELY, "chatreel.toml": 'colour = "red"\n'})
    result = project.run()
    result.assert_outcomes(passed=1, errors=2)
    assert text_of(result).count("there is no setting 'colour'") >= 2


def test_a_run_without_marked_tests_starts_and_imports_nothing(project: Project) -> None:
    spy = """
    import sys

    def pytest_unconfigure(config):
        heavy = {"mitmproxy", "sqlalchemy", "duckdb", "streamlit", "pydantic", "rich", "typer", "orjson", "zstandard"}
        ours = {name for name in sys.modules if name.startswith("chatreel")}
        print("LOADED", sorted(heavy & set(sys.modules)), sorted(ours))
    """
    project.write({"conftest.py": spy.replace("\n    ", "\n"), "test_none.py": "def test_nothing():\n    pass\n"})
    base = project.path / "base"
    result = project.run(f"--basetemp={base}")
    result.assert_outcomes(passed=1)
    loaded = next(line for line in text_of(result).splitlines() if line.startswith("LOADED"))
    assert loaded == "LOADED [] ['chatreel', 'chatreel.pytest_plugin', 'chatreel.testing', 'chatreel.testing.options']"
    assert not (base / "chatreel").exists()
    assert "= chatreel =" not in text_of(result)
