"""Many clients at once, streams and JSON, new questions and old ones; what each of them received to its end."""

import http.client
import random
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chatreel.model import WireForm
from support.calls import question
from support.replies import dumps

CLIENTS = 32

OLD = 0.25
"""Share of questions that were asked before."""

_END = b"data: [DONE]"
_GONE = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Received:
    """An answer that arrived to its end: the last byte of a body, or the `[DONE]` line of a stream."""

    request: bytes
    form: WireForm
    answer: bytes
    status: int
    cache_status: str
    tag: str
    """Of this call alone."""


@dataclass(slots=True)
class MixedLoad:
    """Clients that go on asking until the proxy is gone, or until they are told to stop."""

    base_url: str
    seed: int
    received: list[Received] = field(default_factory=list)
    _enough: threading.Condition = field(default_factory=threading.Condition)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, answers: int, limit: float = 60.0) -> None:
        """Return once so many answers have arrived. Raises `TimeoutError` after `limit` seconds."""
        with self._enough:
            if not self._enough.wait_for(lambda: len(self.received) >= answers, limit):
                raise TimeoutError(f"{len(self.received)} of {answers} answers arrived within {limit} s")

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _client(self, number: int) -> None:
        rng = random.Random(f"{self.seed} {number}")
        asked = calls = 0
        address = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        try:
            while not self._stopped.is_set():
                asked += rng.random() > OLD
                text = f"question {asked} of client {number} in run {self.seed}, {'and so on ' * rng.randint(0, 200)}"
                calls += 1
                tag = f"{self.seed}-{number}-{calls}"
                self._keep(_ask(connection, address.path, text, tag, streams=rng.random() < 0.5))
        except _GONE:
            return  # the proxy was killed: that is what this is about
        finally:
            connection.close()

    def _keep(self, received: Received) -> None:
        with self._enough:
            self.received.append(received)
            self._enough.notify_all()


def _ask(connection: http.client.HTTPConnection, path: str, text: str, tag: str, *, streams: bool) -> Received:
    request = dumps(question(text, stream=streams))
    headers = {"content-type": "application/json", "x-chatreel-tag": f"call={tag}"}
    connection.request("POST", f"{path}/chat/completions", request, headers)
    response = connection.getresponse()
    answer = _read_stream(response) if streams else response.read()
    if streams:
        try:
            response.read()  # what follows the end; a proxy that dies here has kept its word
        except _GONE:
            connection.close()
    form = WireForm.SSE if streams else WireForm.JSON
    return Received(request, form, answer, response.status, response.headers.get("cache-status", ""), tag)


def _read_stream(response: http.client.HTTPResponse) -> bytes:
    answer = b""
    while _END not in answer:
        piece = response.read1(65_536)
        if not piece:
            raise http.client.IncompleteRead(answer)
        answer += piece
    return answer
