"""The load generator, a process of its own: so many clients on kept connections, each answer checked byte by byte.

Run as `python -m hits.load SPEC`, SPEC a `Spec` as JSON; prints a `Measured` as JSON. A wrong answer ends it with an
error: it is no figure. It takes 10 to 20 us for a request, so that two cores are enough for it and a server;
how much of a core it took is part of what it says.
"""

import dataclasses
import json
import os
import re
import select
import socket
import ssl
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from hits.corpus import Call, Form, call

KEY = "sk-made-up-for-the-benchmark"
_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: load\r\nAccept: application/json\r\n"
    "Content-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
    "Content-Length: {length}\r\n\r\n"
)
_LONGEST = 1 << 18
"""Bytes of the longest answer."""
_BLANK = b"\r\n\r\n"
_END = b"0\r\n\r\n"
_SAID = re.compile(rb'"content": ?"([^"\\]*)"')
_CHUNKED = 0
"""In the place of a length: the end says that it is one."""
_BITS = 64
_ALL = (1 << _BITS) - 1
PATIENCE = 30.0
"""Seconds for an answer."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What to do."""

    port: int
    form: Form
    first: int
    """Number of the first call."""
    count: int
    """Calls there are. They come again and again, or once each if there are no `seconds`."""
    clients: int
    seconds: float
    """0: each call once."""
    path: str = "/v1/chat/completions"
    canned: bool = False
    """Whether the server answers everything as if it were call 0."""
    says: str = ""
    """What has to stand in each head."""
    text: bool = False
    """Whether the text of the answer is compared, for servers that make the rest of it anew, and not all bytes."""
    anew: bool = False
    """Whether each request has spaces that no other has: the same call, in bytes that nobody has seen before."""
    through: str = ""
    """`HOST:PORT` behind a proxy, which is asked for a tunnel and speaks TLS in it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    processor: float
    """Of the generator."""


class Client:
    """One connection."""

    def __init__(self, spec: Spec, calls: Sequence[Call], start: int) -> None:
        """Connect; `start`: the place of its first call in `calls`, of which every `spec.clients`-th is its own."""
        self._spec = spec
        self._calls = calls
        self._next = start
        self._says = spec.says.encode()
        self._expected = b""
        self._got = bytearray(_LONGEST)
        """Taken once for all answers: to find room for each would be much of what a generator does."""
        self._room = memoryview(self._got)
        self._size = 0
        """Bytes of the answer that have come."""
        self._length = -1
        self._sent = 0.0
        self.socket = _connected(spec)

    def ask(self) -> bool:
        """Send the next call; whether there is one."""
        if self._next >= len(self._calls):
            if not self._spec.seconds:
                return False
            self._next %= len(self._calls)
        one = self._calls[self._next]
        self._next += self._spec.clients
        self._expected = one.answer
        request = _message(self._spec, _anew(one.request)) if self._spec.anew else one.request
        self._size = 0
        self._length = -1
        self._sent = time.perf_counter()
        self.socket.sendall(request)
        return True

    def read(self) -> float:
        """What has come; the seconds the answer took if it is whole, else 0."""
        with suppress(ssl.SSLWantReadError, BlockingIOError):
            while True:
                size = self.socket.recv_into(self._room[self._size :])
                if not size:
                    raise SystemExit(f"the server has hung up, or says too much, after {self._beginning()!r}")
                self._size += size
                if self._is_whole():
                    return time.perf_counter() - self._sent
        return 0.0

    def _is_whole(self) -> bool:
        if self._length < 0:
            end = self._got.find(_BLANK, 0, self._size)
            if end < 0:
                return False
            head = bytes(self._room[:end]).lower()
            if not head.startswith(b"http/1.1 200") or self._says not in head:
                raise SystemExit(f"a wrong answer: {self._beginning()!r}")
            announced = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._length = end + len(_BLANK) + int(announced) if announced else _CHUNKED
        if self._size < self._length or (self._length == _CHUNKED and not self._ends_with(_END)):
            return False
        if not self._is_right():
            raise SystemExit(f"a wrong body: {self._beginning()!r}")
        return True

    def _is_right(self) -> bool:
        if self._spec.text:
            return _said(bytes(self._room[: self._size])) == _said(self._expected)
        return self._length == self._size and self._ends_with(self._expected)

    def _ends_with(self, end: bytes) -> bool:
        return self._got.endswith(end, 0, self._size)

    def _beginning(self) -> bytes:
        return bytes(self._room[: min(self._size, 900)])


def _calls(spec: Spec) -> list[Call]:
    """As they travel: requests with their heads, unless those are made anew each time, answers from behind theirs."""
    made = [call(spec.form, number) for number in range(spec.first, spec.first + spec.count)]
    canned = call(spec.form, 0).answer if spec.canned else b""
    return [
        Call(one.request if spec.anew else _message(spec, one.request), _BLANK + (canned or one.answer)) for one in made
    ]


def _message(spec: Spec, body: bytes) -> bytes:
    host = (spec.through or f"127.0.0.1:{spec.port}").removesuffix(":443")
    return _HEAD.format(path=spec.path, host=host, key=KEY, length=len(body)).encode() + body


_numbers = count(int.from_bytes(os.urandom(7)))
"""No two generators begin alike."""


def _anew(request: bytes) -> bytes:
    """The same JSON object with a number behind its first brace, its bits spaces and tabs."""
    number = f"{next(_numbers) & _ALL:0{_BITS}b}".translate({ord("0"): " ", ord("1"): "\t"})
    return b"{" + number.encode() + request[1:]


def _said(answer: bytes) -> bytes:
    """The text of an answer, whole or in pieces."""
    return b"".join(_SAID.findall(answer)).strip()


def _connected(spec: Spec) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", spec.port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if spec.through:
        connection.sendall(f"CONNECT {spec.through} HTTP/1.1\r\nHost: {spec.through}\r\n\r\n".encode())
        if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
            raise SystemExit("there is no tunnel")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whoever listens was started by us
        context.set_alpn_protocols(["http/1.1"])
        connection = context.wrap_socket(connection, server_hostname=spec.through.partition(":")[0])
    connection.setblocking(False)
    return connection


def generate(spec: Spec) -> Measured:
    """Do it. Raises `SystemExit` with what was wrong."""
    calls = _calls(spec)
    clients = [Client(spec, calls, start) for start in range(spec.clients)]
    by_number = {client.socket.fileno(): client for client in clients}
    poll = select.epoll()
    latencies: list[float] = []
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    started, worked = time.perf_counter(), time.process_time()
    ends = started + spec.seconds if spec.seconds else float("inf")
    asking = sum(client.ask() for client in clients)
    while asking:
        ready = poll.poll(PATIENCE)
        if not ready:
            raise SystemExit(f"no answer in {PATIENCE} s")
        for number, _ in ready:
            client = by_number[number]
            if took := client.read():
                latencies.append(took)
                asking -= not (time.perf_counter() < ends and client.ask())
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    for client in clients:
        client.socket.close()
    marks = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [*latencies] * 99
    return Measured(len(latencies), seconds, marks[49], marks[98], processor)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    result = generate(Spec(**asked | {"form": Form(asked["form"])}))
    sys.stdout.write(json.dumps(dataclasses.asdict(result)))
