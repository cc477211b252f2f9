"""`chatreel export --follow` beside a proxy that gets calls and a program that asks the file all the time."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from chatreel.analytics.logfile import LogFile
from support.calls import ask as call
from support.calls import question
from support.log import ask
from support.program import clean_environment, running_chatreel
from support.upstream import Upstream
from support.waiting import eventually

pytestmark = pytest.mark.long

ROUNDS, CALLS = 3, 5
"""As often the file becomes fresh, and after so many calls."""

LIMIT = 120.0
"""Seconds until it is fresh: the export rests for up to a minute, if it took long."""

READER = """
import select, sys
import duckdb

seen = ()
while not select.select([sys.stdin], [], [], 0)[0]:
    with duckdb.connect(sys.argv[1], read_only=True) as opened:
        found = opened.execute("SELECT count(*), count(DISTINCT call_id) FROM calls").fetchone()
    if found != seen:
        print(*found, flush=True)
    seen = found
"""
"""What any program does that knows nothing of the export: open the file, ask, close it.

It says what is new, and ends with its input.
"""


def test_what_is_asked_becomes_fresh_while_a_proxy_writes_and_no_lock_is_in_the_way(tmp_path: Path) -> None:
    store, file = tmp_path / "store.db", tmp_path / "calls.duckdb"
    with (
        Upstream() as upstream,
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", str(store)) as proxy,
    ):
        call(proxy.base_url, question("0"))
        export = [sys.executable, "-m", "chatreel", "export", "--store", str(store), "--to", str(file)]
        follower = started([*export, "--follow", "--every", "0.1"])
        assert eventually(file.exists)
        reader = started([sys.executable, "-c", READER, str(file)])
        assert reader.stdout
        assert reader.stdout.readline() == "1 1\n"
        try:
            with LogFile(file) as old:  # somebody who keeps open what there was
                for number in range(1, ROUNDS + 1):
                    for _ in range(CALLS):
                        assert call(proxy.base_url, question(str(number))).status_code == 200
                    assert eventually(partial(holds, file, 1 + number * CALLS), LIMIT)
                assert old.rows("SELECT count(*) FROM calls") == [(1,)]
        finally:
            asked, trouble = reader.communicate("enough\n", timeout=60)
            follower.send_signal(signal.SIGINT)
            _, said = follower.communicate(timeout=60)
    assert (reader.returncode, trouble) == (0, "")
    assert follower.returncode == 0, said
    assert "Traceback" not in said
    found = [tuple(map(int, line.split())) for line in asked.splitlines()]
    assert all(rows == different for rows, different in found)
    assert found == sorted(found), "a call that was there is there"
    assert len(found) > 1, "it was asked while it became fresh"
    made = 1 + ROUNDS * CALLS
    outcomes = "SELECT outcome, count(*) FROM calls GROUP BY ALL ORDER BY ALL"
    assert ask(file, outcomes) == [("hit", made - 1 - ROUNDS), ("recorded", 1 + ROUNDS)]


def holds(file: Path, calls: int) -> bool:
    return ask(file, "SELECT count(*) FROM calls") == [(calls,)]


def started(command: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=clean_environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
