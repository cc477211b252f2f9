"""The client: asks what nobody has asked before, notes when the pieces of the answer come, and checks all of it.

Run as `python -m recording.load SPEC`, SPEC a `Spec` as JSON; prints a `Measured` as JSON. A wrong answer ends it with
an error. Answers are checked after the last one has come: meanwhile it has time for nothing but the clock.
"""

import dataclasses
import json
import select
import socket
import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import TYPE_CHECKING

from hits.corpus import Form, call

from recording import upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: load\r\nAccept: application/json\r\n"
    "Content-Type: application/json\r\nAuthorization: Bearer sk-made-up-for-the-benchmark\r\n"
    "Content-Length: {length}\r\n\r\n"
)
_END = b"0\r\n\r\n"
_PATIENCE = 30.0
"""Seconds for an answer."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What to do."""

    port: int
    form: Form
    first: int
    """Number of the first request; no other process asks it, nor those after it."""
    clients: int
    seconds: float
    pace: int = 0
    """Milliseconds between two events; 0: none."""
    together: bool = False
    """Whether all begin at the same moment, each on a new connection, and again when all are done."""
    says: str = ""
    """What has to stand in each head."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds."""

    requests: int
    seconds: float
    first: float
    """From the request to the first bytes of the body; the median."""
    gap: float
    """Between two pieces; of a hundred one takes longer."""
    processor: float
    """Of the client."""


@dataclass(slots=True)
class Answer:
    """What came, and when."""

    sent: float
    got: bytearray = field(default_factory=bytearray)
    body: int = -1
    """Where the body begins; -1: not yet."""
    pieces: list[float] = field(default_factory=list)

    def add(self, data: bytes, form: Form, length: int) -> bool:
        """Take what has come; whether that was all. `length`: of a body of JSON."""
        self.got += data
        if self.body < 0:
            self.body = self.got.find(b"\r\n\r\n") + 4
            if self.body < 4:
                self.body = -1
                return False
        if len(self.got) > self.body:
            self.pieces.append(time.perf_counter())
        return len(self.got) >= self.body + length if form is Form.JSON else self.got.endswith(_END)

    def check(self, expected: bytes, says: str) -> None:
        """Raises `SystemExit` if it is wrong."""
        head = bytes(self.got[: self.body]).lower()
        if not head.startswith(b"http/1.1 200") or says.encode() not in head:
            raise SystemExit(f"a wrong answer: {bytes(self.got[:900])!r}")
        body = bytes(self.got[self.body :])
        if b"transfer-encoding: chunked" in head:
            body = _joined(body)
        if body != expected:
            raise SystemExit(f"a wrong body, {len(body)} bytes for {len(expected)}: {body[-900:]!r}")


def _joined(chunked: bytes) -> bytes:
    """A body without its framing."""
    parts, at = [], 0
    while size := int(chunked[at : (end := chunked.index(b"\r\n", at))], 16):
        parts.append(chunked[end + 2 : end + 2 + size])
        at = end + 4 + size
    return b"".join(parts)


class Load:
    """All clients."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._numbers = count(spec.first)
        self._request = call(spec.form, 0).request
        self._expected = upstream.JSON if spec.form is Form.JSON else upstream.said(paced=bool(spec.pace))
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self._asking: dict[int, Answer] = {}
        self._done: list[Answer] = []

    def run(self) -> Measured:
        """Raises `SystemExit` with what was wrong."""
        self._connect()
        started, worked = time.perf_counter(), time.process_time()
        ends = started + self._spec.seconds
        for number in self._open:
            self._ask(number)
        while self._asking:
            for number in self._finished():
                if not self._spec.together and time.perf_counter() < ends:
                    self._ask(number)
            if not self._asking and self._spec.together and time.perf_counter() < ends:
                self._connect()
                for number in self._open:
                    self._ask(number)
        seconds, processor = time.perf_counter() - started, time.process_time() - worked
        for answer in self._done:
            answer.check(self._expected, self._spec.says)
        firsts = [answer.pieces[0] - answer.sent for answer in self._done]
        gaps = [later - earlier for answer in self._done for earlier, later in pairwise(answer.pieces)]
        gap = statistics.quantiles(gaps, n=100)[98] if len(gaps) > 1 else 0.0
        return Measured(len(self._done), seconds, statistics.median(firsts), gap, processor)

    def _connect(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open = {}
        for _ in range(self._spec.clients):
            connection = socket.create_connection(("127.0.0.1", self._spec.port), _PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            self._open[connection.fileno()] = connection
            self._poll.register(connection, select.EPOLLIN)

    def _ask(self, number: int) -> None:
        body = self._request.replace(b"Question 00000000", b"Question %08d" % next(self._numbers))
        path = "/v1/chat/completions" + (f"?pace={self._spec.pace}" if self._spec.pace else "")
        head = _HEAD.format(path=path, port=self._spec.port, length=len(body)).encode()
        self._asking[number] = Answer(time.perf_counter())
        self._open[number].sendall(head + body)

    def _finished(self) -> "Iterator[int]":
        """Connections whose answer has come to its end by now."""
        ready = self._poll.poll(_PATIENCE)
        if not ready:
            raise SystemExit(f"no answer in {_PATIENCE} s")
        for number, _ in ready:
            with suppress(BlockingIOError):
                data = self._open[number].recv(1 << 18)
                if not data:
                    raise SystemExit(f"the server has hung up after {bytes(self._asking[number].got[:200])!r}")
                if self._asking[number].add(data, self._spec.form, len(self._expected)):
                    self._done.append(self._asking.pop(number))
                    yield number


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    result = Load(Spec(**asked | {"form": Form(asked["form"])})).run()
    sys.stdout.write(json.dumps(dataclasses.asdict(result)))
