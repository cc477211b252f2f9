"""The scripted upstream does what a test says, and its counts can be trusted."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.replies import Reply, Request, answer_to, completion, error, stream
from support.upstream import Upstream

PATH = "/v1/chat/completions"


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


def connect(url: str) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10))


def post(url: str, body: object, path: str = PATH) -> tuple[int, bytes]:
    with connect(url) as connection:
        connection.request("POST", path, json.dumps(body).encode())
        response = connection.getresponse()
        return response.status, response.read()


def events(body: bytes) -> list[Any]:
    """The JSON of each event of a stream that ends with `[DONE]`."""
    *blocks, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


def text_of(chunks: list[Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


def test_keeps_what_arrived(upstream: Upstream) -> None:
    """A call is kept with method, path, query, headers and body as they travelled."""
    with connect(upstream.url) as connection:
        connection.putrequest("POST", "//openai/chat/completions?api-version=1&x=a%20b")
        for name, value in [("X-Twice", "a"), ("x-twice", "b"), ("Content-Length", "3")]:
            connection.putheader(name, value)
        connection.endheaders(b"\xff{}")
        connection.getresponse().read()
    (call,) = upstream.calls
    assert (call.method, call.path, call.query) == ("POST", "//openai/chat/completions", "api-version=1&x=a%20b")
    assert (call.headers["x-twice"], call.body) == ("a, b", b"\xff{}")


def test_reads_a_chunked_request(upstream: Upstream) -> None:
    """A request body without a length is kept after transfer decoding, and the connection stays usable."""
    with connect(upstream.url) as connection:
        for _ in range(2):
            connection.request("POST", PATH, iter([b"one", b"two"]), encode_chunked=True)
            connection.getresponse().read()
    assert [call.body for call in upstream.calls] == [b"onetwo", b"onetwo"]
    assert upstream.connections == 1


def test_a_request_cut_short_is_no_call(upstream: Upstream) -> None:
    """What did not arrive whole is not kept as a call, and is no mistake of the script either."""
    with socket.create_connection(("127.0.0.1", urlsplit(upstream.url).port or 0)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert (upstream.calls, upstream.connections) == ([], 1)


def test_counts_connections_not_calls(upstream: Upstream) -> None:
    """Two calls on one kept connection and two on connections of their own are three connections."""
    with connect(upstream.url) as connection:
        for _ in range(2):
            connection.request("POST", PATH, json.dumps(asking("hi")))
            connection.getresponse().read()
    post(upstream.url, asking("hi"))
    post(upstream.url, asking("hi"))
    assert (upstream.connections, len(upstream.calls)) == (3, 4)
    assert [call.connection for call in upstream.calls] == [1, 1, 2, 3]


def test_counts_connections_that_say_nothing(upstream: Upstream) -> None:
    """A connection counts even if no request follows."""
    port = urlsplit(upstream.url).port or 0
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        post(upstream.url, asking("hi"))  # accepted in order, so the two before it have been counted
    assert (upstream.connections, len(upstream.calls)) == (3, 1)


def test_many_at_once(upstream: Upstream) -> None:
    """Concurrent calls are all kept, each answered with its own text on its own connection."""
    answers: dict[str, str] = {}

    def ask(text: str) -> None:
        answers[text] = json.loads(post(upstream.url, asking(text))[1])["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=ask, args=(f"question {k}",)) for k in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {text: answer_to(asking(text)) for text in answers}
    assert len(answers) == len(upstream.calls) == upstream.connections == 24
    assert sorted(call.connection for call in upstream.calls) == list(range(1, 25))


@pytest.mark.parametrize(
    "other",
    [
        asking("Hi"),
        asking("hi", temperature=0),
        asking("hi", model="gpt-4o"),
        {**asking("hi"), "messages": [{"role": "system", "content": "Be brief."}, *asking("hi")["messages"]]},
    ],
)
def test_different_requests_get_different_answers(upstream: Upstream, other: dict[str, Any]) -> None:
    """Any difference that could change an answer changes the echo."""
    assert post(upstream.url, asking("hi"))[1] == post(upstream.url, asking("hi"))[1]
    assert answer_to(asking("hi")) != answer_to(other)


@pytest.mark.parametrize("include_usage", [True, False])
def test_echoes_in_the_form_asked_for(upstream: Upstream, include_usage: bool) -> None:
    """The default answer has the same text as JSON and as a stream, and sends usage in a stream only if asked."""
    options = {"stream": True, "stream_options": {"include_usage": include_usage}}
    as_json = json.loads(post(upstream.url, asking("hi"))[1])
    chunks = events(post(upstream.url, asking("hi", **options))[1])
    assert text_of(chunks) == as_json["choices"][0]["message"]["content"] == answer_to(asking("hi"))
    assert [chunk["usage"] for chunk in chunks if "usage" in chunk] == (
        [None] * (len(chunks) - 1) + [as_json["usage"]] if include_usage else []
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", PATH, b"", 404),
        ("POST", "/v1/embeddings", b"{}", 404),
        ("POST", PATH, b"{", 400),
        ("POST", PATH, b"[]", 400),
        ("POST", PATH, b'{"messages": []}', 400),
    ],
)
def test_what_is_no_chat_completion_gets_an_error(
    upstream: Upstream, method: str, path: str, body: bytes, status: int
) -> None:
    """Other requests are answered with an error in the API's shape and kept like any call."""
    with connect(upstream.url) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        assert response.status == status
        assert set(json.loads(response.read())["error"]) == {"message", "type", "param", "code"}
    assert len(upstream.calls) == 1


def test_replies_in_turn_and_repeats_the_last(upstream: Upstream) -> None:
    """`reply_with` is a queue whose last entry never runs out."""
    upstream.reply_with(error(429, headers={"retry-after": "0"}), completion("one"), completion("two"))
    statuses = [post(upstream.url, asking("hi")) for _ in range(4)]
    assert [status for status, _ in statuses] == [429, 200, 200, 200]
    assert statuses[2] == statuses[3] != statuses[1]


def test_replies_by_a_function(upstream: Upstream) -> None:
    """`reply_by` sees the request."""
    upstream.reply_by(lambda request: Reply(status=201, body=request.body.upper()))
    assert post(upstream.url, "abc") == (201, b'"ABC"')


def test_a_script_that_raises_fails_the_test() -> None:
    """What a script raises is answered with a 500 and raised at the end of the block."""

    def broken(_request: Request) -> Reply:
        raise LookupError("no such answer")

    def run() -> None:
        with Upstream() as upstream:
            upstream.reply_by(broken)
            assert post(upstream.url, asking("hi"))[0] == 500

    with pytest.raises(LookupError, match="no such answer"):
        run()


def open_to(upstream: Upstream) -> socket.socket:
    """A bare connection on which a request is under way."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(upstream.url).port or 0), timeout=10)
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return connection


def nothing_comes(connection: socket.socket) -> bool:
    connection.settimeout(0.02)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    else:
        return False
    finally:
        connection.settimeout(10)


def test_pieces_arrive_one_by_one(upstream: Upstream) -> None:
    """A piece is with the client while the next one is still held back, each as one chunk."""
    gates = [threading.Event() for _ in range(4)]
    upstream.reply_with(Reply(pieces=[b"one", b"two", b"three"], gates=gates))
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with open_to(upstream) as connection:
        assert connection.recv(len(head), socket.MSG_WAITALL) == head
        chunks = [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"5\r\nthree\r\n", b"0\r\n\r\n"]
        for gate, chunk in zip(gates, chunks, strict=True):
            assert nothing_comes(connection)
            assert upstream.finished == 0
            gate.set()
            assert connection.recv(len(chunk), socket.MSG_WAITALL) == chunk
    upstream.wait_for_finished(1)


def test_hold_keeps_back_the_status(upstream: Upstream) -> None:
    """A held reply has been asked for, but nothing of it has been sent."""
    gate = threading.Event()
    upstream.reply_with(completion("late", hold=gate))
    with open_to(upstream) as connection:
        upstream.wait_for_calls(1)
        assert nothing_comes(connection)
        gate.set()
        assert connection.recv(8, socket.MSG_WAITALL) == b"HTTP/1.1"


def test_a_gate_may_be_any_callable(upstream: Upstream) -> None:
    """A callable gate runs before its piece goes out; if it raises, the answer breaks off and the block raises."""
    opened: list[str] = []
    upstream.reply_with(Reply(pieces=[b"one", b"two"], gates=[None, lambda: opened.append("second")]))
    assert post(upstream.url, "")[1] == b"onetwo"
    assert opened == ["second"]


def test_a_gate_that_raises_breaks_off_the_answer() -> None:
    """The client sees a broken answer, and the end of the block raises what the gate raised."""

    def run() -> None:
        with Upstream() as upstream:
            upstream.reply_with(Reply(pieces=[b"one", b"two"], gates=[None, lambda: 1 // 0]))
            with pytest.raises(http.client.IncompleteRead):
                post(upstream.url, "")

    with pytest.raises(ZeroDivisionError):
        run()


def test_gap_spaces_the_pieces(upstream: Upstream) -> None:
    """Between two pieces at least `gap` seconds pass."""
    upstream.reply_with(stream(["a", "b", "c"], gap=0.02))
    before = time.monotonic()
    assert text_of(events(post(upstream.url, asking("hi"))[1])) == "abc"
    assert time.monotonic() - before >= 5 * 0.02


def test_cut_resets_the_connection(upstream: Upstream) -> None:
    """A cut stream gives its pieces and then a reset; it does not count as finished."""
    upstream.reply_with(stream(["a"], cut=True))
    with connect(upstream.url) as connection:
        connection.request("POST", PATH, b"{}")
        response = connection.getresponse()
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            response.read()
    assert upstream.finished == 0


def test_stop_refuses_and_restart_serves_again(upstream: Upstream) -> None:
    """A stopped upstream closes kept connections and refuses new ones; restarted it is back at the same URL."""
    url = upstream.url
    with connect(url) as kept:
        kept.request("POST", PATH, json.dumps(asking("hi")))
        kept.getresponse().read()
        upstream.stop()
        upstream.stop()
        assert kept.sock.recv(1) == b""
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            post(url, asking("hi"))
    assert upstream.connections == 1
    upstream.restart()
    upstream.restart()
    assert (upstream.url, post(url, asking("hi"))[0], upstream.connections) == (url, 200, 2)


def test_nobody_else_gets_the_port_of_a_stopped_upstream(upstream: Upstream) -> None:
    """The port of a stopped upstream is taken, though nobody listens on it."""
    upstream.stop()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", urlsplit(upstream.url).port))


def test_a_client_that_leaves_is_no_mistake(upstream: Upstream) -> None:
    """A client that hangs up in the middle of a stream ends its own call and disturbs no other."""
    gate = threading.Event()
    upstream.reply_with(Reply(pieces=[b"x" * 100_000] * 50, gates=[gate]), completion("next"))
    with connect(upstream.url) as connection:
        connection.request("POST", PATH, b"{}")
        connection.getresponse()
    gate.set()
    assert post(upstream.url, asking("hi"))[0] == 200
    upstream.wait_for_finished(1)
    assert upstream.mistakes == []


def test_waiting_for_what_does_not_come_fails(upstream: Upstream) -> None:
    """A wait that ends without its calls says what did arrive."""
    with pytest.raises(TimeoutError, match="2 calls; got 0"):
        upstream.wait_for_calls(2, timeout=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": b"x", "gap": 1.0},
        {"body": b"x", "cut": True},
        {"body": b"x", "pieces": [b"y"]},
        {"pieces": [b"x", b""]},
    ],
)
def test_a_reply_that_cannot_be_sent_is_refused(wrong: dict[str, Any]) -> None:
    """A reply that makes no sense on the wire cannot be made."""
    with pytest.raises(ValueError, match="piece"):
        Reply(**wrong)


def test_streams_tool_calls_in_the_shape_of_the_api() -> None:
    """A streamed call opens with id and name, its arguments follow in pieces, and the JSON form has the same id."""
    calls = [("look_up", '{"city":"Oslo"}'), ("stop", "")]
    chunks = events(b"".join(stream([], tool_calls=calls).pieces or ()))
    deltas = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    whole = json.loads(completion(None, tool_calls=calls).body)["choices"][0]
    assert [(call["index"], call["id"]) for call in deltas if "id" in call] == [
        (k, call["id"]) for k, call in enumerate(whole["message"]["tool_calls"])
    ]
    assert "".join(call["function"]["arguments"] for call in deltas if call["index"] == 0) == calls[0][1]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"] == "tool_calls"
