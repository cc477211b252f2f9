"""A store that fails costs nobody an answer in `cache`, is said loudly, and records again once it can."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from support import postgres
from support.calls import ask, error_of, question
from support.database import rows
from support.program import NotStarted, Program, running_chatreel
from support.stores import opened
from support.upstream import Upstream, echo, stream
from support.waiting import eventually

LOUD = "NOTHING IS BEING RECORDED"
AGAIN = "answers are being recorded again"
PATIENCE = 30.0


def status_of(proxy: Program, text: str, **more: object) -> str:
    """The cache status of a call that is answered, whatever the store does."""
    answer = ask(proxy.base_url, question(text, **more))
    assert answer.status_code == 200, answer.text
    return answer.headers["cache-status"]


def wait_until_recorded(proxy: Program) -> None:
    """Ask new questions until one is recorded: nobody restarts anything."""
    deadline = time.monotonic() + PATIENCE
    number = 0
    while "stored" not in status_of(proxy, f"again {(number := number + 1)}").split("; "):
        assert time.monotonic() < deadline, proxy.log
        time.sleep(0.1)
    assert AGAIN in proxy.log


def recording(upstream: Upstream, store: str, mode: str = "cache") -> tuple[str, ...]:
    return ("--upstream", upstream.url, "--store", store, "--mode", mode)


@contextmanager
def locked(store: str) -> Iterator[None]:
    """Somebody else writes, and takes their time."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@pytest.mark.long
def test_a_store_that_others_lock_is_waited_for_once_and_not_by_each_call(upstream: Upstream, store: str) -> None:
    with running_chatreel(*recording(upstream, store)) as proxy:
        assert "stored" in status_of(proxy, "before")
        with locked(store):
            started = time.monotonic()
            assert "store-failed" in status_of(proxy, "the one that waits")
            waited = time.monotonic() - started
            took = []
            for number in range(8):
                started = time.monotonic()
                assert "store-failed" in status_of(proxy, f"number {number}")
                assert status_of(proxy, "before").startswith("chatreel; hit")
                took.append(time.monotonic() - started)
        wait_until_recorded(proxy)
        assert sorted(took)[4] < waited / 2, (took, waited)
        assert proxy.log.count(LOUD) == 1
        assert "database is locked" in proxy.log
    outcomes = dict(rows(store, "SELECT outcome, count(*) FROM calls GROUP BY outcome"))
    assert outcomes["passed"] >= 9
    assert outcomes["hit"] == 8


def test_a_store_that_was_deleted_or_replaced_is_noticed_and_said(upstream: Upstream, store: str) -> None:
    aside = Path(f"{store}.aside")
    with running_chatreel(*recording(upstream, store)) as proxy:
        assert "stored" in status_of(proxy, "before")
        Path(store).rename(aside)
        assert "store-failed" in status_of(proxy, "gone")
        assert f"{store} was deleted while it was in use" in proxy.log
        Path(store).write_bytes(b"")
        assert "store-failed" in status_of(proxy, "replaced")
        assert f"{store} was replaced by another file" in proxy.log
        refused = ask(proxy.base_url, question("replaced"), cache_control="no-cache")
        assert error_of(refused)["code"] == "chatreel_not_stored"
        assert Path(store).read_bytes() == b""
        aside.rename(store)
        wait_until_recorded(proxy)
    assert rows(store, "PRAGMA integrity_check") == [("ok",)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB. Skips where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.getuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave not one byte free."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


def test_a_full_disk_costs_recordings_and_nothing_else(upstream: Upstream, small_disk: Path) -> None:
    store = str(small_disk / "store.db")
    upstream.reply_by(lambda request: stream(["a ", "stream"]) if b'"stream":true' in request.body else echo(request))
    with running_chatreel(*recording(upstream, store)) as proxy:
        assert "stored" in status_of(proxy, "before")
        filler = fill(small_disk)
        for number in range(40):
            failing = status_of(proxy, f"{number} {os.urandom(20_000).hex()}")
            if "store-failed" in failing:
                break
        assert "store-failed" in failing
        assert LOUD in proxy.log
        assert status_of(proxy, "before").startswith("chatreel; hit")
        body = question(os.urandom(20_000).hex())
        refused = ask(proxy.base_url, body, cache_control="no-cache")
        assert (refused.status_code, error_of(refused)["code"]) == (500, "chatreel_not_stored")
        assert "disk is full" in refused.text or "disk I/O error" in refused.text
        assert b"[DONE]" not in cut_stream(proxy, body | {"stream": True})
        filler.unlink()
        wait_until_recorded(proxy)
    assert rows(store, "PRAGMA integrity_check") == [("ok",)]
    assert rows(store, "PRAGMA foreign_key_check") == []
    with running_chatreel(*recording(upstream, store, "replay")) as proxy:
        assert status_of(proxy, "before").startswith("chatreel; hit")


def test_a_store_that_is_read_only_is_said_at_the_start(upstream: Upstream, small_disk: Path) -> None:
    store = str(small_disk / "store.db")
    with opened(store):
        pass
    before = Path(store).read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    complaint = f"the store {store} cannot be used: .*Read-only file system"
    with pytest.raises(NotStarted, match=complaint) as raised, running_chatreel(*recording(upstream, store)):
        pass
    assert "code 4" in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert Path(store).read_bytes() == before


def cut_stream(proxy: Program, body: dict[str, object]) -> bytes:
    """What arrives of a stream that the store could not record, in `record`."""
    received = b""
    with httpx.Client(trust_env=False, timeout=30) as client:
        try:
            headers = {"cache-control": "no-cache"}
            with client.stream("POST", f"{proxy.base_url}/chat/completions", json=body, headers=headers) as answer:
                for piece in answer.iter_raw():
                    received += piece
        except httpx.RemoteProtocolError:
            pass
    return received


@pytest.mark.long
def test_a_server_that_vanishes_and_comes_back_is_used_again(upstream: Upstream, postgres_database: str) -> None:
    assert postgres_database  # there is a PostgreSQL
    with postgres.running_server() as server:
        store = postgres.fresh(postgres.new_database(server.url, "vanishing"))
        with running_chatreel(*recording(upstream, store)) as proxy:
            started = time.monotonic()
            for text in ("before", "1", "2", "3"):
                assert "stored" in status_of(proxy, text)
            with_it = time.monotonic() - started
            server.stop()
            started = time.monotonic()
            for number in range(4):
                assert "fwd=miss" in status_of(proxy, f"number {number}")
            without = time.monotonic() - started
            assert without < 5 + 10 * with_it, (without, with_it)
            assert LOUD in proxy.log
            refused = ask(proxy.base_url, question("recorded or not"), cache_control="no-cache")
            assert error_of(refused)["code"] == "chatreel_not_stored"
            server.start()
            wait_until_recorded(proxy)
            assert status_of(proxy, "before").startswith("chatreel; hit")
            assert eventually(lambda: len(rows(store, "SELECT 1 FROM calls WHERE outcome = 'passed'")) >= 4)
