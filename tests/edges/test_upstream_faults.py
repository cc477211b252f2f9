"""Upstreams that fail: the client gets a clear 502 or what it would have got directly, and nothing is stored."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trustme

from support.calls import ask, error_of, http_client, question, under_way
from support.database import rows
from support.faults import BODY, CONTENT, Fault, Faulty, refusing
from support.program import Program, running_chatreel
from support.upstream import Reply, Upstream, echo
from support.waiting import eventually

BEFORE_ANY_ANSWER = [
    Fault.RESET_ON_CONNECT,
    Fault.RESET_BEFORE_HEADERS,
    Fault.CLOSE_BEFORE_HEADERS,
    Fault.RESET_IN_HEADERS,
    Fault.RESET_IN_BODY,
    Fault.CLOSE_IN_BODY,
    Fault.GARBAGE,
    Fault.BAD_LENGTH,
]
"""Nothing of the answer has reached the client yet: a JSON body is passed on when it is whole."""

IN_A_STREAM = [Fault.RESET_IN_STREAM, Fault.CLOSE_IN_STREAM, Fault.CLOSE_IN_CHUNK, Fault.BAD_CHUNK_SIZE]


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[Fault, Faulty]]:
    running = {fault: Faulty(fault) for fault in [*BEFORE_ANY_ANSWER, *IN_A_STREAM, Fault.TRAILERS]}
    for faulty in running.values():
        faulty.__enter__()
    yield running
    for faulty in running.values():
        faulty.stop()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "store.db"


@pytest.fixture(scope="module")
def proxy(upstreams: dict[Fault, Faulty], store: Path) -> Iterator[Program]:
    """One proxy in front of all of them: each is an upstream with the name of its fault."""
    with refusing() as nobody:
        named = [f"{fault.name}={faulty.url}" for fault, faulty in upstreams.items()]
        flags = [flag for url in (nobody, *named) for flag in ("--upstream", url)]
        with running_chatreel(*flags, "--mode", "cache", "--store", str(store)) as running:
            yield running
            assert "Traceback" not in running.log


def base_of(proxy: Program, fault: Fault) -> str:
    return proxy.base_url.removesuffix("/v1") + f"/{fault.name}/v1"


def read_stream(client: httpx.Client, base_url: str, received: list[bytes]) -> None:
    with client.stream("POST", f"{base_url}/chat/completions", json=question(stream=True)) as response:
        received.extend(response.iter_bytes())


def recordings(store: Path) -> int:
    return int(rows(store, "SELECT count(*) FROM recordings")[0][0])


@pytest.mark.parametrize("fault", BEFORE_ANY_ANSWER)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_failure_before_the_answer_is_a_502(
    proxy: Program, upstreams: dict[Fault, Faulty], store: Path, fault: Fault, streaming: bool
) -> None:
    response = ask(base_of(proxy, fault), question(stream=streaming))
    error = error_of(response)
    assert response.status_code == 502
    assert error["code"] in {"chatreel_upstream_unreachable", "chatreel_upstream_broken"}
    assert upstreams[fault].url.removeprefix("http://") in error["message"]
    assert recordings(store) == 0


def test_an_upstream_that_hangs_up_at_once_keeps_nobody_waiting(proxy: Program) -> None:
    """Sooner than anybody has asked where it is: that depends on the moment, so there are many."""
    base_url = base_of(proxy, Fault.RESET_ON_CONNECT)
    assert {ask(base_url, question()).status_code for _ in range(300)} == {502}


def test_an_upstream_that_refuses_connections_is_a_502(proxy: Program) -> None:
    response = ask(proxy.base_url, question())
    assert response.status_code == 502
    assert error_of(response)["code"] == "chatreel_upstream_unreachable"
    assert "x-should-retry" not in response.headers


@pytest.mark.parametrize("fault", IN_A_STREAM)
def test_a_stream_that_breaks_off_breaks_off_for_the_client_too(proxy: Program, store: Path, fault: Fault) -> None:
    received: list[bytes] = []
    with httpx.Client(trust_env=False, timeout=30) as client, pytest.raises(httpx.RemoteProtocolError):
        read_stream(client, base_of(proxy, fault), received)
    assert CONTENT.encode() in b"".join(received)
    assert recordings(store) == 0


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_interim_responses_are_passed_over(tmp_path: Path, gap: float) -> None:
    """Each question is given its own answer, and that is recorded; the client sees nothing else."""
    with Upstream() as upstream:
        interim = (100, 102, 103, 103)
        upstream.reply_by(lambda asked: replace(echo(asked), interim=interim, hold=lambda: time.sleep(gap)))
        flags = ("--upstream", upstream.url, "--store", str(tmp_path / "store.db"), "--mode", "cache")
        with running_chatreel(*flags) as proxy, http_client(proxy.base_url) as client:
            for number in range(3):
                answer = client.post("chat/completions", json=question(f"number {number}"))
                assert (answer.status_code, answer.headers.get("link")) == (200, None)
                assert f"number {number}" in answer.text
            assert client.post("chat/completions", json=question("number 0")).headers["age"]
            assert client.post("chat/completions", json=question("all", stream=True)).text.endswith("[DONE]\n\n")
        assert len({call.connection for call in upstream.calls}) == 1


def test_trailers_cost_nobody_the_answer(proxy: Program) -> None:
    answers = [ask(base_of(proxy, Fault.TRAILERS), question(f"with trailers {n}")) for n in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, BODY)] * 2


@contextmanager
def alone(url: str, folder: Path) -> Iterator[tuple[Program, Path]]:
    """A proxy before this upstream only, which gives up an answer together with its client; and its store."""
    store = folder / "store.db"
    env = {"CHATREEL_DRAIN": "0"}
    with running_chatreel("--upstream", url, "--mode", "cache", "--store", str(store), env=env) as proxy:
        yield proxy, store


def failed_call(store: Path) -> tuple[int | None, str]:
    """Status and reason of the call that failed, once it is in the log."""
    failed = "SELECT status, reason FROM calls WHERE outcome = 'failed'"
    assert eventually(lambda: rows(store, failed))
    [(status, reason)] = rows(store, failed)
    return status, reason


def untrusted(_folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def misnamed(folder: Path) -> ssl.SSLContext:
    """A certificate that is trusted, of another host."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "roots.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    return context


@pytest.mark.parametrize("certificate", [untrusted, misnamed])
def test_an_upstream_whose_certificate_is_wrong_is_a_502_and_gets_no_request(
    tmp_path: Path, certificate: Callable[[Path], ssl.SSLContext]
) -> None:
    with Upstream(tls=certificate(tmp_path)) as upstream, alone(upstream.url, tmp_path) as (proxy, store):
        response = ask(proxy.base_url, question(), authorization="Bearer sk-secret")
        assert response.status_code == 502
        assert error_of(response)["code"] == "chatreel_upstream_unreachable"
        assert failed_call(store)[0] == 502
        assert upstream.calls == []


def test_an_upstream_that_does_not_speak_tls_is_a_502(tmp_path: Path) -> None:
    with Upstream() as upstream, alone(upstream.url.replace("http:", "https:"), tmp_path) as (proxy, store):
        response = ask(proxy.base_url, question())
        assert (response.status_code, error_of(response)["code"]) == (502, "chatreel_upstream_unreachable")
        assert failed_call(store)[0] == 502


def test_an_upstream_whose_name_nobody_knows_is_a_502(tmp_path: Path) -> None:
    """`.invalid` is nobody's for ever (RFC 6761, section 6.4)."""
    with alone("http://llm.invalid/v1", tmp_path) as (proxy, store):
        response = ask(proxy.base_url, question())
        assert (response.status_code, error_of(response)["code"]) == (502, "chatreel_upstream_unreachable")
        assert "llm.invalid" in error_of(response)["message"]
        assert failed_call(store)[0] == 502


@pytest.mark.parametrize("fault", [Fault.STALL_BEFORE_HEADERS, Fault.STALL_IN_BODY, Fault.STALL_IN_STREAM])
def test_an_upstream_that_stalls_is_waited_for_as_long_as_the_client_does(tmp_path: Path, fault: Fault) -> None:
    """Then the call has failed; what came of it, the client has had."""
    received = b""
    with Faulty(fault) as upstream, alone(upstream.url, tmp_path) as (proxy, store):
        with under_way(proxy.base_url, question(stream=True)) as connection:
            upstream.wait_for_requests(1)
            while fault is Fault.STALL_IN_STREAM and CONTENT.encode() not in received:
                received += connection.recv(65536)
            connection.settimeout(0.5)
            with suppress(TimeoutError):
                while received_more := connection.recv(65536):
                    received += received_more
                pytest.fail("the proxy has hung up")
        assert failed_call(store)[1]
        assert recordings(store) == 0


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=204),
        Reply(status=301, headers={"location": "https://elsewhere.example/v1/chat/completions"}),
        Reply(status=307, headers={"location": "/v2/chat/completions", "content-type": "text/plain"}, body=b"moved"),
        Reply(status=200, headers={"content-type": "application/json"}, body=b""),
        Reply(status=200, headers={"content-type": "text/html"}, body=b"<h1>Welcome</h1>"),
        Reply(status=429, headers={"retry-after": "7", "content-type": "application/json"}, body=b'{"error":{}}'),
        Reply(status=503, headers={"content-type": "text/plain"}, body=b"busy"),
    ],
    ids=lambda reply: f"{reply.status} {reply.headers.get('content-type', '')}".strip(),
)
@pytest.mark.parametrize("streaming", [False, True])
def test_an_answer_that_is_no_completion_reaches_the_client_as_it_is_and_is_not_stored(
    odd: tuple[Program, Upstream, Path], reply: Reply, streaming: bool
) -> None:
    proxy, upstream, store = odd
    upstream.reply_with(reply)
    model = f"{reply.status} {reply.headers.get('content-type')} {streaming}"
    asked = question(stream=streaming, model=model)
    through = ask(proxy.base_url, asked)
    direct = ask(upstream.url + "/v1", asked)
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    for name in ("location", "retry-after", "content-type"):
        assert through.headers.get(name) == direct.headers.get(name)
    assert recordings(store) == 0
    logged = "SELECT outcome, status FROM calls WHERE model = ?"
    assert eventually(lambda: rows(store, logged, model))
    assert rows(store, logged, model) == [("passed", reply.status)]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Upstream, Path]]:
    """One proxy, an upstream that each test tells what to say, and the store."""
    with Upstream() as upstream, alone(upstream.url, tmp_path_factory.mktemp("odd")) as (proxy, store):
        yield proxy, upstream, store


def test_what_an_upstream_sends_after_its_answer_is_nobodys(tmp_path: Path) -> None:
    """More than its content-length: the client gets what was announced, as it would directly."""
    with (
        Faulty(Fault.BODY_TOO_LONG) as upstream,
        alone(upstream.url, tmp_path) as (proxy, _store),
        http_client(proxy.base_url) as client,
    ):
        answers = [client.post("chat/completions", json=question(str(n))) for n in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, BODY)] * 2


def test_whatever_failed_stands_in_the_log_with_its_reason(
    proxy: Program, upstreams: dict[Fault, Faulty], store: Path
) -> None:
    ask(proxy.base_url, question("for the log"))
    for fault in BEFORE_ANY_ANSWER:
        ask(base_of(proxy, fault), question("for the log"))
    for fault in IN_A_STREAM:
        with httpx.Client(trust_env=False, timeout=30) as client, suppress(httpx.RemoteProtocolError):
            read_stream(client, base_of(proxy, fault), [])
    proxy.stop()
    fine = upstreams[Fault.TRAILERS].url
    logged = rows(store, "SELECT upstream, outcome, reason FROM calls WHERE upstream <> ?", fine)
    assert len({upstream for upstream, _, _ in logged}) == len([*BEFORE_ANY_ANSWER, *IN_A_STREAM, "refused"])
    assert {outcome for _, outcome, _ in logged} == {"failed"}
    assert all(reason for _, _, reason in logged)
