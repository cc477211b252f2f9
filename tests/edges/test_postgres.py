"""Proxies on a PostgreSQL: they share what they record, and say nothing of its password."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from support import followers
from support.calls import ask, question
from support.command import chatreel
from support.database import rows
from support.program import running_chatreel
from support.upstream import Upstream, echo, stream
from support.waiting import eventually


def is_hit(base_url: str, text: str) -> bool:
    answer = ask(base_url, question(text))
    return answer.headers["cache-status"].startswith("chatreel; hit")


def test_two_proxies_share_their_recordings_and_what_is_removed(upstream: Upstream, postgres_store: str) -> None:
    """Within a second: `tests/adapters/test_store_sharing.py` says that, by a clock of its own."""
    flags = ("--upstream", upstream.url, "--store", postgres_store, "--mode", "cache")
    with running_chatreel(*flags) as first, running_chatreel(*flags) as second:
        for number in range(3):
            assert not is_hit(first.base_url, f"number {number}")
            assert is_hit(second.base_url, f"number {number}")
        rows(postgres_store, "DELETE FROM recordings WHERE id = 3")
        assert eventually(lambda: not is_hit(first.base_url, "number 2"))
        answers = ask(second.base_url, question("stream", stream=True)), ask(first.base_url, question("stream"))
    assert "cache-status" in answers[1].headers
    assert len(upstream.calls) == 5
    assert rows(postgres_store, "SELECT DISTINCT outcome FROM calls ORDER BY 1") == [("hit",), ("recorded",)]


def test_identical_calls_at_two_proxies_cost_one(upstream: Upstream, postgres_store: str) -> None:
    """Whichever of them leads: the other's clients wait for the recording of the first."""
    gate = threading.Event()
    upstream.reply_by(lambda asked: replace(echo(asked), hold=gate))
    flags = ("--upstream", upstream.url, "--store", postgres_store, "--mode", "cache")
    with (
        running_chatreel(*flags, command=followers.COMMAND) as first,
        running_chatreel(*flags, command=followers.COMMAND) as second,
        ThreadPoolExecutor(16) as clients,
    ):
        asking = [
            clients.submit(ask, proxy.base_url, question("the same", stream=streams))
            for streams in (False, True)
            for proxy in (first, second) * 4
        ]
        upstream.wait_for_calls(1)
        followers.wait_for(2 * 7, first, second)  # one of each proxy leads
        gate.set()
        answers = [one.result() for one in asking]
    assert [answer.status_code for answer in answers] == [200] * 16
    assert all("same [" in answer.text for answer in answers)  # a stream that leads has cut its text in two before that
    assert len(upstream.calls) == 1


def test_a_proxy_that_is_killed_has_stored_what_its_clients_got(upstream: Upstream, postgres_store: str) -> None:
    flags = ("--upstream", upstream.url, "--store", postgres_store)
    upstream.reply_with(stream(["one", "two"]))
    with running_chatreel(*flags, "--mode", "cache") as proxy:
        ask(proxy.base_url, question("stream", stream=True))
        proxy.kill()
    upstream.stop()
    with running_chatreel(*flags, "--mode", "replay") as proxy:
        assert "two" in ask(proxy.base_url, question("stream", stream=True)).text


def test_a_kill_takes_no_row_of_the_log_from_a_server(upstream: Upstream, postgres_store: str, tmp_path: Path) -> None:
    """Rows that are not there yet are on the machine of the proxy."""
    with running_chatreel("--upstream", upstream.url, "--store", postgres_store, "--mode", "cache") as proxy:
        ask(proxy.base_url, question("once"))
        with psycopg.connect(postgres_store) as connection:
            connection.execute("LOCK TABLE calls IN EXCLUSIVE MODE")
            for _ in range(3):
                assert is_hit(proxy.base_url, "once")
            ask(proxy.base_url, question("once"), cache_control="no-store")
            proxy.kill()
    ended = chatreel("stats", "--json", "--store", postgres_store, cwd=tmp_path)
    assert json.loads(ended.stdout)["outcomes"] == {"hit": 3, "recorded": 1, "passed": 1}, ended.stderr
    assert chatreel("stats", "--store", postgres_store, cwd=tmp_path).stderr == ""


@pytest.mark.long
def test_the_password_is_never_shown(upstream: Upstream, postgres_store: str, tmp_path: Path) -> None:
    """Neither that before the host nor one among the options."""
    secret = postgres_store.replace("chatreel@", "chatreel:hunter2@") + "&sslpassword=hunter3"
    with running_chatreel("--upstream", upstream.url, "--store", secret, "--mode", "cache") as proxy:
        said = [proxy.log]
        assert "recordings  postgresql://chatreel:***@127.0.0.1" in proxy.log
    gone = secret.replace("127.0.0.1:", "127.0.0.1:1")
    for command in (("serve", "--port", "0"), ("explain", "-"), ("rekey",)):
        ended = chatreel(*command, "--store", gone, cwd=tmp_path)
        assert ended.returncode == 4, ended.stderr
        assert "cannot be used" in ended.stderr
        said += [ended.stdout, ended.stderr]
    assert "hunter" not in "".join(said)


def test_commands_that_look_after_a_store_want_one(postgres_store: str, tmp_path: Path) -> None:
    ended = chatreel("rekey", "--store", postgres_store, cwd=tmp_path)
    assert ended.returncode == 4
    assert "there is no store at postgresql://chatreel@127.0.0.1" in ended.stderr


@pytest.mark.long
def test_recordings_are_rekeyed_there_too(upstream: Upstream, postgres_store: str, tmp_path: Path) -> None:
    flags = ("--upstream", upstream.url, "--store", postgres_store)
    with running_chatreel(*flags, "--mode", "cache") as proxy:
        ask(proxy.base_url, question("It is 2026-11-23."))
    (tmp_path / "chatreel.toml").write_text('normalize = ["iso-date"]\n')
    ended = chatreel("rekey", "--store", postgres_store, cwd=tmp_path)
    assert ended.stdout.startswith("1 recordings, 1 have another key"), ended.stderr
    with running_chatreel(*flags, "--mode", "replay", cwd=tmp_path) as proxy:
        assert is_hit(proxy.base_url, "It is 2026-11-24.")


def test_the_secret_lies_in_the_data_folder_or_where_one_says(
    upstream: Upstream, postgres_store: str, tmp_path: Path
) -> None:
    shared = tmp_path / "shared.secret"
    flags = ("--upstream", upstream.url, "--store", postgres_store, "--mode", "cache")
    for number, settings in enumerate(({}, {"CHATREEL_SECRET_FILE": str(shared)})):
        home = tmp_path / str(number)
        environment = {"XDG_DATA_HOME": str(home), "CHATREEL_SCOPE": "credential", **settings}
        with running_chatreel(*flags, env=environment) as proxy:
            assert ask(proxy.base_url, question(), authorization="Bearer sk-1").status_code == 200
        assert len([*home.rglob("secrets/*")]) == (not settings)
    assert len(shared.read_bytes()) == 32
    assert len({tenant for (tenant,) in rows(postgres_store, "SELECT tenant FROM recordings")}) == 2
