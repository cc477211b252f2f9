"""A proxy that others can reach: nobody uses it without its token, and the token goes no further than here."""

import base64
import contextlib
import http.client
import http.server
import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme
from openai import AuthenticationError, OpenAI

from support.calls import ask, error_of, question
from support.command import chatreel
from support.internet import PLANTED, PROGRAM, Internet
from support.program import Program, running_chatreel
from support.upstream import Upstream

TOKEN = "0123456789abcdef0123456789abcdef"
NAMED = "llm.corp.example"
METADATA = "metadata.example"
REBINDING = "rebinding.example"
GUARDING = ("destinations", "gate")
"""Where addresses are looked at."""


@dataclass(frozen=True)
class Open:
    """A proxy on all addresses."""

    proxy: Program
    upstream: Upstream
    folder: Path

    @property
    def base_url(self) -> str:
        return self.proxy.base_url.replace("0.0.0.0", "127.0.0.1")

    @property
    def proxy_url(self) -> str:
        return str(self.proxy.ready["proxy_url"]).replace("0.0.0.0", "127.0.0.1")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    folder = tmp_path_factory.mktemp("open")
    internet = Internet(trustme.CA(), folder)
    with Upstream() as upstream:
        environment = internet.variables({NAMED: upstream.url, METADATA: "http://169.254.169.254:80"})
        flags = (
            "--upstream",
            upstream.url,
            "--mode",
            "cache",
            "--store",
            str(folder / "store.db"),
            "--host",
            "0.0.0.0",
        )
        with running_chatreel(
            *flags,
            *("--proxy-port", "0", "--intercept", NAMED, "--intercept", "169.254.1.1"),
            command=(*PROGRAM, "serve"),
            env=environment | {"CHATREEL_TOKEN": TOKEN},
        ) as proxy:
            yield Open(proxy, upstream, folder)


@pytest.fixture
def served(running: Open) -> Open:
    running.upstream.calls.clear()
    return running


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"chatreel:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "onward"),
    [
        ({"x-chatreel-token": TOKEN, "authorization": "Bearer sk-real"}, "Bearer sk-real"),
        ({"authorization": f"Bearer {TOKEN}:sk-real"}, "Bearer sk-real"),
        ({"authorization": f"Bearer {TOKEN}"}, None),
        ({"authorization": basic(TOKEN)}, None),
    ],
    ids=["header", "before the key", "bearer", "basic"],
)
@pytest.mark.parametrize("path", ["chat/completions", "embeddings"])
def test_the_token_opens_and_does_not_reach_the_upstream(
    served: Open, headers: dict[str, str], onward: str | None, path: str, request: pytest.FixtureRequest
) -> None:
    url = f"{served.base_url}/{path}"
    response = httpx.post(url, json=question(request.node.name), headers=headers, trust_env=False, timeout=30)
    assert response.status_code == (200 if path == "chat/completions" else 404)
    [call] = served.upstream.calls
    assert call.headers.get("authorization") == onward
    assert TOKEN not in str(call.headers)
    assert "x-chatreel-token" not in call.headers


@pytest.mark.parametrize(
    "authorization", ["", "Bearer sk-real", "Bearer 0123456789abcdef", basic("wrong-0123456789ab")]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/_chatreel/health", "/nowhere"])
def test_without_it_everything_is_a_401(served: Open, authorization: str, path: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    url = served.base_url.removesuffix("/v1") + path
    response = httpx.request("POST" if "chat" in path else "GET", url, headers=headers, trust_env=False, timeout=30)
    assert response.status_code == 401
    assert error_of(response)["code"] == "chatreel_no_token"
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["x-should-retry"] == "false"
    assert served.upstream.calls == []


def test_the_official_client_needs_nothing_but_another_api_key(served: Open) -> None:
    messages: list[object] = [{"role": "user", "content": "Hi from outside"}]
    with OpenAI(base_url=served.base_url, api_key=f"{TOKEN}:sk-real") as client:
        client.chat.completions.create(model="m", messages=messages)  # type: ignore[arg-type]
    assert served.upstream.calls[-1].headers["authorization"] == "Bearer sk-real"
    with OpenAI(base_url=served.base_url, api_key="sk-real") as client, pytest.raises(AuthenticationError):
        client.chat.completions.create(model="m", messages=messages)  # type: ignore[arg-type]


def through(served: Open, password: str) -> httpx.Client:
    proxy = httpx.Proxy(served.proxy_url, auth=("chatreel", password)) if password else served.proxy_url
    return httpx.Client(proxy=proxy, trust_env=False, timeout=30)


def test_a_forward_proxy_takes_it_as_its_password_and_passes_on_the_clients_own_credentials(served: Open) -> None:
    with through(served, TOKEN) as client:
        response = client.post(
            f"http://{NAMED}/v1/chat/completions", json=question(), headers={"authorization": "Bearer sk-real"}
        )
    assert response.status_code == 200
    [call] = served.upstream.calls
    assert call.headers["authorization"] == "Bearer sk-real"
    assert "proxy-authorization" not in call.headers


@pytest.mark.parametrize("password", ["", "wrong-0123456789abcdef"])
@pytest.mark.parametrize("tunnelled", [False, True])
def test_a_forward_proxy_says_407_without(served: Open, password: str, tunnelled: bool) -> None:
    forward = http.client.HTTPConnection(served.proxy_url.removeprefix("http://"), timeout=30)
    headers = {"proxy-authorization": basic(password)} if password else {}
    with contextlib.closing(forward):
        if tunnelled:
            forward.set_tunnel(NAMED, 80, headers)
            with pytest.raises(OSError, match="407"):
                forward.request("GET", "/v1/models")
        else:
            forward.request("GET", f"http://{NAMED}/v1/models", headers=headers)
            response = forward.getresponse()
            assert response.status == 407
            assert response.getheader("proxy-authenticate", "").startswith("Basic")
    assert served.upstream.calls == []


def test_one_that_was_shown_for_a_tunnel_counts_in_it_and_in_no_other(served: Open) -> None:
    for headers, expected in (({"proxy-authorization": basic(TOKEN)}, 200), ({}, 407)):
        forward = http.client.HTTPConnection(served.proxy_url.removeprefix("http://"), timeout=30)
        with contextlib.closing(forward):
            forward.set_tunnel(NAMED, 80, headers)
            if expected == 407:
                with pytest.raises(OSError, match="407"):
                    forward.request("GET", "/v1/models")
                continue
            for _ in range(2):
                forward.request("GET", "/v1/models")
                assert forward.getresponse().read()
    assert len(served.upstream.calls) == 2


@pytest.mark.parametrize("target", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "100.100.100.200"])
@pytest.mark.parametrize("tunnelled", [False, True])
def test_a_forward_proxy_refuses_the_address_of_a_metadata_service(served: Open, target: str, tunnelled: bool) -> None:
    forward = http.client.HTTPConnection(served.proxy_url.removeprefix("http://"), timeout=30)
    headers = {"proxy-authorization": basic(TOKEN)}
    with contextlib.closing(forward):
        if tunnelled:
            forward.set_tunnel(target, 80, headers)
            with pytest.raises(OSError, match="403"):
                forward.request("GET", "/latest/meta-data/")
        else:
            host = f"[{target}]" if ":" in target else target
            forward.request("GET", f"http://{host}/latest/meta-data/", headers=headers)
            response = forward.getresponse()
            assert response.status == 403
            assert b"metadata service" in response.read()


@pytest.mark.parametrize("target", [METADATA, f"{METADATA}.", METADATA.upper()])
@pytest.mark.parametrize("tunnelled", [False, True])
def test_a_forward_proxy_refuses_a_name_that_leads_to_one(served: Open, target: str, tunnelled: bool) -> None:
    said = served.proxy.log.count("metadata service")
    forward = http.client.HTTPConnection(served.proxy_url.removeprefix("http://"), timeout=30)
    headers = {"proxy-authorization": basic(TOKEN)}
    with contextlib.closing(forward):
        if tunnelled:  # the answer to CONNECT comes before anybody looks the name up
            forward.set_tunnel(target, 80, headers)
            forward.request("GET", "/latest/meta-data/")
            with pytest.raises(http.client.RemoteDisconnected):
                forward.getresponse()
        else:
            forward.request("GET", f"http://{target}/latest/meta-data/", headers=headers)
            assert b"metadata service" in forward.getresponse().read()
    assert served.proxy.log.count("metadata service") == said + 1


def test_a_name_that_leads_elsewhere_when_it_is_looked_up_again_gets_no_byte(tmp_path: Path) -> None:
    """DNS rebinding. Loopback stands in for a guarded address here, since tests can listen on no other."""
    internet = Internet(trustme.CA(), tmp_path)
    plant = f"import chatreel.engine.destinations as d\nd.is_guarded = '127.0.0.2'.__eq__\n{PLANTED}"
    with socket.create_server(("127.0.0.2", 0)) as listener, Upstream() as upstream:
        there = f"http://127.0.0.2:{listener.getsockname()[1]}"
        environment = internet.variables({REBINDING: (upstream.url, there)})
        flags = ("--proxy-port", "0", "--store", str(tmp_path / "store.db"))
        command = (sys.executable, "-c", plant, "serve")
        with running_chatreel(*flags, command=command, env=environment) as proxy:
            with httpx.Client(proxy=proxy.ready["proxy_url"], trust_env=False, timeout=30) as client:
                response = client.post(f"http://{REBINDING}/latest/meta-data/", json={"secret": "of the client"})
            proxy.wait_for_log("metadata service")
        listener.settimeout(10)
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(1000) == b""
    assert response.status_code == 502


class Metadata(http.server.BaseHTTPRequestHandler):
    """A service of the machine's own network."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"keys")


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("by_name", [False, True])
def test_a_guarded_address_is_let_through_once_it_is_named(tmp_path: Path, named: bool, by_name: bool) -> None:
    """Loopback stands in for it here, too."""
    internet = Internet(trustme.CA(), tmp_path)
    plants = [f"import chatreel.engine.{room} as d\nd.is_guarded = '127.0.0.2'.__eq__" for room in GUARDING]
    with http.server.ThreadingHTTPServer(("127.0.0.2", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        environment = internet.variables({METADATA: f"http://127.0.0.2:{server.server_port}"})
        host = METADATA if by_name else "127.0.0.2"
        flags = ("--proxy-port", "0", "--store", str(tmp_path / "store.db"), *(("--intercept", host) if named else ()))
        command = (sys.executable, "-c", "\n".join([*plants, PLANTED]), "serve")
        with (
            running_chatreel(*flags, command=command, env=environment) as proxy,
            httpx.Client(proxy=proxy.ready["proxy_url"], trust_env=False, timeout=30) as client,
        ):
            response = client.get(f"http://{host}:{server.server_port}/latest/meta-data/")
        server.shutdown()
    if named:
        assert (response.status_code, response.content) == (200, b"keys")
    else:
        assert response.status_code == (502 if by_name else 403)
        assert "metadata service" in response.text


def test_no_trace_of_the_token_is_left(served: Open) -> None:
    """In the store, its WAL, the log, or what an error says."""
    ask(served.base_url, question("trace"), authorization=f"Bearer {TOKEN}:sk-real")
    refused = ask(served.base_url, question("trace"), authorization=f"Bearer x{TOKEN}")
    assert TOKEN not in refused.text
    written = b"".join(path.read_bytes() for path in served.folder.rglob("*") if path.is_file())
    assert b"trace" in written
    assert TOKEN.encode() not in written
    assert TOKEN not in served.proxy.log


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "proxy.example"])
def test_another_address_than_loopback_needs_a_token(tmp_path: Path, host: str) -> None:
    ended = chatreel("serve", "--host", host, cwd=tmp_path)
    assert ended.returncode == 2
    assert "CHATREEL_TOKEN" in ended.stderr


def test_a_token_comes_from_a_file_as_well(tmp_path: Path, upstream: Upstream, store: str) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + os.linesep)
    with running_chatreel("--upstream", upstream.url, "--store", store, "--token-file", str(file)) as proxy:
        assert ask(proxy.base_url, question()).status_code == 401
        assert ask(proxy.base_url, question(), x_chatreel_token=TOKEN).status_code == 200


@pytest.mark.parametrize("text", [None, "short\n"])
def test_a_file_without_a_usable_token_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "token"
    if text:
        file.write_text(text)
    ended = chatreel("serve", "--token-file", str(file), cwd=tmp_path)
    assert ended.returncode == 2
    assert "token" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_who_has_the_token_writes_cassettes_in_one_folder_only(served: Open, tmp_path: Path) -> None:
    """The working folder of the proxy, as no other is named."""
    folder = Path(f"/proc/{served.proxy.pid}/cwd").resolve()
    (folder / "way-out").symlink_to(tmp_path)
    statuses = {}
    with httpx.Client(trust_env=False, headers={"x-chatreel-token": TOKEN}) as client:
        for path in (folder / "a.json", tmp_path / "a.json", folder / "way-out" / "a.json", folder / ".." / "a.json"):
            url = served.base_url.removesuffix("/v1") + "/_chatreel/sessions"
            statuses[path] = client.post(url, json={"cassette": str(path), "mode": "record"}).status_code
    assert [*statuses.values()] == [201, 403, 403, 403]
    assert not (tmp_path / "a.json").exists()
