"""The end of a stream waits for a file, not for the store: what its client has is safe, and is found all the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from support.calls import ask, question
from support.command import chatreel
from support.database import fill_up, locked, rows
from support.program import IS_SLOW, Program, running_chatreel
from support.sessions import Sessions
from support.upstream import Upstream
from support.waiting import eventually

ends_early = pytest.mark.skipif(IS_SLOW, reason="the engine has the end of a stream wait for the store")


@pytest.fixture
def proxy(upstream: Upstream, store: str) -> Iterator[Program]:
    with running_chatreel("--upstream", upstream.url, "--store", store, "--mode", "cache") as program:
        assert ask(program.base_url, question("before", stream=True)).status_code == 200
        assert eventually(lambda: rows(store, "SELECT count(*) FROM calls") == [(1,)])
        yield program


def stored(store: str) -> int:
    [(found,)] = rows(store, "SELECT count(*) FROM recordings")
    return int(found)


@ends_early
def test_a_stream_ends_while_the_store_is_locked_and_a_kill_takes_nothing_of_it(
    proxy: Program, upstream: Upstream, store: str, tmp_path: Path
) -> None:
    with locked(store):
        answer = ask(proxy.base_url, question("killed", stream=True))
        proxy.kill()
    assert answer.text.endswith("data: [DONE]\n\n")
    assert stored(store) == 1
    listed = chatreel("ls", "--json", "--store", store, cwd=tmp_path)
    assert "left behind" in listed.stderr
    assert len(listed.stdout.splitlines()) == 2
    rest = "outcome, status, stream, miss_reason, completion_tokens IS NULL, cost, recording_id IS NULL"
    before, killed = rows(store, f"SELECT {rest} FROM calls ORDER BY id")
    assert killed == before
    assert chatreel("verify", "--store", store, cwd=tmp_path).returncode == 0
    with running_chatreel("--upstream", upstream.url, "--store", store, "--mode", "replay") as again:
        replayed = ask(again.base_url, question("killed", stream=True))
    assert replayed.text == answer.text


def test_who_asks_the_same_before_it_is_in_the_store_waits_and_gets_it(proxy: Program) -> None:
    for number in range(20):  # no sooner can anybody ask than one who has just had the end
        asked = question(f"number {number}", stream=True)
        first, second = ask(proxy.base_url, asked), ask(proxy.base_url, asked)
        assert second.headers["cache-status"].startswith("chatreel; hit")
        assert second.text == first.text


@ends_early
def test_who_asks_the_same_while_the_store_is_locked_waits_too(proxy: Program, store: str) -> None:
    asked = question("locked", stream=True)
    with ThreadPoolExecutor(1) as pool:
        with locked(store):
            first = ask(proxy.base_url, asked)
            second = pool.submit(ask, proxy.base_url, asked)
            assert ask(proxy.base_url, question("before", stream=True)).status_code == 200  # nobody else waits
            assert not second.done()
        assert second.result(30).headers["cache-status"].startswith("chatreel; hit")
        assert second.result(30).text == first.text


def test_a_session_knows_of_its_streams_as_soon_as_they_have_ended(proxy: Program) -> None:
    with Sessions.of(proxy).opened(name="a test") as session:
        for number in range(5):
            ask(session["base_url"], question(f"number {number}", stream=True))
            assert Sessions.of(proxy).verdict(session)["outcomes"]["recorded"] == number + 1


@ends_early
def test_what_the_store_did_not_take_is_kept_for_the_next_start_and_the_next_client_is_told(
    upstream: Upstream, store: str
) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "record")
    with running_chatreel(*flags) as proxy:
        ask(proxy.base_url, question("before", stream=True))
        fill_up(store)
        first = ask(proxy.base_url, question("kept", stream=True))
        assert first.text.endswith("data: [DONE]\n\n")
        assert eventually(lambda: "NOTHING IS BEING RECORDED" in proxy.log)
        assert "[DONE]" not in broken_off(proxy, "told")
    rows(store, "DROP TRIGGER full_disk")
    with running_chatreel(*flags[:-1], "replay") as proxy:
        assert ask(proxy.base_url, question("kept", stream=True)).text == first.text
    assert rows(store, "SELECT outcome, reason FROM calls WHERE reason LIKE 'not stored yet%'") == [
        ("passed", "not stored yet: the store failed: the disk is full")
    ]


def broken_off(proxy: Program, text: str) -> str:
    """What has come of a stream that has no end."""
    got: list[str] = []

    def read() -> None:
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(text, stream=True)) as answer,
        ):
            got.extend(answer.iter_text())

    with pytest.raises(httpx.RemoteProtocolError):
        read()
    return "".join(got)
