"""`replay` never reaches the network, whatever raises, runs out or is malformed."""

import contextlib
import http.client
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.calls import ask, error_of, http_client, question
from support.program import Program, running_chatreel
from support.upstream import Upstream

PLANTED = """
import chatreel.canonical
from chatreel.cli import main

def broken(*_args, **_named):
    raise RuntimeError("planted")

chatreel.canonical.{name} = broken
main()
"""


@dataclass(frozen=True)
class Replaying:
    """A proxy in replay mode with one recording, `question("recorded")`, and the upstream that made it."""

    proxy: Program
    upstream: Upstream
    recorded: bytes

    @property
    def base_url(self) -> str:
        return self.proxy.base_url


@pytest.fixture(scope="module")
def replaying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replaying]:
    """The upstream listens all the time; after the recording, its connections are counted from 0."""
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with Upstream() as upstream:
        with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
            recorded = ask(proxy.base_url, question("recorded")).content
        upstream.connections = 0
        with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store) as proxy:
            yield Replaying(proxy, upstream, recorded)


def test_a_hit_opens_no_socket(replaying: Replaying) -> None:
    assert ask(replaying.base_url, question("recorded")).content == replaying.recorded
    assert replaying.upstream.connections == 0


def test_a_miss_is_refused_in_the_apis_shape_and_names_the_nearest_recording(replaying: Replaying) -> None:
    response = ask(replaying.base_url, question("recorded differently"))
    error = error_of(response)
    assert response.status_code == 504
    assert response.headers["x-should-retry"] == "false"
    assert error["code"] == "chatreel_no_recording"
    assert "/messages/0/content" in error["message"]
    assert "differently" in error["message"]
    assert replaying.upstream.connections == 0


@pytest.mark.parametrize("cache_control", ["no-cache", "no-store", "no-cache, no-store", "max-age=0", "gibberish;;=,"])
def test_no_directive_opens_the_way_to_the_upstream(replaying: Replaying, cache_control: str) -> None:
    ask(replaying.base_url, question("recorded"), cache_control=cache_control)
    ask(replaying.base_url, question("not recorded"), cache_control=cache_control)
    assert replaying.upstream.connections == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "models"),
        ("POST", "embeddings"),
        ("GET", "chat/completions"),
        ("DELETE", "chat/completions/chatcmpl-1"),
        ("OPTIONS", "chat/completions"),
        ("POST", "chat/completions/"),
    ],
)
def test_what_is_no_chat_completion_is_refused(replaying: Replaying, method: str, path: str) -> None:
    with http_client(replaying.base_url) as client:
        response = client.request(method, path, json={})
    assert error_of(response)["code"] == "chatreel_not_replayable"
    assert replaying.upstream.connections == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1,"a":2}', b'{"messages":[],"x":NaN}', b"\xff\xfe", b"{}"])
def test_malformed_bodies_are_refused(replaying: Replaying, body: bytes) -> None:
    with http_client(replaying.base_url) as client:
        response = client.post("chat/completions", content=body)
    assert error_of(response)["code"] in {"chatreel_bad_request", "chatreel_not_keyable"}
    assert replaying.upstream.connections == 0


@pytest.mark.parametrize("name", ["parse_body", "identify"])
def test_an_exception_in_the_key_function_is_a_refusal(upstream: Upstream, store: str, name: str) -> None:
    command = (sys.executable, "-c", PLANTED.format(name=name), "serve")
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store, command=command) as proxy:
        response = ask(proxy.base_url, question())
        assert "planted" in proxy.log
    assert error_of(response)["code"] == "chatreel_internal_error"
    assert upstream.connections == 0


def test_an_exception_while_routing_is_a_refusal(upstream: Upstream, store: str) -> None:
    """The hook before the one that refuses: the request points nowhere, and the way out is shut."""
    planted = PLANTED.format(name="identify").replace(
        "chatreel.canonical.identify", "chatreel.upstreams.Upstreams.target"
    )
    command = (sys.executable, "-c", planted.replace("import chatreel.canonical", "import chatreel.upstreams"), "serve")
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store, command=command) as proxy:
        response = ask(proxy.base_url, question())
        assert "planted" in proxy.log
    assert response.status_code == 502
    assert upstream.connections == 0


def test_replay_needs_no_upstream_to_exist(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        first = ask(proxy.base_url, question())
    upstream.stop()
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store) as proxy:
        assert ask(proxy.base_url, question()).content == first.content


def test_one_request_can_ask_for_the_same_with_only_if_cached(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        response = ask(proxy.base_url, question(), cache_control="only-if-cached")
    assert response.status_code == 504
    assert upstream.connections == 0


def test_only_if_cached_holds_for_what_is_never_recorded_too(upstream: Upstream, store: str) -> None:
    with (
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
        http_client(proxy.base_url) as client,
    ):
        response = client.get("models", headers={"cache-control": "only-if-cached"})
    assert error_of(response)["code"] == "chatreel_not_replayable"
    assert upstream.connections == 0


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "LOCALHOST", "localhost."])
def test_a_forward_proxy_knows_its_upstream_however_it_is_spelled(upstream: Upstream, store: str, host: str) -> None:
    named = upstream.url.replace("127.0.0.1", "localhost")
    url = upstream.url.replace("127.0.0.1", host) + "/v1/chat/completions"
    flags = ("--upstream", named, "--mode", "replay", "--store", store, "--proxy-port", "0")
    with running_chatreel(*flags) as proxy:
        forward = http.client.HTTPConnection(proxy.ready["proxy_url"].removeprefix("http://"), timeout=30)
        with contextlib.closing(forward):
            forward.request("POST", url, json.dumps(question()), {"content-type": "application/json"})
            assert forward.getresponse().status == 504
    assert upstream.connections == 0


def test_the_ci_variable_means_replay(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--store", store, env={"CI": "true"}) as proxy:
        response = ask(proxy.base_url, question())
    assert response.status_code == 504
    assert upstream.connections == 0


PLANTED_MEMBER = """
import importlib
from chatreel.cli import main

def broken(*_args, **_named):
    raise RuntimeError("planted")

owner = importlib.import_module("{module}").{cls}
setattr(owner, "{name}", property(broken) if isinstance(owner.__dict__["{name}"], property) else broken)
main()
"""


@pytest.mark.parametrize(
    ("module", "cls", "name"),
    [
        ("chatreel.engine.admission", "Admission", "admit"),
        ("chatreel.engine.firewall", "Firewall", "opening"),
        ("chatreel.engine.firewall", "Firewall", "_may_open"),
        ("chatreel.engine.route", "Route", "may_connect"),
        ("chatreel.recorder.opening", "Opening", "_settle"),
        ("chatreel.recorder.answering", "Answering", "hit"),
        ("chatreel.recorder.answering", "Answering", "refuse_found"),
        ("chatreel.recorder.logbook", "Logbook", "write"),
        ("chatreel.repeats", "Repeats", "take_turn"),
        ("chatreel.sessions", "Sessions", "get"),
        ("chatreel.session", "Session", "is_strict"),
    ],
)
def test_an_exception_anywhere_lets_nothing_of_a_replaying_session_out(
    upstream: Upstream, store: str, module: str, cls: str, name: str
) -> None:
    """With a default session that records beside it, on the same connection of the client."""
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        ask(proxy.base_url, question("recorded"))
    upstream.calls.clear()
    planted = PLANTED_MEMBER.format(module=module, cls=cls, name=name)
    command = (sys.executable, "-c", planted, "serve")
    with running_chatreel("--upstream", upstream.url, "--mode", "record", "--store", store, command=command) as proxy:
        origin = proxy.base_url.removesuffix("/v1")
        with http_client(origin) as client:
            opened = client.post("/_chatreel/sessions", json={"mode": "replay"})
            base_url = opened.json().get("base_url", f"{origin}/_chatreel/s/0123456789abcdef/v1")
            for n in range(2):
                client.post("/v1/chat/completions", json=question("recorded"))
                before = [call.json() for call in upstream.calls]
                for text in ("recorded", f"not recorded {n}"):
                    client.post(f"{base_url}/chat/completions", json=question(text))
                client.get(f"{base_url}/models")
                assert [call.json() for call in upstream.calls] == before
    assert all(call.json() == question("recorded") for call in upstream.calls)


def test_a_replaying_session_opens_no_connection_beside_one_that_records(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "record", "--store", store) as proxy:
        origin = proxy.base_url.removesuffix("/v1")
        with http_client(origin) as client:
            base_url = client.post("/_chatreel/sessions", json={"mode": "replay"}).json()["base_url"]
            for method, path in (("POST", "chat/completions"), ("GET", "models"), ("POST", "embeddings")):
                assert client.request(method, f"{base_url}/{path}", json=question()).status_code == 504
            assert upstream.connections == 0
            assert client.post("/v1/chat/completions", json=question()).status_code == 200
            assert upstream.connections == 1
            assert client.get(f"{base_url}/models").status_code == 504
    assert len(upstream.calls) == 1
