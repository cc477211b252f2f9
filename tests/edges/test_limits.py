"""What is too much is refused or bounded: memory stays within bounds, and others are served meanwhile."""

import base64
import contextlib
import functools
import random
import re
import socket
import statistics
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from support.calls import ask, error_of, http_client, question
from support.database import rows
from support.program import Program, running_chatreel
from support.upstream import Reply, Request, Upstream, completion, echo
from support.waiting import eventually
from support.websocket import exactly, read_head

MB = 2**20
MEMORY = 300 * MB
"""Bytes that the proxy may ever take, whatever is thrown at it."""


@functools.cache
def bomb() -> bytes:
    """A thousand to one, and a little more. It takes seconds, so it is made where it is needed: see `bomb_at_hand`."""
    squeeze = zlib.compressobj(1, wbits=31)
    pieces = (b'{"x":"', *[b"A" * MB] * 1000, b'"}')
    return b"".join([*map(squeeze.compress, pieces), squeeze.flush()])


@pytest.fixture(scope="module")
def bomb_at_hand() -> None:
    """Made before anybody looks on how fast the proxy is: the upstream is in this process."""
    bomb()


DEEP = b'{"model":"m","messages":[],"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"


def peak(proxy: Program) -> int:
    """Bytes of memory that the proxy took at its worst."""
    [found] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{proxy.pid}/status").read_text())
    return int(found) * 1024


def reply(asked: Request) -> Reply:
    """What the text of the question asks for."""
    json, sse = {"content-type": "application/json"}, {"content-type": "text/event-stream"}
    if asked.body == DEEP:
        return completion("That was deep.")
    match asked.json()["messages"][-1]["content"]:
        case "bomb":
            return Reply(headers=json | {"content-encoding": "gzip"}, body=bomb())
        case "streamed bomb":
            pieces = [bomb()[at : at + 65536] for at in range(0, len(bomb()), 65536)]
            return Reply(headers=sse | {"content-encoding": "gzip"}, pieces=pieces)
        case "one line":
            return Reply(headers=sse, pieces=[b'data: {"x":"', *[b"A" * 65536] * 160])
        case "deep":
            return Reply(headers=json, body=b'{"choices":' + b"[" * 10_000 + b"]" * 10_000 + b"}")
        case "deep event":
            return Reply(headers=sse, pieces=[b'data: {"choices":' + b"[" * 10_000 + b"]" * 10_000 + b"}\n\n"])
        case "long":
            return Reply(headers=json, pieces=[b'{"x":"', *[b"A" * 65536] * 3200, b'"}'])
        case "long stream":
            return Reply(headers=sse, pieces=[b'data: {"x":"' + b"A" * 65000 + b'"}\n\n'] * 3200)
    return echo(asked)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Upstream, str]]:
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with (
        Upstream() as upstream,
        running_chatreel(
            *("--upstream", upstream.url, "--mode", "cache", "--store", store, "--max-connections", "300")
        ) as running,
    ):
        upstream.reply_by(reply)
        yield running, upstream, store


@pytest.fixture
def proxy(both: tuple[Program, Upstream, str]) -> Iterator[Program]:
    """Others are served while the test runs, in time, and memory stays within its bounds."""
    running = both[0]
    ask(running.base_url, question("bystander"))
    over, slowest = threading.Event(), [0.0]

    def look_on() -> None:
        while not over.is_set():
            started = time.perf_counter()
            assert ask(running.base_url, question("bystander")).status_code == 200
            slowest[0] = max(slowest[0], time.perf_counter() - started)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look_on)
        yield running
        over.set()
        looking.result()
    print(f"peak {peak(running) / MB:.0f} MB, bystander at worst {slowest[0] * 1000:.0f} ms")
    assert peak(running) < MEMORY
    assert slowest[0] < 10
    assert "Traceback" not in running.log


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.usefixtures("bomb_at_hand")
@pytest.mark.parametrize(
    ("text", "stream"),
    [
        ("bomb", False),
        ("streamed bomb", True),
        ("one line", True),
        ("deep", False),
        ("deep event", True),
        ("long", False),
        ("long stream", True),
    ],
)
def test_an_answer_that_is_too_much_is_not_stored(
    proxy: Program, both: tuple[Program, Upstream, str], text: str, stream: bool
) -> None:
    """Whether the client gets it as it came or an error says why: it is not kept, and stands in the log."""
    store = both[2]
    [(before,)] = rows(store, "SELECT coalesce(max(id), 0) FROM calls")
    received = 0
    with httpx.Client(trust_env=False, timeout=120) as client, contextlib.suppress(httpx.HTTPError):
        url = f"{proxy.base_url}/chat/completions"
        with client.stream("POST", url, json=question(text, stream=stream)) as response:
            for piece in response.iter_raw():
                received += len(piece)
    assert received or text == "streamed bomb", "not a line of which was complete"
    found = "SELECT outcome, reason FROM calls WHERE outcome NOT IN ('hit', 'recorded') AND id > ?"
    assert eventually(lambda: rows(store, found, before))
    [(outcome, reason), *_] = rows(store, found, before)
    assert outcome in {"failed", "passed"}
    assert reason


LARGE = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}'


@pytest.mark.long
@pytest.mark.alone
def test_a_request_of_ten_thousand_levels_is_forwarded_as_it_is(
    proxy: Program, both: tuple[Program, Upstream, str]
) -> None:
    upstream = both[1]
    with httpx.Client(trust_env=False, timeout=120) as client:
        response = client.post(f"{proxy.base_url}/chat/completions", content=DEEP)
    assert response.headers["cache-status"] == "chatreel; fwd=bypass; detail=unkeyable"
    assert DEEP in {call.body for call in upstream.calls}


@pytest.mark.long
@pytest.mark.alone
def test_a_request_larger_than_is_taken_is_refused(proxy: Program) -> None:
    with httpx.Client(trust_env=False, timeout=120) as client:
        response = client.post(f"{proxy.base_url}/chat/completions", content=LARGE % (b"x" * (70 * MB)))
    assert response.status_code == 413


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize(
    ("make", "stored"),
    [
        (lambda: LARGE % (b"x" * (27 * MB)), True),
        (lambda: LARGE % base64.b64encode(random.Random(7).randbytes(20 * MB)), True),
        (lambda: LARGE % (b"x" * (63 * MB)), False),
        (lambda: b'{"model":"m","messages":[%s]}' % b",".join([b'{"role":"user","content":"a"}'] * 190_000), True),
        (lambda: b'{"model":"m","messages":[%s]}' % b",".join([b'{"role":"user","content":"a"}'] * 300_000), False),
        (lambda: b'{"model":"m","messages":[],"x":[%s]}' % b",".join([b"{}"] * 10_000_000), False),
    ],
    ids=["large", "large and random", "larger", "many messages", "more messages", "ten million values"],
)
def test_a_large_request_is_recorded_or_passed_on_in_bounded_memory(
    upstream: Upstream, store: str, make: Callable[[], bytes], stored: bool
) -> None:
    """One after the other at a proxy of its own, as memory that was taken stays taken."""
    content = make()
    with (
        running_chatreel("--upstream", upstream.url, "--store", store, "--mode", "cache") as proxy,
        httpx.Client(trust_env=False, timeout=240) as client,
    ):
        upstream.reply_with(completion("That was long."))
        before = peak(proxy)
        response = client.post(f"{proxy.base_url}/chat/completions", content=content)
        assert response.status_code == 200
        print(f"{len(content) / MB:.0f} MB: before {before / MB:.0f} MB, peak {peak(proxy) / MB:.0f} MB")
        said = "chatreel; fwd=miss; stored" if stored else "chatreel; fwd=bypass; detail=unkeyable"
        assert response.headers["cache-status"].startswith(said)
        assert upstream.calls[-1].body == content
        assert peak(proxy) < MEMORY


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("size", [60 * MB, 27 * MB, 8 * MB])
def test_large_requests_at_once_wait_for_each_other_in_bounded_memory(
    upstream: Upstream, store: str, size: int
) -> None:
    """All of them are served, and small ones meanwhile."""
    with (
        running_chatreel("--upstream", upstream.url, "--store", store, "--mode", "cache") as proxy,
        ThreadPoolExecutor(8) as clients,
    ):
        upstream.reply_with(completion("That was long."))
        ask(proxy.base_url, question("bystander"))
        before = peak(proxy)

        def send(number: int) -> int:
            with httpx.Client(trust_env=False, timeout=240) as client:
                content = LARGE % (b"%d" % number + b"x" * size)
                return client.post(f"{proxy.base_url}/chat/completions", content=content).status_code

        sending = [clients.submit(send, number) for number in range(8)]
        small = 0
        while not all(one.done() for one in sending):
            assert ask(proxy.base_url, question("bystander")).headers["cache-status"].startswith("chatreel; hit")
            small += 1
        assert [one.result() for one in sending] == [200] * 8
        print(f"8 of {size / MB:.0f} MB: before {before / MB:.0f} MB, peak {peak(proxy) / MB:.0f} MB, {small} small")
        assert small > 3
        assert peak(proxy) < MEMORY


TIGHT = "import chatreel.engine.bodies as b\nb.PATIENCE = %f\nfrom chatreel.cli import main\nmain()"


@contextlib.contextmanager
def tight(upstream: Upstream, store: str, patience: float = 60.0) -> Iterator[tuple[Program, threading.Event]]:
    """A proxy that holds one large body at a time, and what keeps the upstream from answering it."""
    gate = threading.Event()
    small = len(LARGE) + 100
    upstream.reply_by(lambda asked: Reply(hold=gate) if len(asked.body) > small else echo(asked))
    command = (sys.executable, "-c", TIGHT % patience, "serve")
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache", "--max-bodies", "3MiB")
    with running_chatreel(*flags, command=command) as proxy:
        try:
            yield proxy, gate
        finally:
            gate.set()


def send_large(proxy: Program, text: str, timeout: float = 60) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.post(f"{proxy.base_url}/chat/completions", content=LARGE % (text.encode() * 400_000))


def test_a_large_request_waits_for_another_and_small_ones_for_nobody(upstream: Upstream, store: str) -> None:
    """One whose client has left takes no room."""
    with tight(upstream, store) as (proxy, gate), ThreadPoolExecutor(2) as clients:
        with socket.create_connection(address_of(proxy), timeout=30) as leaves:
            leaves.sendall(HEAD + b"content-length: 3000000\r\n\r\n" + b"x" * 2_500_000)
        first = clients.submit(send_large, proxy, "first")
        upstream.wait_for_calls(1)
        second = clients.submit(send_large, proxy, "other")
        for _ in range(10):
            assert ask(proxy.base_url, question("small")).is_success
        assert not second.done()
        assert len(upstream.calls) == 2, "the large one, and the small one once"
        gate.set()
        assert (first.result().status_code, second.result().status_code) == (200, 200)
    assert len(upstream.calls) == 3


def test_one_whose_client_leaves_while_it_waits_gives_its_share_back(upstream: Upstream, store: str) -> None:
    with tight(upstream, store, patience=20) as (proxy, gate), ThreadPoolExecutor(1) as clients:
        first = clients.submit(send_large, proxy, "first")
        upstream.wait_for_calls(1)
        with socket.create_connection(address_of(proxy), timeout=1) as leaves:
            leaves.sendall(HEAD + b"content-length: %d\r\n\r\n" % (60 * MB))
            with pytest.raises(TimeoutError):  # nobody reads it
                leaves.sendall(b"x" * (60 * MB))
        gate.set()
        assert first.result().status_code == 200
        assert [send_large(proxy, text).status_code for text in ("other", "third")] == [200, 200]


@pytest.mark.long
def test_a_large_request_that_has_waited_too_long_is_told_to_come_again(upstream: Upstream, store: str) -> None:
    with tight(upstream, store, patience=0.3) as (proxy, gate), ThreadPoolExecutor(1) as clients:
        first = clients.submit(send_large, proxy, "first")
        upstream.wait_for_calls(1)
        late = send_large(proxy, "other")
        assert (late.status_code, error_of(late)["code"]) == (503, "chatreel_no_room")
        assert late.headers["retry-after"] == "5"
        assert "x-should-retry" not in late.headers
        gate.set()
        assert first.result().status_code == 200
        assert send_large(proxy, "other").status_code == 200, "once there is room"


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.usefixtures("bomb_at_hand")
def test_a_compressed_request_that_is_too_much_is_refused(proxy: Program) -> None:
    with httpx.Client(trust_env=False, timeout=120) as client:
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        response = client.post(f"{proxy.base_url}/chat/completions", content=bomb(), headers=headers)
    assert response.status_code == 400
    assert "holds more than 67,108,864 bytes" in error_of(response)["message"]


def address_of(proxy: Program) -> tuple[str, int]:
    host, _, port = proxy.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
    return host, int(port)


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n"


def refused(connection: socket.socket) -> int:
    """The status of what the proxy says before it closes."""
    status = int(read_head(connection).split()[1])
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return status


@pytest.mark.parametrize("line", [b"x-filler: " + b"a" * 1000 + b"\r\n", b"a" * 1000], ids=["many headers", "one line"])
def test_a_head_without_an_end_is_a_431(proxy: Program, line: bytes) -> None:
    with socket.create_connection(address_of(proxy), timeout=30) as connection:
        connection.sendall(HEAD + line * 70)
        assert refused(connection) == 431


def test_a_head_that_is_too_large_is_a_431_though_its_end_is_there(proxy: Program) -> None:
    with socket.create_connection(address_of(proxy), timeout=30) as connection:
        connection.sendall(HEAD + b"x-filler: " + b"a" * 64 * 1024 + b"\r\ncontent-length: 2\r\n\r\n{}")
        assert refused(connection) == 431


def test_headers_of_a_usual_size_pass(proxy: Program) -> None:
    assert ask(proxy.base_url, question("filled"), x_filler="a" * 60_000).status_code == 200


def test_what_is_sent_ahead_of_an_answer_is_bounded(both: tuple[Program, Upstream, str]) -> None:
    """A client that pipelines without an end while its first request waits."""
    held = threading.Event()
    proxy, upstream, _ = both
    upstream.reply_by(lambda _asked: Reply(hold=held))
    try:
        with socket.create_connection(address_of(proxy), timeout=30) as connection:
            body = b'{"model":"m","messages":[{"role":"user","content":"wait"}]}'
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            with pytest.raises(ConnectionError):
                connection.sendall(b"GET / HTTP/1.1\r\n" * 4_000_000)
    finally:
        held.set()
        upstream.reply_by(reply)


def short_of_patience(what: str) -> tuple[str, ...]:
    """A proxy that takes its time for nothing of the kind."""
    planted = f"import chatreel.engine.heads as h\nh.{what} = 0.3\nfrom chatreel.cli import main\nmain()"
    return (sys.executable, "-c", planted, "serve")


def test_who_was_refused_may_go_on_sending(proxy: Program) -> None:
    """A reset might take away the answer that says why."""
    with socket.create_connection(address_of(proxy), timeout=30) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        assert refused(connection) == 400
        assert can_send(connection)
        assert can_send(connection), "the first one was not answered with a reset"
    assert "Traceback" not in proxy.log


def test_who_was_refused_and_goes_on_sending_is_left_after_a_while(upstream: Upstream, store: str) -> None:
    flags = ("--upstream", upstream.url, "--store", store)
    with (
        running_chatreel(*flags, command=short_of_patience("LINGER")) as proxy,
        socket.create_connection(address_of(proxy), timeout=30) as connection,
    ):
        connection.sendall(b"GARBAGE\r\n\r\n")
        assert refused(connection) == 400
        assert eventually(lambda: not can_send(connection))
        assert "Traceback" not in proxy.log


def can_send(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x" * 100_000)
    except ConnectionError:
        return False
    return True


def test_a_head_that_takes_too_long_is_a_408_and_a_connection_that_is_idle_is_not_slow(
    upstream: Upstream, store: str
) -> None:
    """Between two requests it may be idle for longer than a head may take, as the other one shows."""
    command = short_of_patience("HEAD_SECONDS")
    with (
        running_chatreel("--upstream", upstream.url, "--store", store, command=command) as proxy,
        socket.create_connection(address_of(proxy), timeout=30) as idle,
    ):
        served(idle)
        with socket.create_connection(address_of(proxy), timeout=30) as slow:
            slow.sendall(HEAD)
            assert refused(slow) == 408
        served(idle)


def served(connection: socket.socket) -> None:
    """A request is answered, to its end."""
    connection.sendall(b"GET /_chatreel/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    head = read_head(connection)
    assert head.startswith(b"HTTP/1.1 200")
    [length] = re.findall(rb"content-length: (\d+)", head)
    exactly(connection, int(length))


def test_more_connections_than_are_served_get_a_503_and_their_turn_when_others_leave(
    upstream: Upstream, store: str
) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--mode", "cache", "--max-connections", "3")
    with running_chatreel(*flags) as proxy:
        waiting = [socket.create_connection(address_of(proxy), timeout=30) for _ in range(3)]
        for connection in waiting:  # counted once it is being read
            connection.sendall(b"GET /_chatreel/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert read_head(connection).startswith(b"HTTP/1.1 200")
        refused_one = ask(proxy.base_url, question())
        assert refused_one.status_code == 503
        assert error_of(refused_one)["code"] == "chatreel_too_many_connections"
        assert refused_one.headers["retry-after"] == "1"
        for connection in waiting:
            connection.close()
        assert eventually(lambda: ask(proxy.base_url, question()).status_code == 200)


@pytest.mark.long
@pytest.mark.alone
def test_two_hundred_slow_clients_leave_the_latency_of_others_within_twice_its_value(
    both: tuple[Program, Upstream, str],
) -> None:
    """Each sends a byte of its head every 50 ms or so: 4,000 of them a second."""
    proxy = both[0]
    begun, over = threading.Event(), threading.Event()

    def median() -> float:
        with http_client(proxy.base_url) as client:
            client.post("chat/completions", json=question("slow ones"))
            return statistics.median(_timed(client) for _ in range(300))

    def dribble() -> None:
        slow = [socket.create_connection(address_of(proxy), timeout=30) for _ in range(200)]
        for connection in slow:
            connection.sendall(HEAD + b"x-slow: ")
        begun.set()
        while not over.wait(0.05):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")
        for connection in slow:
            connection.close()

    alone = median()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(dribble)
        try:
            assert begun.wait(60)
            beside = median()  # on a connection that is taken after theirs
        finally:
            over.set()
        slow.result()
    print(f"median alone {alone * 1000:.2f} ms, beside 200 slow clients {beside * 1000:.2f} ms")
    assert beside < 2 * alone


def _timed(client: httpx.Client) -> float:
    started = time.perf_counter()
    assert client.post("chat/completions", json=question("slow ones")).status_code == 200
    return time.perf_counter() - started
