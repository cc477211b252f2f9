"""A program that is forked does what one does that is started."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.command import forked, started
from support.forked import Forked, may_fork
from support.program import clean_environment, running_chatreel

CALL = '{"model": "m", "messages": [{"role": "user", "content": "grüß dich"}]}'


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nothing-like-it",), ""),
        (("suggest", "--store", "folder"), ""),
        (("explain", "-"), CALL),
    ],
    ids=["usage", "an error", "standard input"],
)
def test_it_says_the_same_and_ends_the_same(args: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    env = clean_environment() | {"COLUMNS": "200"}
    one, other = (run(args, tmp_path, said, env) for run in (forked, started))
    said_by_other = other.stderr.replace("python -m chatreel", "chatreel")
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, said_by_other)


def test_what_ran_as_the_main_program_is_not_run_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Streamlit leaves a page there, whose tests run in the same process."""
    page = ModuleType("__main__")
    page.__file__ = str(tmp_path / "page.py")
    (tmp_path / "page.py").write_text("raise SystemExit(1)")
    monkeypatch.setitem(sys.modules, "__main__", page)
    assert forked(("--version",), tmp_path, "", clean_environment()).returncode == 0
    assert sys.modules["__main__"] is page


def test_it_has_the_environment_it_is_given_and_nothing_else(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATREEL_MODE", "no mode at all")
    with running_chatreel("--store", store, env={"CHATREEL_TAG": "a=b"}) as proxy:
        assert isinstance(proxy.process, Forked)
        assert os.getpgid(proxy.pid) == proxy.pid == proxy.ready["pid"]
        assert "mode cache" in proxy.log


def test_its_end_is_told_as_that_of_any_process(store: str) -> None:
    with running_chatreel("--store", store) as proxy:
        with pytest.raises(subprocess.TimeoutExpired):
            proxy.process.wait(0)
        assert proxy.stop(signal.SIGKILL) == proxy.returncode == -signal.SIGKILL


def test_what_is_meant_for_the_interpreter_takes_a_start() -> None:
    assert may_fork({"CHATREEL_MODE": "replay"})
    assert not may_fork({"PYTHONWARNINGS": "error"})
