"""The fast path answers as the engine does, to the byte, or leaves the call to it."""

import json
import random
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.calls import ask, http_client, question
from support.database import rows
from support.program import Program, running_chatreel
from support.replies import dumps
from support.sessions import Sessions
from support.upstream import Upstream
from support.waiting import eventually

PLANTED = """
import sys
from chatreel.engine.fast_path import FastPath, Line
from chatreel.cli import main

ordinary, release = FastPath.answer, Line.release

def counted(self, opened, body, context):
    answer = ordinary(self, opened, body, context)
    print("AT ONCE" if answer else "LEFT", file=sys.stderr, flush=True)
    return answer

def said(self):
    if self.holds and len(self._held) < self._awaited:
        print("GIVEN UP", file=sys.stderr, flush=True)
    return release(self)

FastPath.answer, Line.release = counted, said
main()
"""
COUNTED = (sys.executable, "-c", PLANTED, "serve")

LOG = (
    "SELECT outcome, status, key, take, model, stream, mode, tags, session_name, reason, tenant FROM calls "
    "ORDER BY started_at, id"
)
"""What has to be in the log alike; times and ids are not."""


@dataclass
class Two:
    """Two proxies that differ in nothing but the fast path, in front of one upstream."""

    upstream: Upstream
    fast: Program
    slow: Program
    stores: tuple[str, str]

    def sent(self, script: "Script") -> tuple[list[bytes], list[bytes]]:
        """What each answers to a script, less what differs from call to call, and then what it asked the upstream."""
        return self._sent(self.fast, script), self._sent(self.slow, script)

    def _sent(self, proxy: Program, script: "Script") -> list[bytes]:
        before = len(self.upstream.calls)
        answers = script.play(proxy)
        return [*answers, *(call.body for call in self.upstream.calls[before:])]


@dataclass
class Script:
    """What a client sends on one connection."""

    parts: list[bytes] = field(default_factory=list)
    """Each is sent by itself; an empty one waits until an answer is there."""

    def play(self, proxy: Program) -> list[bytes]:
        """The answers. The last request has the connection closed, and so has whatever may become of it."""
        host = urlsplit(proxy.base_url)
        with socket.create_connection((host.hostname, host.port), timeout=20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = Answers(connection)
            with suppress(ConnectionError):
                for part in self.parts:
                    if part:
                        connection.sendall(part)
                    else:
                        answers.next()
                connection.sendall(LAST)
            got = answers.all()
        return [_comparable(answer) for answer in re.split(rb"(?=HTTP/1\.1 \d\d\d )", got) if answer]


@dataclass
class Answers:
    """What comes on a connection, answer by answer. All of ours say how long they are, or end in the last chunk."""

    connection: socket.socket
    got: bytes = b""
    read: int = 0
    """Bytes of it that were asked for."""

    def next(self) -> bytes:
        """Wait until one more is whole, or until the end."""
        begin = self.read
        while not (size := _size(self.got[begin:])) and self._receive():
            pass
        self.read = begin + size if size else len(self.got)
        return self.got[begin : self.read]

    def all(self) -> bytes:
        """Wait for the end; all that there was."""
        while self._receive():
            pass
        return self.got

    def _receive(self) -> bool:
        data = b""
        with suppress(ConnectionError):
            data = self.connection.recv(65536)
        self.got += data
        return bool(data)


def _size(got: bytes) -> int:
    """Bytes of the answer that begins here; 0 if it is not whole yet."""
    head, end, body = got.partition(b"\r\n\r\n")
    before = len(head) + len(end)
    if not end:
        return 0
    if head.startswith(b"HTTP/1.1 100"):
        size = _size(body)
        return before + size if size else 0
    if length := re.search(rb"(?i)content-length: (\d+)", head):
        return before + int(length[1]) if len(body) >= int(length[1]) else 0
    last = body.find(LAST_CHUNK) + len(LAST_CHUNK)
    return before + last if last >= len(LAST_CHUNK) else 0


def _comparable(answer: bytes) -> bytes:
    """Less what differs: how old it is, and how a body is cut, which is how the reads of an upstream happen to fall."""
    head, end, body = re.sub(rb"(?im)^(age|date): .*\r\n", b"", answer).partition(b"\r\n\r\n")
    return head + end + (_joined(body) if b"transfer-encoding: chunked" in head else body)


def _joined(chunks: bytes) -> bytes:
    """All chunks as one, what follows them behind it: the last chunk, or something that is none, or nothing."""
    joined = b""
    while (size := re.match(rb"([1-9a-f][0-9a-f]*)\r\n", chunks)) is not None:
        begin, end = size.end(), size.end() + int(size[1], 16)
        if chunks[end : end + 2] != b"\r\n":
            break
        joined, chunks = joined + chunks[begin:end], chunks[end + 2 :]
    return b"%x\r\n%b\r\n%b" % (len(joined), joined, chunks)


LAST_CHUNK = b"\r\n0\r\n\r\n"
BODY = dumps(question("recorded"))
SPELLED = json.dumps(dict(reversed(question("recorded").items())), indent=1).encode()
"""The same call in other bytes."""
STREAM = dumps(question("recorded as a stream", stream=True))


def request(body: bytes = BODY, *more: bytes, line: bytes = b"POST /v1/chat/completions HTTP/1.1") -> bytes:
    """A request; `more` are headers besides those that it needs."""
    return b"\r\n".join([line, b"host: h", b"content-length: %d" % len(body), *more, b"", body])


LAST = request(BODY, b"connection: close")


def chunked(body: bytes = BODY, *more: bytes) -> bytes:
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:7], body[7:])) + b"0\r\n\r\n"
    head = (b"POST /v1/chat/completions HTTP/1.1", b"host: h", b"transfer-encoding: chunked", *more, b"", b"")
    return b"\r\n".join(head) + pieces


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    stores = [str(tmp_path_factory.mktemp("store") / "store.db") for _ in range(2)]
    with Upstream() as upstream:
        flags = ("--upstream", upstream.url, "--mode", "cache", "--store")
        with (
            running_chatreel(*flags, stores[0], "--fast-path", command=COUNTED) as fast,
            running_chatreel(*flags, stores[1], "--no-fast-path") as slow,
        ):
            for proxy in (fast, slow):
                for asked in (question("recorded"), question("recorded as a stream", stream=True)):
                    assert ask(proxy.base_url, asked).status_code == 200
            yield Two(upstream, fast, slow, (stores[0], stores[1]))


def taken(proxy: Program) -> int:
    """Calls that the fast path has answered."""
    return proxy.log.count("AT ONCE")


ODD = {
    "plain": request(),
    "a stream": request(STREAM),
    "the other form": request(dumps(question("recorded", stream=True))),
    "spelled otherwise": request(SPELLED),
    "upper case": request().replace(b"host", b"HOST").replace(b"content-length", b"CONTENT-LENGTH"),
    "spaces around values": request(BODY, b"x-spaces:   many \t "),
    "no space": request().replace(b"host: h", b"host:h"),
    "a tag": request(BODY, b"x-chatreel-tag: suite=fast"),
    "two tags": request(BODY, b"x-chatreel-tag: a=1", b"X-Chatreel-Tag: b=2"),
    "only if cached": request(BODY, b"cache-control: only-if-cached"),
    "two cache-controls": request(BODY, b"cache-control: max-age=100000", b"cache-control: only-if-cached"),
    "malformed cache-control": request(BODY, b"cache-control: max-age=soon"),
    "pragma": request(BODY, b"pragma: no-cache"),
    "too old": request(BODY, b"cache-control: max-age=0, only-if-cached"),
    "no store": request(BODY, b"cache-control: no-store"),
    "a miss, refused": request(dumps(question("never asked")), b"cache-control: only-if-cached"),
    "expect": request(BODY, b"expect: 100-continue"),
    "expect, upper case": request(BODY, b"Expect: 100-Continue"),
    "chunked": chunked(),
    "chunked and a length": chunked(BODY, b"content-length: %d" % len(BODY)),
    "a length and chunked": request(BODY, b"transfer-encoding: chunked"),
    "encoding in a list": request(BODY, b"transfer-encoding: identity, chunked"),
    "two lengths": request(BODY, b"content-length: %d" % len(BODY)),
    "two lengths that differ": request(BODY, b"content-length: 3"),
    "two lengths, one line": request().replace(b"content-length: ", b"content-length: 3, "),
    "a length with a sign": request().replace(b"content-length: ", b"content-length: +"),
    "a length with zeros": request().replace(b"content-length: ", b"content-length: 00"),
    "a length in hexadecimal": request().replace(b"content-length: ", b"content-length: 0x"),
    "no length": request().replace(b"content-length", b"x-length"),
    "too short": request()[:-3],
    "a space before the colon": request().replace(b"content-length:", b"content-length :"),
    "a name that is none": request(BODY, b"x(y): 1"),
    "a line without a colon": request(BODY, b"nothing"),
    "a continued line": request(BODY, b"x-long: one", b" two"),
    "bare line feeds": request().replace(b"\r\n", b"\n"),
    "a bare carriage return": request(BODY, b"x: a\rb"),
    "a null": request(BODY, b"x: a\0b"),
    "bytes that are no text": request(BODY, b"x: \xff\xfe"),
    "no host": request().replace(b"host: h\r\n", b""),
    "two hosts": request(BODY, b"host: other"),
    "HTTP/1.0": request(line=b"POST /v1/chat/completions HTTP/1.0"),
    "HTTP/1.0 that stays": request(BODY, b"connection: keep-alive", line=b"POST /v1/chat/completions HTTP/1.0"),
    "HTTP/1.2": request(line=b"POST /v1/chat/completions HTTP/1.2"),
    "HTTP/3.0": request(line=b"POST /v1/chat/completions HTTP/3.0"),
    "close": request(BODY, b"connection: close"),
    "keep-alive": request(BODY, b"Connection: Keep-Alive"),
    "close in a list": request(BODY, b"connection: foo, close"),
    "an upgrade": request(BODY, b"connection: upgrade", b"upgrade: h2c"),
    "another method": request(line=b"PUT /v1/chat/completions HTTP/1.1"),
    "lower case method": request(line=b"post /v1/chat/completions HTTP/1.1"),
    "absolute form": request(line=b"POST http://h/v1/chat/completions HTTP/1.1"),
    "another path": request(line=b"POST /v1/embeddings HTTP/1.1"),
    "a path of ours": request(line=b"POST /_chatreel/chat/completions HTTP/1.1"),
    "no such session": request(line=b"POST /_chatreel/s/none/v1/chat/completions HTTP/1.1"),
    "a query": request(line=b"POST /v1/chat/completions?api-version=1 HTTP/1.1"),
    "two spaces": request(line=b"POST  /v1/chat/completions HTTP/1.1"),
    "no JSON": request(b'{"messages"'),
    "no key": request(b'{"model":"m","model":"n","messages":[]}'),
    "a large head": request(BODY, b"x-large: " + b"a" * 30_000),
    "a head that is too large": request(BODY, b"x-large: " + b"a" * 70_000),
    "compressed": request(BODY, b"content-encoding: gzip"),
    "encoded as itself": request(BODY, b"content-encoding: identity"),
    "another key of the API": request(BODY, b"authorization: Bearer sk-other"),
}
"""Requests in all manners, by what is odd about them."""


@pytest.mark.long
@pytest.mark.parametrize("what", ODD)
def test_a_request_is_answered_as_the_engine_answers_it(two: Two, what: str) -> None:
    """Between two hits on one connection, so that what is left of it would be seen."""
    fast, slow = two.sent(Script([request(), b"", request(), b"", request(), b"", ODD[what], request(STREAM)]))
    assert len(fast) >= 3
    assert fast == slow


def test_hits_are_taken_and_misses_are_left(two: Two) -> None:
    before = taken(two.fast), two.fast.log.count("LEFT")
    for proxy in (two.fast, two.slow):  # both, that their stores hold the same
        with http_client(proxy.base_url) as client:
            for _ in range(5):
                assert client.post("chat/completions", content=BODY).status_code == 200
            assert client.post("chat/completions", json=question("new to it")).status_code == 200
    assert (taken(two.fast), two.fast.log.count("LEFT")) == (before[0] + 5, before[1] + 1)


def test_a_request_split_anywhere_is_answered_whole(two: Two) -> None:
    whole = request(BODY, b"authorization: Bearer sk-1")
    expected, _last = Script([whole]).play(two.slow)
    parts: list[bytes] = []
    for cut in range(1, len(whole)):
        parts += [whole[:cut], whole[cut:], b""]
    before = taken(two.fast)
    assert Script(parts).play(two.fast)[:-1] == [expected] * (len(whole) - 1)
    # All but the few that came when the store had to be looked at again, which others do.
    assert taken(two.fast) - before > 0.9 * (len(whole) - 1)


def test_requests_sent_ahead_are_answered_in_their_order(two: Two) -> None:
    ahead = [request(), request(STREAM), request(dumps(question("asked ahead"))), request(), request(STREAM)] * 12
    fast, slow = two.sent(Script([b"".join(ahead)]))
    assert len([answer for answer in fast if answer.startswith(b"HTTP")]) == len(ahead) + 1
    assert fast == slow


def test_a_beginning_that_does_not_go_on_is_the_engines(two: Two) -> None:
    """It is held back for a second; then the engine has it, and the rest when that comes."""
    cut = len(request()) - 10
    host = urlsplit(two.fast.base_url)
    before = taken(two.fast)
    for shortcut in (False, True):
        with socket.create_connection((host.hostname, host.port), timeout=20) as connection:
            answers = Answers(connection)
            for _ in range(3 * shortcut):
                connection.sendall(request())
                assert answers.next().endswith(b"}")
            given_up = two.fast.log.count("GIVEN UP")
            connection.sendall(request()[:cut])
            assert eventually(lambda given_up=given_up: two.fast.log.count("GIVEN UP") > given_up)  # type: ignore[misc]
            connection.sendall(request()[cut:])
            assert answers.next().endswith(b"}")
    assert taken(two.fast) == before + 3, "the two that were held back were not answered at once"


def test_a_client_that_ends_its_side_behind_a_hit_gets_its_answer(two: Two) -> None:
    host = urlsplit(two.fast.base_url)
    with socket.create_connection((host.hostname, host.port), timeout=20) as connection:
        answers = Answers(connection)
        for _ in range(3):
            connection.sendall(request())
            expected = answers.next()
        connection.sendall(request())
        connection.shutdown(socket.SHUT_WR)
        assert _comparable(answers.next()) == _comparable(expected)
        assert answers.next() == b"", "that was the end"


def test_a_client_that_reads_nothing_costs_no_memory_without_bound(two: Two) -> None:
    """Its answers are left to the engine, which stops reading what it sends, or hangs up on so much of it."""
    host = urlsplit(two.fast.base_url)
    sent = 0
    with socket.create_connection((host.hostname, host.port), timeout=3) as connection, suppress(OSError):
        while sent < 64_000_000:
            connection.sendall(request() * 10)
            sent += len(request()) * 10
    assert sent < 64_000_000
    assert ask(two.fast.base_url, question("recorded")).status_code == 200


@pytest.mark.parametrize("mode", ["replay", "cache"])
def test_a_session_counts_its_turns(two: Two, mode: str, tmp_path: Path) -> None:
    """Takes in order, then the last one again, each named in the verdict."""
    verdicts = []
    for proxy in (two.fast, two.slow):
        sessions = Sessions.of(proxy)
        cassette = str(tmp_path / f"{id(proxy)}.json")
        with sessions.opened(mode="record", cassette=cassette) as session:
            recorded = [ask(session["base_url"], question("turns"), cache_control="no-cache").content for _ in range(3)]
        session = sessions.open(mode=mode, cassette=cassette, repeats="strict")
        with http_client(session["base_url"]) as client:
            answers = [client.post("chat/completions", json=question("turns")) for _ in range(4)]
        assert [answer.content for answer in answers[:3]] == recorded
        calls = [(call["outcome"], call["take"], call["status"]) for call in sessions.calls(session)]
        verdicts.append((calls, sessions.close(session)["outcomes"]))
    assert verdicts[0] == verdicts[1]
    assert [take for _, take, _ in verdicts[0][0][:3]] == [1, 2, 3]


def test_a_hit_that_comes_again_is_decided_anew_once_anything_has_changed(two: Two) -> None:
    """What was asked for, how it is spelled, what is recorded, and whose call it is."""
    told = [_told(proxy) for proxy in (two.fast, two.slow)]
    assert told[0] == told[1]
    assert {status for status, _, _ in told[0]} == {200, 504}


CHANGES = (
    ("x-nothing", ""),
    ("x-chatreel-tag", "suite=again"),
    ("cache-control", "max-age=0, only-if-cached"),
    ("cache-control", "max-age=100000"),
    ("cache-control", "no-cache"),  # one take more, but for `replay`
    ("x-nothing", ""),
)


def _told(proxy: Program) -> list[tuple[int, str, int]]:
    """Status and `Cache-Status` of answers to calls that are nearly the same; and which body, by its first coming."""
    said: list[tuple[int, str, int]] = []
    seen: dict[bytes, int] = {}
    sessions = Sessions.of(proxy)

    def say(client: httpx.Client, body: bytes, name: str, value: str) -> None:
        found = client.post("chat/completions", content=body, headers={name: value})
        number = seen.setdefault(found.content, len(seen)) if found.is_success else -1
        said.append((found.status_code, found.headers["cache-status"], number))

    with (
        sessions.opened(mode="cache") as one,
        sessions.opened(mode="cache", repeats="strict") as strict,
        sessions.opened(mode="replay", max_age="1h") as fresh,
    ):
        urls = (proxy.base_url, one["base_url"], strict["base_url"], fresh["base_url"], proxy.base_url, one["base_url"])
        for number, url in enumerate(urls):
            asked = f"comes again {number // 4}"
            bodies = [dumps(question(asked)), dumps(question(asked, stream=True)), dumps(question(asked))]
            bodies[2] = json.dumps(dict(reversed(json.loads(bodies[0]).items())), indent=1).encode()
            with http_client(url) as client:
                for change in CHANGES:
                    for body in bodies:
                        for _ in range(2):
                            say(client, body, "x-nothing", "")
                        say(client, body, *change)
    return said


def test_a_paced_stream_is_left_to_the_engine(two: Two) -> None:
    before = taken(two.fast)
    with Sessions.of(two.fast).opened(pace="recorded") as session:
        assert ask(session["base_url"], question("recorded as a stream", stream=True)).status_code == 200
    assert taken(two.fast) == before


def test_a_token_is_asked_for(two: Two) -> None:
    token = "a-token-of-the-tests"
    flags = ("--upstream", two.upstream.url, "--mode", "replay", "--store", two.stores[0], "--token", token)
    with running_chatreel(*flags, "--fast-path", command=COUNTED) as proxy, http_client(proxy.base_url) as client:
        for _ in range(3):
            assert client.post("chat/completions", content=BODY).status_code == 401
            headers = {"authorization": f"Bearer {token}:sk-1"}
            assert client.post("chat/completions", content=BODY, headers=headers).status_code == 200
        assert taken(proxy) == 3


def scripts(seed: int, count: int) -> Iterator[Script]:
    """Requests in all manners, one behind the other, cut anywhere, waited for or not."""
    rng = random.Random(seed)
    plain = [
        ODD[name]
        for name in (
            "plain",
            "spelled otherwise",
            "a stream",
            "the other form",
            "keep-alive",
            "a tag",
            "only if cached",
        )
    ]
    for number in range(count):
        asked = []
        for place in range(rng.randrange(1, 7)):
            new = request(dumps(question(f"new {seed} {number} {place}", stream=rng.random() < 0.5)))
            asked.append(rng.choice([*plain, new, rng.choice([*ODD.values()])]))
        parts = []
        for one in asked:
            cuts = sorted({rng.randrange(1, len(one)) for _ in range(rng.choice((0, 0, 1, 2, 5)))})
            parts += [one[start:end] for start, end in zip([0, *cuts], [*cuts, len(one)], strict=True)]
            parts += [b""] * rng.randrange(2 if one != ODD["too short"] else 1)  # nobody answers that by itself
        if rng.random() < 0.3:
            parts = [b"".join(parts)]
        yield Script([part for number, part in enumerate(parts) if part or number])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_client_sends_both_answer_alike(two: Two, seed: int) -> None:
    for script in scripts(seed, 60):
        fast, slow = two.sent(script)
        assert fast == slow, script.parts
    assert "Traceback" not in two.fast.log + two.slow.log


@pytest.mark.long
def test_both_have_written_the_same_log(two: Two) -> None:
    """Of everything that was asked of both in the same order, in this process."""
    for script in scripts(99, 40):
        two.sent(script)
    for proxy in (two.fast, two.slow):
        proxy.stop()
    logs = [rows(path, LOG) for path in two.stores]
    assert logs[0][-40:] == logs[1][-40:]
