"""`serve --workers N`: several processes behind one port, with one store."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.calls import ask, error_of, http_client, question
from support.command import chatreel
from support.database import rows
from support.program import NotStarted, Program, running_chatreel
from support.replies import completion
from support.upstream import Upstream
from support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="connections are spread on Linux alone")

MANY = 24
"""Connections: that all of them come to one of two workers happens once in eight million times."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Upstream, str]]:
    """Two workers in `cache`, for all tests that break nothing."""
    store = str(tmp_path_factory.mktemp("workers") / "store.db")
    flags = ("--store", store, "--mode", "cache", "--workers", "2")
    with Upstream() as upstream, running_chatreel("--upstream", upstream.url, *flags) as proxy:
        yield proxy, upstream, store


def workers_of(proxy: Program) -> list[int]:
    """Their process ids."""
    return [*map(int, Path(f"/proc/{proxy.pid}/task/{proxy.pid}/children").read_text().split())]


def health(proxy: Program) -> dict[str, int]:
    with http_client(proxy.base_url.removesuffix("/v1")) as client:
        found: dict[str, int] = client.get("/_chatreel/health").json()
    return found


def test_what_one_worker_has_recorded_all_of_them_replay(shared: tuple[Program, Upstream, str]) -> None:
    proxy, upstream, _ = shared
    asked = question("What is shared?")
    answers = [ask(proxy.base_url, asked) for _ in range(MANY)]
    assert len({answer.content for answer in answers}) == 1
    assert sum("hit" in answer.headers["cache-status"] for answer in answers) == MANY - 1
    assert [call.json() for call in upstream.calls].count(asked) == 1


def test_both_workers_take_calls_and_the_log_has_all_of_them(shared: tuple[Program, Upstream, str]) -> None:
    proxy, _, store = shared
    answers = [
        ask(proxy.base_url, question(f"Which worker? {number}"), x_chatreel_tag="of=log") for number in range(MANY)
    ]
    assert {answer.status_code for answer in answers} == {200}
    logged = "SELECT count(*), count(DISTINCT call_id) FROM calls WHERE tags LIKE '%of%log%'"
    assert eventually(lambda: rows(store, logged) == [(MANY, MANY)])
    [(all_of_them,)] = rows(store, "SELECT count(*) FROM calls")
    assert all(0 < health(proxy)["calls"] < all_of_them for _ in range(MANY))  # each counts its own


def test_identical_calls_at_once_go_upstream_once_whichever_worker_they_come_to(
    shared: tuple[Program, Upstream, str],
) -> None:
    proxy, upstream, _ = shared
    gate = threading.Event()
    asked = question("Who goes first?")
    upstream.reply_by(lambda _: completion("The leader.", hold=gate))
    before = len(upstream.calls)
    with ThreadPoolExecutor(MANY) as clients:
        calls = [clients.submit(ask, proxy.base_url, asked) for _ in range(MANY)]
        upstream.wait_for_calls(before + 1)
        gate.set()
        answers = [call.result() for call in calls]
    assert {answer.json()["choices"][0]["message"]["content"] for answer in answers} == {"The leader."}
    assert len(upstream.calls) == before + 1


def test_sessions_are_refused_since_each_would_live_in_one_worker(shared: tuple[Program, Upstream, str]) -> None:
    proxy, _, _ = shared
    with http_client(proxy.base_url.removesuffix("/v1")) as client:
        refused = client.post("/_chatreel/sessions", json={"mode": "replay"})
        document = client.get("/_chatreel/health").json()
    assert (refused.status_code, error_of(refused)["code"]) == (409, "chatreel_several_workers")
    assert document["workers"] == 2


def test_a_port_that_workers_share_is_taken_for_others(shared: tuple[Program, Upstream, str], tmp_path: Path) -> None:
    proxy, _, _ = shared
    port = proxy.base_url.removesuffix("/v1").rpartition(":")[2]
    flags = ("--port", port, "--store", str(tmp_path / "other.db"), "--workers", "2")
    with pytest.raises(NotStarted, match=rf"cannot listen on 127.0.0.1:{port}"), running_chatreel(*flags):
        pass


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--cassette", "c.json"), "a cassette is written by one process"),
        (("--repeats", "strict"), "nobody counts the turns"),
        (("--mode", "once"), "the store is not the same"),
        (("--budget", "1.00/run"), "a budget per day, week or month"),
    ],
)
def test_what_lies_in_one_process_is_refused(flags: tuple[str, ...], why: str, tmp_path: Path) -> None:
    ended = chatreel("serve", "--workers", "2", *flags, cwd=tmp_path)
    assert ended.returncode == 2
    assert why in ended.stderr


@pytest.mark.long
def test_a_worker_that_is_killed_is_replaced_and_what_it_was_fetching_is_fetched_again(
    upstream: Upstream, store: str
) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache", "--workers", "2")
    with running_chatreel(*flags) as proxy, ThreadPoolExecutor(1) as clients:
        gate = threading.Event()
        upstream.reply_by(lambda _: completion("At last.", hold=gate))
        lost = clients.submit(ask, proxy.base_url, question("Who dies?"))
        upstream.wait_for_calls(1)
        first = workers_of(proxy)
        for pid in first:  # whichever has the call
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(Exception, match=r"disconnected|reset|closed"):
            lost.result()
        assert eventually(lambda: len(workers_of(proxy)) == 2 and not {*workers_of(proxy)} & {*first})
        gate.set()
        answer = ask(proxy.base_url, question("Who dies?"))
        assert answer.json()["choices"][0]["message"]["content"] == "At last."
        assert "another takes its place" in proxy.log
        assert rows(store, "SELECT count(*) FROM recordings") == [(1,)]


@pytest.mark.long
def test_ctrl_c_ends_all_of_them_and_the_verdict_counts_the_calls_of_all(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache", "--workers", "2")
    with running_chatreel(*flags) as proxy:
        for number in range(MANY):
            ask(proxy.base_url, question(f"Number {number}"))
        workers = workers_of(proxy)
        os.killpg(proxy.pid, signal.SIGINT)  # as a terminal does
        assert proxy.process.wait(30) == 0
        assert f"chatreel: {MANY} calls: 0 hits, {MANY} recorded" in proxy.log
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        assert "Traceback" not in proxy.log
    assert rows(store, "SELECT count(*) FROM calls") == [(MANY,)]


@pytest.mark.long
def test_workers_end_with_the_process_that_looks_after_them(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--workers", "2")
    with running_chatreel(*flags) as proxy:
        workers = workers_of(proxy)
        os.kill(proxy.pid, signal.SIGKILL)
        assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@pytest.mark.long
def test_of_several_takes_the_newest_answers_since_nobody_counts_turns(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--store", store)
    asked = question("Which take?")
    with running_chatreel(*flags, "--mode", "record") as proxy:
        for text in ("one", "two"):
            upstream.reply_with(completion(text))
            ask(proxy.base_url, asked)
    with running_chatreel(*flags, "--mode", "replay", "--workers", "2") as proxy:
        said = {ask(proxy.base_url, asked).json()["choices"][0]["message"]["content"] for _ in range(6)}
    assert said == {"two"}
