"""Many clients at once: everybody gets their own answer, and it is the right one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.calls import ask, question
from support.program import running_chatreel
from support.upstream import Upstream, answer_to, stream

CLIENTS = 24
CALLS = 96


@pytest.mark.long
def test_everybody_gets_the_answer_to_their_own_question(upstream: Upstream, store: str) -> None:
    """Streams and bodies, new questions and repeated ones, over one proxy; then all of it again, offline."""
    asked = [question(f"question {n % 32}", stream=n % 3 == 0) for n in range(CALLS)]

    def check(base_url: str, body: dict[str, object]) -> None:
        response = ask(base_url, body)
        assert response.status_code == 200, response.text
        said = answer_to(body)
        middle = len(said) // 2
        assert all(half in response.text for half in (said[:middle], said[middle:])), response.text

    with ThreadPoolExecutor(CLIENTS) as pool:
        with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
            list(pool.map(lambda body: check(proxy.base_url, body), asked))
            assert "Traceback" not in proxy.log
        upstream.stop()
        with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store) as proxy:
            list(pool.map(lambda body: check(proxy.base_url, body), asked))
            proxy.stop()
            assert f"{CALLS} calls: {CALLS} hits, 0 recorded, 0 refused" in proxy.log


@pytest.mark.long
def test_two_proxies_record_into_one_store(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--mode", "cache", "--store", store)
    with (
        running_chatreel(*flags) as one,
        running_chatreel(*flags) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        urls = [one.base_url, other.base_url]
        statuses = pool.map(lambda n: ask(urls[n % 2], question(f"question {n}")).status_code, range(40))
        assert set(statuses) == {200}
        before = len(upstream.calls)
        crosswise = [ask(urls[(n + 1) % 2], question(f"question {n}")).headers["cache-status"] for n in range(40)]
    assert all(status.startswith("chatreel; hit") for status in crosswise)
    assert before == len(upstream.calls) == 40


def test_a_slow_stream_holds_nobody_up(upstream: Upstream, store: str) -> None:
    """A second call comes and goes while the upstream of the first has not finished."""
    gate = threading.Event()
    upstream.reply_with(stream(("one", "two"), gates=[None, None, gate]))
    with (
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{proxy.base_url}/chat/completions", json=question(stream=True)) as slow,
    ):
        pieces = slow.iter_raw()
        next(pieces)
        upstream.reply_with(stream(("quick",)))
        assert "quick" in ask(proxy.base_url, question("other", stream=True)).text
        gate.set()
        assert b"two" in b"".join(pieces)
