"""Identical calls in flight: one goes upstream, everybody gets its recording, and nobody another's failure."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support import followers
from support.calls import ask, question
from support.program import Program, running_chatreel
from support.sessions import Sessions
from support.sockets import reset
from support.upstream import Reply, Request, Upstream, completion, error, stream

CLIENTS = 64
PATIENCE = 60


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(scope="module", params=["30s", "0"], ids=["drained", "not drained"])
def proxy(
    shared: Upstream, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Program]:
    """Whether an answer whose client has left is recorded all the same, or not."""
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    env = {"CHATREEL_DRAIN": request.param}
    flags = ("--upstream", shared.url, "--mode", "cache", "--store", store)
    with running_chatreel(*flags, env=env, command=followers.COMMAND) as running:
        yield running


@pytest.fixture
def upstream(shared: Upstream) -> Upstream:
    shared.calls.clear()
    return shared


@pytest.fixture
def session(proxy: Program) -> Iterator[dict[str, Any]]:
    with Sessions.of(proxy).opened(mode="cache") as opened:
        yield opened


class Call:
    """One call on a connection of its own, sent at once and read later."""

    def __init__(self, base_url: str, body: dict[str, Any]) -> None:
        url = httpx.URL(base_url)
        content = json.dumps(body).encode()
        head = f"POST {url.path}/chat/completions HTTP/1.1\r\nhost: {url.netloc.decode()}\r\nconnection: close\r\n"
        self.is_stream = bool(body.get("stream"))
        self.connection = socket.create_connection((url.host, url.port or 80), timeout=PATIENCE)
        self.connection.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(content) + content)

    def read(self) -> str:
        """All of the answer, as it travelled."""
        with contextlib.closing(self.connection) as connection:
            received = b""
            while piece := connection.recv(65536):
                received += piece
        return received.decode()


def crowd(count: int, text: str) -> list[dict[str, Any]]:
    """The same question in all the ways that have one key: streams, bodies, with usage and without."""
    kinds: list[dict[str, Any]] = [
        {"stream": True},
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"user": "somebody"},
    ]
    return [question(text, **kinds[n % len(kinds)]) for n in range(count)]


def outcomes(proxy: Program, session: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = Sessions.of(proxy).verdict(session)["outcomes"]
    return found


def answering(text: str, reply: Reply, *others: Reply) -> Callable[[Request], Reply]:
    """A script: `reply`, then `others`, to calls that ask for `text`; anything to anything else."""
    waiting = [reply, *others]
    lock = threading.Lock()

    def decide(request: Request) -> Reply:
        if request.json()["messages"][0]["content"] != text:
            return completion("anything")
        with lock:
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return decide


def asked(upstream: Upstream, text: str) -> int:
    """How often the upstream was asked for it."""
    return sum(call.json()["messages"][0]["content"] == text for call in upstream.calls)


@pytest.mark.parametrize("streams_first", [True, False])
def test_many_identical_calls_cost_one(
    proxy: Program, upstream: Upstream, session: dict[str, Any], streams_first: bool
) -> None:
    text, gate = f"one for all, streams first: {streams_first}, {session['id']}", threading.Event()
    reply = stream(("one ", "answer"), hold=gate) if streams_first else completion("one answer", hold=gate)
    upstream.reply_by(answering(text, reply))
    bodies = crowd(CLIENTS, text) if streams_first else list(reversed(crowd(CLIENTS, text)))
    before = followers.waits(proxy)
    calls = [Call(session["base_url"], bodies[0])]
    upstream.wait_for_calls(1)
    calls += [Call(session["base_url"], body) for body in bodies[1:]]
    followers.wait_for(before + CLIENTS - 1, proxy)
    gate.set()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(Call.read, calls))
    for call, answer in zip(calls, answers, strict=True):
        assert "200 OK" in answer
        assert ("text/event-stream" in answer) == call.is_stream
        assert "answer" in answer
    collapsed = [answer for answer in answers if "cache-status: chatreel; fwd=miss; collapsed; key=" in answer]
    assert len(collapsed) == CLIENTS - 1
    assert all("\r\nage: " in answer for answer in collapsed)
    assert outcomes(proxy, session) == {"recorded": 1, "coalesced": CLIENTS - 1}
    assert asked(upstream, text) == 1


def test_a_leader_that_is_refused_is_followed_by_one_and_the_rest_wait_for_that(
    proxy: Program, upstream: Upstream, session: dict[str, Any]
) -> None:
    text, gate, second = f"fails once {session['id']}", threading.Event(), threading.Event()
    before = followers.waits(proxy)
    refused = error(500, headers={"x-ours": "no"})
    held = Reply(refused.status, refused.headers, refused.body, hold=gate)
    upstream.reply_by(answering(text, held, completion("the second time", hold=second)))
    leader = Call(session["base_url"], question(text))
    upstream.wait_for_calls(1)
    calls = [Call(session["base_url"], body) for body in crowd(16, text)]
    followers.wait_for(before + 16, proxy)
    gate.set()
    assert "500" in leader.read().splitlines()[0]
    followers.wait_for(before + 16 + 15, proxy)
    second.set()
    answers = [call.read() for call in calls]
    assert all("200 OK" in answer and "time" in answer for answer in answers)
    assert sum("fwd=miss; stored; collapsed=?0;" in answer or "detail=recording" in answer for answer in answers) == 1
    assert asked(upstream, text) == 2
    assert outcomes(proxy, session) == {"passed": 1, "recorded": 1, "coalesced": 15}


def test_where_the_upstream_fails_everybody_gets_an_error_of_their_own(
    proxy: Program, upstream: Upstream, session: dict[str, Any]
) -> None:
    text, gate = f"always fails {session['id']}", threading.Event()
    number = iter(range(1000))

    def decide(request: Request) -> Reply:
        if request.json()["messages"][0]["content"] != text:
            return completion("anything")
        failed = error(500, f"failure {next(number)}")
        return Reply(failed.status, failed.headers, failed.body, hold=gate)

    upstream.reply_by(decide)
    before = followers.waits(proxy)
    calls = [Call(session["base_url"], question(text))]
    upstream.wait_for_calls(1)
    calls += [Call(session["base_url"], body) for body in crowd(15, text)]
    followers.wait_for(before + 15, proxy)
    gate.set()
    answers = [call.read() for call in calls]
    failures = [json.loads(answer.partition("\r\n\r\n")[2])["error"]["message"] for answer in answers]
    assert len(set(failures)) == 16, "each of them was asked for itself"
    assert asked(upstream, text) == 16


def test_a_leader_whose_client_leaves_costs_no_second_call_if_its_answer_is_drained(
    proxy: Program, upstream: Upstream, session: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    drained = request.node.callspec.params["proxy"] != "0"
    text, gate, second = f"leaves {session['id']}", threading.Event(), threading.Event()
    slow, again = (stream(("first ", "last"), gates=[None, None, one]) for one in (gate, second))
    upstream.reply_by(answering(text, slow, again))
    before = followers.waits(proxy)
    leader = Call(session["base_url"], question(text, stream=True))
    assert leader.connection.recv(65536)
    calls = [Call(session["base_url"], body) for body in crowd(16, text)]
    followers.wait_for(before + 16, proxy)
    reset(leader.connection)
    if drained:
        gate.set()
    else:
        followers.wait_for(before + 16 + 15, proxy)
        second.set()
    answers = [call.read() for call in calls]
    gate.set()
    assert all("200 OK" in answer and "last" in answer for answer in answers)
    assert asked(upstream, text) == (1 if drained else 2)
    assert outcomes(proxy, session)["coalesced"] == (16 if drained else 15)


@pytest.mark.parametrize("cache_control", ["no-cache", "no-store"])
def test_whoever_asks_for_an_answer_of_their_own_gets_one(
    upstream: Upstream, session: dict[str, Any], cache_control: str
) -> None:
    text, gate = f"own answer {cache_control} {session['id']}", threading.Event()
    upstream.reply_by(answering(text, completion("yours", hold=gate)))
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, session["base_url"], question(text), cache_control=cache_control) for _ in range(4)]
        upstream.wait_for_calls(4)
        gate.set()
        assert all(one.result().is_success for one in asking)


def test_only_if_cached_does_not_wait(upstream: Upstream, session: dict[str, Any]) -> None:
    text, gate = f"impatient {session['id']}", threading.Event()
    upstream.reply_by(answering(text, completion("late", hold=gate)))
    leader = Call(session["base_url"], question(text))
    upstream.wait_for_calls(1)
    assert ask(session["base_url"], question(text), cache_control="only-if-cached").status_code == 504
    gate.set()
    assert "late" in leader.read()


def test_two_sessions_do_not_wait_for_each_other(proxy: Program, upstream: Upstream, session: dict[str, Any]) -> None:
    text, gate = f"apart {session['id']}", threading.Event()
    upstream.reply_by(answering(text, completion("held", hold=gate), completion("at once")))
    leader = Call(session["base_url"], question(text))
    upstream.wait_for_calls(1)
    with Sessions.of(proxy).opened(mode="cache") as other:
        assert "at once" in ask(other["base_url"], question(text)).text
    gate.set()
    assert "held" in leader.read()
