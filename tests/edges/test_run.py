"""`chatreel run -- CMD`: a proxy around one command, its verdict, its exit code."""

import subprocess
import sys
from pathlib import Path

from support.command import chatreel
from support.database import rows
from support.upstream import Upstream

SCRIPT = """
import os, sys
from openai import OpenAI

client = OpenAI(api_key=os.environ.get("OPENAI_API_KEY", "sk-test"), max_retries=0)
for text in sys.argv[1:]:
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    print(answer.choices[0].message.content)
"""


def run(*command: str, flags: tuple[str, ...], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return chatreel("run", *flags, "--", *command, cwd=cwd, **env)


def ask(*texts: str) -> tuple[str, ...]:
    """A command that uses the official client with nothing configured but the environment."""
    return (sys.executable, "-c", SCRIPT, *texts)


def test_an_unchanged_program_is_recorded_and_then_replayed(upstream: Upstream, store: str, tmp_path: Path) -> None:
    recorded = run(
        *ask("a", "b", "a"), flags=("--upstream", upstream.url, "--mode", "cache", "--store", store), cwd=tmp_path
    )
    assert recorded.returncode == 0, recorded.stderr
    assert "3 calls: 1 hit, 2 recorded, 0 refused" in recorded.stderr
    upstream.stop()
    replayed = run(
        *ask("a", "b", "a"), flags=("--upstream", upstream.url, "--mode", "replay", "--store", store), cwd=tmp_path
    )
    assert replayed.stdout == recorded.stdout
    assert "3 calls: 3 hits, 0 recorded, 0 refused" in replayed.stderr
    assert "seconds saved" in replayed.stderr


def test_a_refused_call_fails_the_command_with_the_explanation(upstream: Upstream, store: str, tmp_path: Path) -> None:
    ended = run(*ask("new"), flags=("--upstream", upstream.url, "--mode", "replay", "--store", store), cwd=tmp_path)
    assert ended.returncode == 1
    assert "recording" in ended.stderr
    assert "1 refused" in ended.stderr
    assert upstream.connections == 0


def test_the_upstream_is_the_base_url_the_program_would_have_used(
    upstream: Upstream, store: str, tmp_path: Path
) -> None:
    ended = run(
        *ask("a"), flags=("--mode", "cache", "--store", store), cwd=tmp_path, OPENAI_BASE_URL=upstream.url + "/v1"
    )
    assert ended.returncode == 0, ended.stderr
    assert upstream.calls[0].path == "/v1/chat/completions"


def test_a_run_is_a_session_of_the_log_that_is_named_without_its_options(
    upstream: Upstream, store: str, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(SCRIPT)
    for texts in (("a", "b", "--password", "hunter2"), ("a",)):
        ended = run(
            sys.executable, "app.py", *texts, flags=("--upstream", upstream.url, "--store", store), cwd=tmp_path
        )
        assert ended.returncode == 0, ended.stderr
    found = rows(store, "SELECT session_name, count(*) FROM calls GROUP BY session, session_name ORDER BY min(id)")
    program = Path(sys.executable).name
    assert found == [(f"{program} app.py a b", 4), (f"{program} app.py a", 1)]


def test_the_exit_code_is_the_commands(store: str, tmp_path: Path) -> None:
    ended = run(sys.executable, "-c", "raise SystemExit(7)", flags=("--store", store), cwd=tmp_path)
    assert ended.returncode == 7
    assert "0 calls" in ended.stderr


def test_a_command_ended_by_a_signal_counts_as_a_shell_counts_it(store: str, tmp_path: Path) -> None:
    suicide = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run(sys.executable, "-c", suicide, flags=("--store", store), cwd=tmp_path).returncode == 128 + 9


def test_a_command_that_does_not_exist_is_named(store: str, tmp_path: Path) -> None:
    ended = run("no-such-command", flags=("--store", store), cwd=tmp_path)
    assert ended.returncode == 127
    assert "no-such-command" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_stdout_is_the_commands_alone(store: str, tmp_path: Path) -> None:
    assert run("echo", "hello", flags=("--store", store), cwd=tmp_path).stdout == "hello\n"


def test_options_behind_the_dashes_belong_to_the_command(store: str, tmp_path: Path) -> None:
    ended = run(
        sys.executable,
        "-c",
        "import sys; print(sys.argv[1:])",
        "--mode",
        "x",
        "--",
        flags=("--store", store),
        cwd=tmp_path,
    )
    assert ended.stdout == "['--mode', 'x', '--']\n"
