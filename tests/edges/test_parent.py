"""A proxy that is started for another process: it ends with it, and asks where it would have asked."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from support.program import running_chatreel
from support.upstream import Upstream

BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def leader() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_proxy_ends_when_its_parent_is_killed(leader: subprocess.Popen[bytes], store: str) -> None:
    with running_chatreel("--parent", str(leader.pid), "--store", store) as proxy:
        assert httpx.get(proxy.base_url.replace("/v1", "/_chatreel/health")).status_code == 200
        leader.kill()  # and nobody has asked for its exit code yet
        assert proxy.process.wait(timeout=20) == 0
        assert f"process {leader.pid} has ended" in proxy.log
        assert "0 calls" in proxy.log, "it ended as it does after a signal"


def test_the_proxy_ends_when_its_parent_was_never_there(store: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with running_chatreel("--parent", str(ended.pid), "--store", store) as proxy:
        assert proxy.process.wait(timeout=20) == 0


@pytest.mark.parametrize("configured", [False, True])
def test_a_fallback_is_asked_only_where_no_upstream_is_configured(
    upstream: Upstream, store: str, configured: bool
) -> None:
    with Upstream() as fallback:
        flags = ["--fallback-upstream", fallback.url, "--mode", "cache", "--store", store]
        env = {"CHATREEL_UPSTREAM": upstream.url} if configured else {}
        with running_chatreel(*flags, env=env) as proxy:
            assert httpx.post(f"{proxy.base_url}/chat/completions", json=BODY).status_code == 200
        assert (len(upstream.calls), len(fallback.calls)) == ((1, 0) if configured else (0, 1))


def test_looking_at_a_process_again_and_again_finds_its_end_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """For systems that cannot say it by themselves."""
    import asyncio

    from chatreel import parent

    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.setattr(parent, "INTERVAL", 0.001)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    async def watch() -> bool:
        watching = asyncio.create_task(parent.ended(process.pid))
        done, _ = await asyncio.wait([watching], timeout=0.05)
        still_there = not done
        process.kill()
        process.communicate()
        await asyncio.wait_for(watching, timeout=20)
        return still_there

    assert asyncio.run(watch())
