"""The program runs as a process of its own, from ready to stopped, and a failure to start is told with its log."""

import os
import signal
import sys
from pathlib import Path

import pytest

from support.program import NotStarted, clean_environment, running_chatreel

STAND_IN = """
import json, os, signal, subprocess, sys, time
arguments = sys.argv[1:]
ready = arguments[arguments.index("--ready-file") + 1]
print("arguments", arguments, flush=True)
print("in", os.getcwd(), "with", os.environ.get("EXTRA"), file=sys.stderr, flush=True)
if "--fail" in arguments:
    sys.exit("the port is taken")
if "--deaf" in arguments:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
if "--child" in arguments:
    subprocess.Popen(["sh", "-c", "exec sleep 600 > " + arguments[-1]])
if "--mute" not in arguments:
    with open(ready, "w") as file:
        file.write('{"base_url": ')
        file.flush()
        file.write(json.dumps("http://127.0.0.1:1/v1") + ', "proxy_url": null, "pid": %d}' % os.getpid())
while True:
    time.sleep(0.05)
"""
COMMAND = (sys.executable, "-c", STAND_IN)


def test_runs_until_the_end_of_the_block() -> None:
    """Inside the block the program is ready; its exit code at the end is the one it chose on SIGTERM."""
    with running_chatreel("--mode", "replay", command=COMMAND) as program:
        assert program.returncode is None
        assert (program.base_url, program.ready["pid"]) == ("http://127.0.0.1:1/v1", program.pid)
        assert "'--port', '0'" in program.stdout
        assert program.stdout.rstrip().endswith("'--mode', 'replay']")
        assert os.getpgid(program.pid) == program.pid
    assert program.returncode == 7


def test_gets_its_own_folder_and_environment(tmp_path: Path) -> None:
    """The working folder is the one given, and `env` comes on top of the cleaned environment."""
    with running_chatreel(command=COMMAND, cwd=tmp_path, env={"EXTRA": "yes"}) as program:
        assert program.log == f"in {tmp_path} with yes\n"


def test_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would change the program's behaviour does not reach it, whatever its case; the rest does."""
    leaky = ["CI", "OPENAI_API_KEY", "OPENAI_BASE_URL", "https_proxy", "NO_PROXY", "CHATREEL_MODE"]
    for name in [*leaky, "CIRCLE", "KEEP_ME"]:
        monkeypatch.setenv(name, "x")
    assert not clean_environment().keys() & set(leaky)
    assert clean_environment().keys() >= {"PATH", "CIRCLE", "KEEP_ME"}


def test_stop_tells_the_exit_code() -> None:
    """`stop` sends the signal it is told and may be called again."""
    with running_chatreel(command=COMMAND) as program:
        assert program.stop(signal.SIGKILL) == -signal.SIGKILL
        assert program.stop() == -signal.SIGKILL


def test_a_deaf_program_is_killed() -> None:
    """A program that ignores SIGTERM is killed once the limit is over."""
    with running_chatreel("--deaf", command=COMMAND) as program:
        assert program.stop(limit=0.2) == -signal.SIGKILL


def test_children_do_not_outlive_the_program(tmp_path: Path) -> None:
    """What the program started ends with it: the pipe that a child holds open comes to its end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with running_chatreel("--child", str(pipe), command=COMMAND) as program, pipe.open("rb") as held:
        program.stop()
        assert held.read() == b""


def test_a_failure_to_start_shows_the_log() -> None:
    """A program that ends before it is ready raises with its exit code and what it said."""
    with (
        pytest.raises(NotStarted, match=r"(?s)code 1 .*port is taken"),
        running_chatreel("--fail", command=COMMAND),
    ):
        pytest.fail("it did not start")


def test_a_program_that_never_gets_ready_is_ended() -> None:
    """A program that does not say it is ready raises after the limit."""
    with (
        pytest.raises(NotStarted, match=r"not ready after 0.2 s"),
        running_chatreel("--mute", command=COMMAND, limit=0.2),
    ):
        pytest.fail("it was not ready")
