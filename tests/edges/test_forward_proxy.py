"""The forward proxy: TLS of upstreams is opened, recorded and replayed; everything else is tunnelled untouched."""

import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from support.calls import ask, error_of, question
from support.internet import OnlyHttp2
from support.program import Program, running_chatreel
from support.upstream import Reply, Upstream, echo, stream


@dataclass(frozen=True)
class World:
    """A CA that everybody trusts, an upstream and a stranger with certificates of it."""

    authority: trustme.CA
    upstream: Upstream
    stranger: Upstream
    folder: Path

    @property
    def roots(self) -> str:
        path = self.folder / "roots.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return str(path)

    def trusting(self, *more: Path, http2: bool = False) -> ssl.SSLContext:
        """A client's view: the world's CA, and what else it was told to trust."""
        context = OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT) if http2 else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.roots)
        for path in more:
            context.load_verify_locations(path)
        return context


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    authority = trustme.CA()
    contexts = []
    for _ in range(2):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        contexts.append(context)
    with Upstream(tls=contexts[0]) as upstream, Upstream(tls=contexts[1]) as stranger:
        yield World(authority, upstream, stranger, tmp_path)


def serving(world: World, mode: str, *flags: str) -> contextlib.AbstractContextManager[Program]:
    data = world.folder / "data"
    env = {"SSL_CERT_FILE": world.roots, "XDG_DATA_HOME": str(data)}
    store = str(world.folder / "store.db")
    more = ("--proxy-port", "0", "--mode", mode, "--store", store, *flags)
    return running_chatreel("--upstream", world.upstream.url, *more, env=env)


def client_of(proxy: Program, world: World, *, http2: bool = False, trust: bool = True) -> httpx.Client:
    ours = world.folder / "data" / "chatreel" / "certificates" / "mitmproxy-ca-cert.pem"
    context = world.trusting(*([ours] if trust else []), http2=http2)
    return httpx.Client(proxy=proxy.ready["proxy_url"], verify=context, http2=http2, trust_env=False, timeout=30)


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_call_through_tls_is_recorded_and_replayed_offline(world: World, http2: bool, streaming: bool) -> None:
    url = f"{world.upstream.url}/v1/chat/completions"
    asked = question(stream=streaming)
    with serving(world, "cache") as proxy, client_of(proxy, world, http2=http2) as client:
        first = client.post(url, json=asked)
        second = client.post(url, json=asked)
    assert first.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert first.status_code == 200
    assert first.content == second.content
    assert second.headers["cache-status"].startswith("chatreel; hit")
    assert len(world.upstream.calls) == 1
    world.upstream.stop()
    connections = world.upstream.connections
    with serving(world, "replay") as proxy, client_of(proxy, world, http2=http2) as client:
        assert client.post(url, json=asked).content == first.content
        assert client.post(url, json=question("new")).json()["error"]["code"] == "chatreel_no_recording"
    assert world.upstream.connections == connections


def test_a_body_that_is_too_large_or_finds_no_room_is_refused_over_http2_and_others_are_served(world: World) -> None:
    """Where requests share a connection, nobody waits for room."""
    gate = threading.Event()
    world.upstream.reply_by(lambda asked: Reply(hold=gate) if len(asked.body) > 2**20 else echo(asked))
    url = f"{world.upstream.url}/v1/chat/completions"
    large, larger = (question("x" * size) for size in (3 * 2**19, 5 * 2**20))
    with (
        serving(world, "cache", "--max-body", "4MiB", "--max-bodies", "2MiB") as proxy,
        client_of(proxy, world, http2=True) as another,
        client_of(proxy, world, http2=True) as client,
        ThreadPoolExecutor(1) as elsewhere,
    ):
        first = elsewhere.submit(another.post, url, json=large)
        world.upstream.wait_for_calls(1)
        announced = client.post(url, json=larger)
        no_room = client.post(url, json=large | {"seed": 1})
        small = client.post(url, json=question())
        gate.set()
        assert first.result().status_code == 200
        assert client.post(url, json=large | {"seed": 1}).status_code == 200, "once there is room"
        grown = client.post(url, content=iter([json.dumps(larger).encode()]))
    for refused in (announced, grown):
        assert (refused.http_version, refused.status_code) == ("HTTP/2", 413)
        assert error_of(refused)["code"] == "chatreel_request_too_large"
    assert (no_room.status_code, error_of(no_room)["code"]) == (503, "chatreel_no_room")
    assert small.status_code == 200
    assert len(world.upstream.calls) == 3


def test_a_recording_made_by_base_url_answers_through_the_proxy(world: World) -> None:
    """It is the same call: what counts is where it goes, not how it came."""
    with serving(world, "cache") as proxy, client_of(proxy, world) as client:
        first = ask(proxy.base_url, question())
        second = client.post(f"{world.upstream.url}/v1/chat/completions", json=question())
    assert first.content == second.content
    assert len(world.upstream.calls) == 1


@pytest.mark.parametrize("mode", ["cache", "replay"])
def test_other_hosts_are_tunnelled_with_their_own_certificate(world: World, mode: str) -> None:
    """The client does not trust our CA, so the handshake can only have been with the stranger itself."""
    with serving(world, mode) as proxy, client_of(proxy, world, trust=False) as client:
        response = client.post(f"{world.stranger.url}/v1/chat/completions", json=question())
    assert response.status_code == 200
    assert "cache-status" not in response.headers
    assert len(world.stranger.calls) == 1


def through_tunnel(proxy: Program, upstream: Upstream, body: dict[str, Any]) -> tuple[str, bytes]:
    """`Cache-Status` and body of a call through CONNECT without TLS, as undici's `ProxyAgent` makes them."""
    address = urlsplit(upstream.url)
    tunnel = http.client.HTTPConnection(proxy.ready["proxy_url"].removeprefix("http://"), timeout=30)
    tunnel.set_tunnel(address.hostname or "", address.port)
    with contextlib.closing(tunnel):
        tunnel.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        response = tunnel.getresponse()
        return response.getheader("cache-status", ""), response.read()


@pytest.mark.parametrize("streaming", [False, True])
def test_a_call_through_a_tunnel_without_tls_is_recorded(tmp_path: Path, streaming: bool) -> None:
    asked = question(stream=streaming)
    store = str(tmp_path / "store.db")
    with (
        Upstream() as upstream,
        running_chatreel("--upstream", upstream.url, "--proxy-port", "0", "--store", store) as proxy,
    ):
        _, first = through_tunnel(proxy, upstream, asked)
        status, second = through_tunnel(proxy, upstream, asked)
        assert len(upstream.calls) == 1
    assert status.startswith("chatreel; hit")
    assert first == second


def test_a_client_that_does_not_trust_us_gets_no_answer(world: World) -> None:
    with (
        serving(world, "cache") as proxy,
        client_of(proxy, world, trust=False) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.post(f"{world.upstream.url}/v1/chat/completions", json=question())
    assert world.upstream.calls == []


@pytest.mark.long
@pytest.mark.parametrize("http2", [False, True])
def test_a_replay_through_tls_keeps_its_pace(world: World, http2: bool) -> None:
    """The pieces come one by one: the first is there while the second is not due for a long time yet."""
    url = f"{world.upstream.url}/v1/chat/completions"
    world.upstream.reply_with(stream(("one", "two"), gates=[None, None, lambda: time.sleep(0.5)]))
    asked = question(stream=True)
    with serving(world, "cache") as proxy, client_of(proxy, world, http2=http2) as client:
        recorded = client.post(url, json=asked).content
    world.upstream.stop()
    with serving(world, "replay", "--pace", "0.25") as proxy, client_of(proxy, world, http2=http2) as client:
        started = time.perf_counter()
        with client.stream("POST", url, json=asked) as response:
            pieces = list(response.iter_raw())
        seconds = time.perf_counter() - started
    assert b"".join(pieces) == recorded
    assert len(pieces) > 1
    assert b"two" not in pieces[0]
    assert seconds > 1.5


def test_the_certificate_authority_is_its_owners_alone(world: World) -> None:
    with serving(world, "cache"):
        folder = world.folder / "data" / "chatreel" / "certificates"
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("http2", [False, True])
def test_a_stream_through_tls_whose_client_leaves_is_recorded_to_its_end(world: World, http2: bool) -> None:
    gate = threading.Event()
    world.upstream.reply_with(stream(("one", "two"), gates=[None, None, gate]))
    url = f"{world.upstream.url}/v1/chat/completions"
    with serving(world, "cache") as proxy:
        client = client_of(proxy, world, http2=http2)
        response = client.send(client.build_request("POST", url, json=question(stream=True)), stream=True)
        next(response.iter_raw())
        client.close()
        gate.set()
        proxy.wait_for_log("recorded", limit=20)  # whether the end or the client's leaving is noticed first
        with client_of(proxy, world, http2=http2) as another:
            again = another.post(url, json=question(stream=True))
    assert again.headers["cache-status"].startswith("chatreel; hit")
    assert "two" in again.text
