"""Upstreams that fail: the client gets a clear 502 or what it would have got directly, and nothing is stored."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.calls import ask, error_of, http_client, question
from support.database import rows
from support.faults import BODY, CONTENT, Fault, Faulty, refusing
from support.program import Program, running_chatreel
from support.upstream import Reply, Request, Upstream, echo

BEFORE_ANY_ANSWER = [
    Fault.RESET_ON_CONNECT,
    Fault.RESET_BEFORE_HEADERS,
    Fault.CLOSE_BEFORE_HEADERS,
    Fault.RESET_IN_HEADERS,
    Fault.RESET_IN_BODY,
    Fault.CLOSE_IN_BODY,
    Fault.GARBAGE,
    Fault.BAD_LENGTH,
    Fault.INTERIM,
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


def test_no_question_is_given_the_answer_to_the_one_before(tmp_path: Path) -> None:
    """What an upstream sends after an interim response belongs to nobody: the next question is asked anew."""
    late = threading.Event()

    def reply(asked: Request) -> Reply:
        first = b"first" in asked.body
        return Reply(status=103) if first and not late.is_set() else echo(asked)

    with Upstream() as upstream:
        upstream.reply_by(reply)
        store = str(tmp_path / "store.db")
        with (
            running_chatreel("--upstream", upstream.url, "--store", store) as proxy,
            http_client(proxy.base_url) as client,
        ):
            assert client.post("chat/completions", json=question("first")).status_code == 502
            late.set()
            assert client.post("chat/completions", json=question("second")).status_code == 200
        assert len({call.connection for call in upstream.calls}) == 2


def test_trailers_cost_nobody_the_answer(proxy: Program) -> None:
    answers = [ask(base_of(proxy, Fault.TRAILERS), question(f"with trailers {n}")) for n in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, BODY)] * 2


def test_what_failed_stands_in_the_log_with_its_reason(proxy: Program, store: Path) -> None:
    ask(base_of(proxy, Fault.RESET_IN_BODY), question("for the log"))
    proxy.stop()
    outcome, status, reason = rows(store, "SELECT outcome, status, reason FROM calls ORDER BY id DESC LIMIT 1")[0]
    assert (outcome, status) == ("failed", 502)
    assert reason
