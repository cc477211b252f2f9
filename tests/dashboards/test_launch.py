"""`chatreel dashboard` as a user starts and ends it."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import httpx
import pytest

from support.command import chatreel
from support.dashboard import DASHBOARD, published
from support.log import answered, ask, logged
from support.program import Program, running_chatreel


def url(dashboard: Program) -> str:
    return str(dashboard.ready["url"])


def until(true: Callable[[], bool], limit: float = 60) -> None:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.long
def test_it_serves_on_loopback_follows_the_store_and_ends_when_interrupted(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    file = tmp_path / "store.duckdb"
    with running_chatreel("--store", str(store), "--every", "0.1", command=DASHBOARD) as dashboard:
        health = httpx.get(f"{url(dashboard)}/_stcore/health", trust_env=False)
        assert (health.status_code, health.text) == (200, "ok")
        assert url(dashboard) in dashboard.log
        assert url(dashboard).startswith("http://127.0.0.1:")
        assert not file.exists(), "there is no store yet"
        logged(str(store), [answered("a")])
        until(file.exists)
        logged(str(store), [answered("b")])
        until(lambda: ask(file, "SELECT count(*) FROM calls") == [(2,)])
        assert dashboard.stop(signal.SIGINT) == 0
        assert "Traceback" not in dashboard.log
        assert dashboard.stdout == ""
    logged(str(store), [answered("c")])
    assert ask(file, "SELECT count(*) FROM calls") == [(2,)], "the export has ended with it"


@pytest.mark.long
def test_it_ends_when_it_is_terminated_and_leaves_a_file_that_is_only_read_as_it_is(tmp_path: Path) -> None:
    logged(str(tmp_path / "store.db"), [answered("a")])
    file = published(tmp_path / "store.db")
    before = file.read_bytes(), sorted(tmp_path.iterdir())
    with running_chatreel("--file", str(file), command=DASHBOARD) as dashboard:
        assert httpx.get(f"{url(dashboard)}/_stcore/health", trust_env=False).text == "ok"
        assert dashboard.stop(signal.SIGTERM) == 0
    assert (file.read_bytes(), sorted(tmp_path.iterdir())) == before


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = chatreel("dashboard", "--port", str(port), "--store", str(tmp_path / "store.db"), cwd=tmp_path)
    assert ended.returncode == 3
    assert f"port {port} on 127.0.0.1 cannot be had" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_page_under_another_name_gets_no_figures(tmp_path: Path) -> None:
    """A name of somebody else's may lead to 127.0.0.1: the browser would let his page read what comes."""

    async def opened(origin: str, headers: dict[str, str]) -> int:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(f"{origin}/_stcore/stream", headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    with running_chatreel("--store", str(tmp_path / "store.db"), command=DASHBOARD) as dashboard:
        origin = url(dashboard)
        host = origin.removeprefix("http://")
        assert asyncio.run(opened(origin, {"Origin": origin})) == 101
        port = host.partition(":")[2]
        assert asyncio.run(opened(origin, {"Origin": f"http://evil.test:{port}", "Host": f"evil.test:{port}"})) == 403
        assert asyncio.run(opened(origin, {"Origin": "http://evil.test"})) == 403
