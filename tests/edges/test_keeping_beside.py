"""A store is looked after while a proxy serves from it: the proxy neither breaks nor loses anything."""

import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.calls import ask, question
from support.command import chatreel
from support.database import rows
from support.program import clean_environment, running_chatreel
from support.stores import add, call, genuine, use
from support.upstream import Upstream
from support.waiting import eventually

T = 1.79e9


def long_text(seed: int) -> str:
    return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz", k=50_000))


def run(command: str, *options: str, store: str, folder: Path) -> subprocess.CompletedProcess[str]:
    ended = chatreel(command, *options, "--store", store, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.mark.long
def test_what_is_recorded_during_a_prune_is_kept_and_served(upstream: Upstream, store: str, tmp_path: Path) -> None:
    add(store, *(genuine(f"old {number}", recorded_at=T) for number in range(600)))
    texts = [f"new {number}" for number in range(30)]
    with (
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
        ThreadPoolExecutor(4) as clients,
    ):
        answers = clients.map(lambda text: ask(proxy.base_url, question(text)), texts)
        ended = run("prune", "--older-than", "2026-09-30", store=store, folder=tmp_path)
        run("verify", store=store, folder=tmp_path)
        assert [answer.status_code for answer in answers] == [200] * len(texts)
        assert ended.stdout.startswith("removed: 600 recordings")
        for text in texts:
            assert "chatreel; hit" in ask(proxy.base_url, question(text)).headers["cache-status"]
        assert "NOTHING IS BEING RECORDED" not in proxy.log
        assert "Traceback" not in proxy.log
    assert rows(store, "SELECT count(*) FROM recordings") == [(len(texts),)]
    assert len(upstream.calls) == len(texts)
    run("verify", store=store, folder=tmp_path)


def test_a_proxy_soon_notices_that_a_recording_was_removed(upstream: Upstream, store: str, tmp_path: Path) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        statuses = [
            ask(proxy.base_url, question(text)).headers["cache-status"] for text in ("one", "two", "one", "two")
        ]
        assert ["stored" in status for status in statuses] == [True, True, False, False]
        run("rm", "1", store=store, folder=tmp_path)

        def refused() -> bool:
            return ask(proxy.base_url, question("one"), cache_control="only-if-cached").status_code == 504

        assert eventually(refused)
        assert "hit" in ask(proxy.base_url, question("two")).headers["cache-status"]
        assert "stored" in ask(proxy.base_url, question("one")).headers["cache-status"]


@pytest.fixture
def large(store: str) -> str:
    """Two megabytes in 40 recordings and one of a cassette; of the 40, those with odd ids were used lately."""
    parts = [genuine(long_text(number), recorded_at=T + number) for number in range(40)]
    add(store, genuine(long_text(99), recorded_at=T - 1, cassette="tests/a"), *parts)

    async def log(opened: Any) -> None:
        for number in range(3, 42, 2):
            opened.calls.add(call(str(number), recording_id=number, started_at=T + 86_400 + number))

    use(store, log)
    return store


def size(store: str) -> int:
    return Path(store).stat().st_size


@pytest.mark.long
def test_a_store_is_held_to_its_size_by_what_was_not_used(upstream: Upstream, large: str, tmp_path: Path) -> None:
    limit = size(large) * 7 // 10
    arguments = ("--upstream", upstream.url, "--mode", "cache", "--store", large, "--max-size", f"{limit}B")
    with running_chatreel(*arguments) as proxy:
        time.sleep(1.5)  # time for a look, which has no reason to do anything
        assert rows(large, "SELECT count(*) FROM recordings") == [(41,)], "who records nothing removes nothing"
        ask(proxy.base_url, question("new"))
        proxy.wait_for_log("the least recently used: the store was larger than max_size")
        assert eventually(lambda: size(large) <= limit)
        assert "hit" in ask(proxy.base_url, question("new")).headers["cache-status"]
    left = {number for (number,) in rows(large, "SELECT id FROM recordings")}
    assert {1, 42} <= left, "neither what is of a cassette nor what is being used goes"
    assert {*range(3, 42, 2)} <= left, "what was used stays while there is something that was not"
    assert len(left) >= 24, "no more goes than has to"
    run("verify", store=large, folder=tmp_path)


def test_replay_never_removes_anything(upstream: Upstream, large: str) -> None:
    arguments = ("--upstream", upstream.url, "--mode", "replay", "--store", large, "--max-size", "1B")
    with running_chatreel(*arguments) as proxy:
        ask(proxy.base_url, question("new"))
        time.sleep(1.5)  # time for a look
        assert "removed" not in proxy.log
    assert rows(large, "SELECT count(*) FROM recordings") == [(41,)]


@pytest.mark.long
def test_a_prune_that_is_killed_leaves_a_sound_store(store: str, tmp_path: Path) -> None:
    add(store, *(genuine(f"{number} {long_text(number)[:2_000]}", recorded_at=T) for number in range(3_000)))
    chance = random.Random(7)
    command = [sys.executable, "-m", "chatreel", "prune", "--older-than", "0s", "--store", store]

    def recordings() -> int:
        count: int = rows(store, "SELECT count(*) FROM recordings")[0][0]
        return count

    for _ in range(3):
        before = recordings()
        process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.DEVNULL)
        assert eventually(lambda before=before: recordings() < before)  # type: ignore[misc]
        time.sleep(chance.random() * 0.15)  # somewhere in the next batch, or in the pause before it
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was killed in the middle"
        assert 0 < recordings() < before
        run("verify", store=store, folder=tmp_path)
    run("prune", "--older-than", "0s", store=store, folder=tmp_path)
    assert rows(store, "SELECT count(*) FROM payloads") == [(0,)]
