"""What the forward proxy intercepts, and what it leaves alone: by name, on an internet of one machine."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme

from support.calls import question
from support.database import rows
from support.http2 import Http2Upstream
from support.internet import PROGRAM, Internet, OnlyHttp2
from support.program import Program, clean_environment, running_chatreel
from support.upstream import Upstream, completion
from support.websocket import EchoSocket, frame, handshake, read_head, read_text

CLIENTS = Path(__file__).parents[1] / "clients"

OPENAI = "api.openai.com"
AZURE = "team.openai.azure.com"
NAMED = "llm.corp.example"
STRANGER = "files.example"


@dataclass(frozen=True)
class World:
    """Providers on one upstream, a stranger on another, and names for both."""

    internet: Internet
    upstream: Upstream
    stranger: Upstream

    @property
    def environment(self) -> dict[str, str]:
        """Of the program under test."""
        served = dict.fromkeys((OPENAI, AZURE, NAMED), self.upstream.url)
        hosts = served | {STRANGER: self.stranger.url}
        return self.internet.variables(hosts) | {"XDG_DATA_HOME": str(self.internet.folder / "data")}

    @property
    def authority(self) -> Path:
        """Of the program's own CA."""
        return self.internet.folder / "data/chatreel/certificates/mitmproxy-ca-cert.pem"

    @property
    def store(self) -> str:
        return str(self.internet.folder / "store.db")

    def serving(self, mode: str, *flags: str) -> contextlib.AbstractContextManager[Program]:
        more = ("--proxy-port", "0", "--mode", mode, "--store", self.store, "--intercept", "*.corp.example", *flags)
        return running_chatreel(*more, command=(*PROGRAM, "serve"), env=self.environment)

    def client(self, proxy: Program, *, http2: bool = False) -> httpx.Client:
        """It trusts the roots of the internet, and ours."""
        context = (OnlyHttp2 if http2 else ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.internet.roots)
        context.load_verify_locations(self.authority)
        proxy_url = proxy.ready["proxy_url"]
        return httpx.Client(proxy=proxy_url, verify=context, http2=http2, trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    internet = Internet(trustme.CA(), tmp_path_factory.mktemp("internet"))
    with (
        Upstream(tls=internet.server(OPENAI, AZURE, NAMED)) as upstream,
        Upstream(tls=internet.server(STRANGER)) as stranger,
    ):
        yield World(internet, upstream, stranger)


@pytest.fixture(scope="module")
def recording(world: World) -> Iterator[Program]:
    with world.serving("cache") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def replaying(world: World, recording: Program) -> Iterator[Program]:  # noqa: ARG001 - its store is there first
    with world.serving("replay") as proxy:
        yield proxy


def tunnel(proxy: Program, host: str, port: int = 443) -> tuple[int, socket.socket]:
    """CONNECT; the status, and the connection."""
    connection = socket.create_connection(address_of(proxy), timeout=30)
    connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
    return int(read_head(connection).split()[1]), connection


def address_of(proxy: Program) -> tuple[str, int]:
    host, _, port = proxy.ready["proxy_url"].removeprefix("http://").partition(":")
    return host, int(port)


def certificate(connection: socket.socket, server_name: str) -> bytes:
    """DER, whoever has signed it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connection, server_hostname=server_name) as secure:
        return secure.getpeercert(binary_form=True) or b""


def own_certificate(upstream: Upstream, server_name: str) -> bytes:
    host, _, port = upstream.url.removeprefix("https://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        return certificate(connection, server_name)


@pytest.mark.parametrize(
    ("host", "intercepted"), [(OPENAI, True), (AZURE, True), (NAMED, True), (NAMED.upper(), True), (STRANGER, False)]
)
def test_known_providers_and_named_hosts_are_intercepted_and_no_others(
    world: World, recording: Program, host: str, intercepted: bool
) -> None:
    """What is tunnelled shows the very certificate that its server has."""
    server = world.stranger if host == STRANGER else world.upstream
    status, connection = tunnel(recording, host)
    assert status == 200
    assert (certificate(connection, host) == own_certificate(server, host)) is not intercepted


@pytest.mark.parametrize("host", [OPENAI, AZURE, NAMED])
def test_an_intercepted_host_is_an_upstream_of_its_own(
    world: World, recording: Program, replaying: Program, host: str
) -> None:
    url = f"https://{host}/v1/chat/completions"
    before = len(world.upstream.calls)
    with world.client(recording) as client:
        first, second = (client.post(url, json=question("who is it?")) for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)
    assert "stored" in first.headers["cache-status"]
    assert len(world.upstream.calls) == before + 1
    assert world.upstream.calls[-1].headers["host"] == host
    with world.client(replaying) as client:
        assert client.post(url, json=question("who is it?")).content == first.content
    assert (f"https://{host}",) in rows(world.store, "SELECT upstream FROM recordings")


def test_what_is_no_chat_completion_passes_untouched(world: World, recording: Program) -> None:
    with world.client(recording) as client:
        response = client.get(f"https://{OPENAI}/v1/models", params={"a": "b c"}, headers={"authorization": "Bearer k"})
    call = world.upstream.calls[-1]
    assert response.status_code == 404, "as the upstream says"
    assert (call.method, call.path, call.query) == ("GET", "/v1/models", "a=b+c")
    assert call.headers["authorization"] == "Bearer k"
    assert "cache-status" not in response.headers
    assert rows(world.store, "SELECT path FROM calls WHERE path LIKE '%models%'") == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v1/messages"])
def test_replay_lets_nothing_through_to_a_known_provider(world: World, replaying: Program, path: str) -> None:
    before = world.upstream.connections
    with world.client(replaying) as client:
        response = client.post(f"https://{OPENAI}{path}", json=question("never asked"))
    assert response.status_code == 504
    assert response.json()["error"]["code"] in {"chatreel_no_recording", "chatreel_not_replayable"}
    assert world.upstream.connections == before


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\x01\x02\x03" * 8, b"GET /v1/models HTTP/1.1\r\n\r\n"]
)
def test_replay_opens_no_tunnel_to_a_known_provider_whatever_is_spoken_in_it(
    world: World, replaying: Program, said: bytes
) -> None:
    before = world.upstream.connections
    _, connection = tunnel(replaying, OPENAI)
    with connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert world.upstream.connections == before


def test_replay_knows_a_provider_that_is_asked_for_by_its_address(world: World, replaying: Program) -> None:
    """Some programs resolve names by themselves; TLS still says whom they mean."""
    before = world.upstream.connections
    host, _, port = world.upstream.url.removeprefix("https://").partition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, connection = tunnel(replaying, host, int(port))
    with context.wrap_socket(connection, server_hostname=OPENAI) as secure:
        secure.sendall(f"GET /v1/models HTTP/1.1\r\nhost: {OPENAI}\r\n\r\n".encode())
        assert read_head(secure).startswith(b"HTTP/1.1 504 ")
    assert world.upstream.connections == before


def test_replay_tunnels_to_strangers_unless_they_are_blocked(world: World, replaying: Program) -> None:
    with world.client(replaying) as client:
        assert client.get(f"https://{STRANGER}/").status_code == 404, "as the stranger says"
    before = world.stranger.connections
    with world.serving("replay", "--block-others") as blocking:
        status, connection = tunnel(blocking, STRANGER)
        connection.close()
        with world.client(blocking) as client:
            plain = client.get(f"http://{STRANGER}/")
            known = client.post(f"https://{OPENAI}/v1/chat/completions", json=question("never asked"))
    assert status == 403
    assert plain.json()["error"]["code"] == "chatreel_blocked"
    assert known.json()["error"]["code"] == "chatreel_no_recording"
    assert world.stranger.connections == before


def test_http2_is_spoken_to_an_upstream_that_speaks_it(world: World, tmp_path: Path) -> None:
    environment = world.environment
    with Http2Upstream(world.internet.server(OPENAI), completion("Hello").body) as upstream:
        environment |= world.internet.variables({OPENAI: upstream.url})
        flags = ("--proxy-port", "0", "--mode", "cache", "--store", str(tmp_path / "store.db"))
        with (
            running_chatreel(*flags, command=(*PROGRAM, "serve"), env=environment) as proxy,
            world.client(proxy, http2=True) as client,
        ):
            url = f"https://{OPENAI}/v1/chat/completions"
            first, second = (client.post(url, json=question()) for _ in range(2))
            other = client.get(f"https://{OPENAI}/v1/models")
    assert (first.http_version, first.status_code, first.content) == ("HTTP/2", 200, upstream.body)
    assert second.headers["cache-status"].startswith("chatreel; hit")
    assert other.content == upstream.body
    assert [asked[":path"] for asked in upstream.asked] == ["/v1/chat/completions", "/v1/models"]


def test_a_request_in_absolute_form_passes_and_a_call_is_recorded(world: World, tmp_path: Path) -> None:
    """Plain HTTP: one server is intercepted by name, the other is somebody else's."""
    with Upstream() as named, Upstream() as stranger:
        environment = world.internet.variables({NAMED: named.url, STRANGER: stranger.url})
        store = str(tmp_path / "store.db")
        flags = ("--proxy-port", "0", "--mode", "cache", "--store", store, "--intercept", NAMED)
        with (
            running_chatreel(*flags, command=(*PROGRAM, "serve"), env=environment) as proxy,
            httpx.Client(proxy=proxy.ready["proxy_url"], trust_env=False, timeout=30) as client,
        ):
            calls = [client.post(f"http://{NAMED}/v1/chat/completions", json=question()) for _ in range(2)]
            other = client.post(f"http://{STRANGER}/v1/chat/completions", json=question())
        assert calls[1].headers["cache-status"].startswith("chatreel; hit")
        assert len(named.calls) == 1
        assert "cache-status" not in other.headers
        assert [(call.method, call.path) for call in stranger.calls] == [("POST", "/v1/chat/completions")]
        assert stranger.calls[0].headers["host"] == STRANGER
        assert "proxy-connection" not in named.calls[0].headers


@pytest.mark.parametrize("host", [NAMED, STRANGER])
@pytest.mark.parametrize("through_connect", [False, True])
def test_a_websocket_passes(world: World, tmp_path: Path, host: str, through_connect: bool) -> None:
    with EchoSocket() as server:
        environment = world.internet.variables({host: server.url})
        flags = ("--proxy-port", "0", "--mode", "cache", "--store", str(tmp_path / "s.db"), "--intercept", NAMED)
        with running_chatreel(*flags, command=(*PROGRAM, "serve"), env=environment) as proxy:
            if through_connect:
                _, connection = tunnel(proxy, host, 80)
            else:
                connection = socket.create_connection(address_of(proxy), timeout=30)
            with connection:
                target = "/realtime?a=b" if through_connect else f"http://{host}/realtime?a=b"
                connection.sendall(handshake(target, host))
                assert read_head(connection).startswith(b"HTTP/1.1 101 ")
                for text in (b"abc", b"xyz"):
                    connection.sendall(frame(text))
                    assert read_text(connection) == text[::-1]
        assert server.heads[0].startswith(b"GET /realtime?a=b HTTP/1.1\r\n")


def run(world: World, mode: str, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "run", "--intercept", "--mode", mode, "--store", world.store, "--", *command],
        env=clean_environment() | world.environment | env,
        cwd=world.internet.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_run_intercepts_a_program_that_was_told_nothing(world: World) -> None:
    """The official client asks `https://api.openai.com`, as it does by default; NO_PROXY does not keep it away."""
    command = (sys.executable, str(CLIENTS / "openai_client.py"), "unchanged")
    recorded = run(world, "cache", *command, NO_PROXY="*,files.example")
    assert recorded.returncode == 0, recorded.stderr
    assert "1 call: 0 hits, 1 recorded" in recorded.stderr
    connections = world.upstream.connections
    replayed = run(world, "replay", *command)
    assert replayed.stdout == recorded.stdout
    assert "1 call: 1 hit" in replayed.stderr
    assert world.upstream.connections == connections


def test_run_gives_a_private_file_of_certificates_and_takes_it_away_again(world: World) -> None:
    code = (
        "import os, stat, json; path = os.environ['SSL_CERT_FILE']; "
        "print(json.dumps([path, open(path).read(), stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), "
        "dict(os.environ)]))"
    )
    ended = run(world, "cache", sys.executable, "-c", code)
    path, text, mode, environment = json.loads(ended.stdout)
    assert mode == 0o700
    assert not Path(path).exists()
    assert world.authority.read_text().strip() in text
    assert Path(world.internet.roots).read_text().strip() in text, "what SSL_CERT_FILE said before"
    assert text.count("BEGIN CERTIFICATE") > 50, "the roots of the system"
    assert {environment[name] for name in ("REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")} == {path}
    assert environment["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert "OPENAI_BASE_URL" not in environment
