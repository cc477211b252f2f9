"""Under a load that has a process of its own write the recordings, nothing is lost, whoever ends how."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.calls import ask, question
from support.command import chatreel
from support.database import rows
from support.kills import PRICES, look
from support.mixed_load import CLIENTS, MixedLoad
from support.program import IS_SLOW, Program, running_chatreel
from support.scribes import files_of, is_alive, kill, writing_for
from support.upstream import Upstream
from support.waiting import eventually

FILES = ("", "-wal", "-shm")
"""Of a store, by how their names end."""


@contextmanager
def hurried(upstream: Upstream, store: str) -> Iterator[tuple[Program, MixedLoad, int]]:
    """A proxy under load, and the process that writes for it. Who leaves the block has stopped the load."""
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache", "--no-ask-usage")
    with running_chatreel(*flags, env=PRICES) as proxy:
        load = MixedLoad(proxy.base_url, 1)
        load.start()
        try:
            assert eventually(lambda: writing_for(proxy.pid)), proxy.log
            load.wait_for(len(load.received) + 100)
            yield proxy, load, writing_for(proxy.pid)[0]
        finally:
            load.stop()


def test_a_proxy_that_is_killed_leaves_nothing_behind_and_has_lost_nothing(upstream: Upstream, store: str) -> None:
    with hurried(upstream, store) as (proxy, load, scribe):
        kill(proxy.pid)
        assert eventually(lambda: not is_alive(scribe))
        load.stop()
    damage = look(upstream, store, load.received)
    assert (damage.lost, damage.corrupt, damage.unlogged) == ([], [], [])
    assert damage.answers > 100


@pytest.mark.skipif(IS_SLOW, reason="the engine has the end of a stream wait for the store")
def test_what_a_killed_proxy_had_handed_over_is_stored_once_whoever_is_faster(
    upstream: Upstream, store: str, tmp_path: Path
) -> None:
    """The process sleeps until somebody else has found what the proxy has left."""
    with hurried(upstream, store) as (proxy, load, scribe):
        load.stop()
        os.kill(scribe, signal.SIGSTOP)
        try:
            answer = ask(proxy.base_url, question("handed over", stream=True))
            assert answer.text.endswith("data: [DONE]\n\n")
            time.sleep(0.2)  # it is handed over by then; if not, there is less to be shown
            kill(proxy.pid)
            assert chatreel("ls", "--store", store, cwd=tmp_path).returncode == 0
        finally:
            os.kill(scribe, signal.SIGCONT)
        assert eventually(lambda: not is_alive(scribe))
    found = rows(
        store, "SELECT count(*) FROM recordings WHERE key = (SELECT key FROM calls ORDER BY started_at DESC LIMIT 1)"
    )
    assert found == [(1,)]
    assert rows(store, "SELECT key FROM recordings GROUP BY key HAVING count(*) > 1") == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_at_once_loses_nothing(upstream: Upstream, store: str, how: signal.Signals) -> None:
    with hurried(upstream, store) as (proxy, load, scribe):
        os.killpg(proxy.pid, how)
        assert eventually(lambda: proxy.returncode is not None)
        assert not is_alive(scribe)
        assert "without a process" not in proxy.log
        assert "Traceback" not in proxy.log
        load.stop()
    # Through the engine, calls that are given up get an error from us.
    damage = look(upstream, store, [one for one in load.received if "upstream_broken" not in one.cache_status])
    assert (damage.lost, damage.corrupt, damage.unlogged) == ([], [], [])
    assert sorted(path.name for path in Path(store).parent.iterdir() if path.name.startswith("store.db-")) == []


def test_a_process_that_is_killed_costs_what_it_was_writing_and_nothing_else(upstream: Upstream, store: str) -> None:
    with hurried(upstream, store) as (proxy, load, scribe):
        kill(scribe)
        load.wait_for(len(load.received) + 300)
        load.stop()
        assert "recordings are written without a process of its own" in proxy.log
        assert writing_for(proxy.pid) == []
        proxy.stop()
    damage = look(upstream, store, [one for one in load.received if "store-failed" not in one.cache_status])
    assert damage.corrupt == []
    assert len(load.received) - damage.answers + len(damage.lost) <= CLIENTS
    assert all(lost.startswith("sse") for lost in damage.lost), damage.lost  # whose heads had gone out before
    assert all("sse" in call and "passed" in call for call in damage.unlogged), damage.unlogged
    assert len(damage.unlogged) <= CLIENTS
    assert rows(store, "SELECT key FROM recordings GROUP BY key HAVING count(*) > 1") == []


def test_the_process_has_nothing_of_the_proxy_but_its_end_of_the_way_between_them(
    upstream: Upstream, store: str
) -> None:
    with hurried(upstream, store) as (proxy, _, scribe):
        opened = sorted(files_of(scribe))
        assert set(opened) == {"socket", "/dev/null", str(proxy.folder / "stderr"), *(f"{store}{end}" for end in FILES)}
        assert opened.count("socket") == 1
        assert proxy.stdout == ""
