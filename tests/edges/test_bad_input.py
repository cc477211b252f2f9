"""Bad input from clients and from upstreams: a clear error in the API's shape, nothing stored, the proxy lives on."""

import gzip
import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from support.calls import ask, error_of, http_client, question
from support.program import Program, running_chatreel
from support.upstream import Reply, Upstream, echo

HUGE = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 25_000_000 + b'"}]}'


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Upstream]]:
    """One proxy in cache mode and its upstream, for all the bad input of this module."""
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with (
        Upstream() as upstream,
        running_chatreel(
            "--upstream", upstream.url, "--mode", "cache", "--store", store, "--max-body", "24MB"
        ) as running,
    ):
        yield running, upstream


@pytest.fixture
def upstream(both: tuple[Program, Upstream]) -> Upstream:
    """Echoes again, and has seen nothing yet."""
    both[1].reply_by(echo)
    both[1].calls.clear()
    both[1].connections = 0
    return both[1]


@pytest.fixture
def proxy(both: tuple[Program, Upstream], upstream: Upstream) -> Iterator[Program]:
    """It still answers when the test is over, and has not logged an exception."""
    yield both[0]
    upstream.reply_by(echo)
    assert ask(both[0].base_url, question("still there?")).status_code == 200
    assert "Traceback" not in both[0].log


MALFORMED = {
    "empty": b"",
    "cut": b'{"model": "m", "messages": [',
    "not JSON": b"model=m",
    "not UTF-8": b'{"model":"m","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "an array": b"[]",
    "a string": b'"hello"',
    "no messages": b'{"model":"m"}',
    "messages are text": b'{"model":"m","messages":"hello"}',
    "a message is text": b'{"model":"m","messages":["hello"]}',
    "model is a number": b'{"model":4,"messages":[]}',
    "stream is text": b'{"model":"m","messages":[],"stream":"yes"}',
}


@pytest.mark.parametrize(
    ("body", "message"),
    [(gzip.compress(HUGE), "holds more than 24,000,000 bytes"), (b'{"model": "m", "messages": []}', "is not gzip")],
    ids=["too large once decoded", "not what its coding says"],
)
def test_a_compressed_body_is_held_to_the_limit_and_to_its_coding(
    proxy: Program, upstream: Upstream, body: bytes, message: str
) -> None:
    with http_client(proxy.base_url) as client:
        response = client.post("chat/completions", content=body, headers={"content-encoding": "gzip"})
    assert response.status_code == 400
    assert message in error_of(response)["message"]
    assert upstream.connections == 0


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_nobody_can_read_is_a_400(proxy: Program, upstream: Upstream, body: bytes) -> None:
    with http_client(proxy.base_url) as client:
        response = client.post("chat/completions", content=body, headers={"content-type": "application/json"})
        again = client.post("chat/completions", content=body)
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"
    assert response.headers["x-should-retry"] == "false"
    assert again.status_code == 400
    assert upstream.calls == []


def test_a_body_past_the_limit_is_a_413_on_a_connection_that_lives_on(proxy: Program, upstream: Upstream) -> None:
    with http_client(proxy.base_url) as client:
        announced = client.post("chat/completions", content=HUGE)
        grown = client.post("chat/completions", content=iter([HUGE[:12_500_000], HUGE[12_500_000:]]))
        small = client.post("chat/completions", json=question())
    for response in (announced, grown):
        assert response.status_code == 413
        assert error_of(response)["code"] == "chatreel_request_too_large"
    assert small.status_code == 200
    assert len(upstream.calls) == 1


@pytest.mark.long
def test_the_limit_is_64_mib_unless_it_is_set(upstream: Upstream, store: str) -> None:
    more = ("--mode", "cache", "--store", store)
    with running_chatreel("--upstream", upstream.url, *more) as proxy, http_client(proxy.base_url) as client:
        first = client.post("chat/completions", content=HUGE)
        second = client.post("chat/completions", content=HUGE)
        beyond = client.post("chat/completions", content=b" " * (64 * 2**20 + 1))
    assert first.status_code == 200
    assert second.content == first.content
    assert beyond.status_code == 413
    assert [len(call.body) for call in upstream.calls] == [len(HUGE)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","model":"n","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","messages":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["duplicate member", "NaN", "lone surrogate", "nested too deeply"],
)
def test_a_body_without_a_safe_key_is_forwarded_unrecorded(proxy: Program, upstream: Upstream, body: bytes) -> None:
    upstream.reply_with(Reply(headers={"content-type": "application/json"}, body=b'{"id":"1","choices":[]}'))
    with http_client(proxy.base_url) as client:
        responses = [client.post("chat/completions", content=body) for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 200]
    assert responses[0].headers["cache-status"] == "chatreel; fwd=bypass; detail=unkeyable"
    assert [call.body for call in upstream.calls] == [body, body]


@pytest.mark.parametrize("path", ["/", "/nope", "/v2/chat", "/favicon.ico", "/_chatreel/nope"])
def test_an_unknown_path_is_a_404_that_names_the_base_url(proxy: Program, upstream: Upstream, path: str) -> None:
    response = httpx.get(proxy.base_url.removesuffix("/v1") + path, trust_env=False)
    assert response.status_code == 404
    assert "/v1" in error_of(response)["message"]
    assert upstream.connections == 0


def test_other_endpoints_of_the_api_pass_untouched(proxy: Program, upstream: Upstream) -> None:
    upstream.reply_with(Reply(headers={"content-type": "application/json", "x-own": "1"}, body=b'{"data":[]}'))
    with http_client(proxy.base_url) as client:
        response = client.get("models", params={"limit": "3"}, headers={"authorization": "Bearer k"})
    assert (response.content, response.headers["x-own"]) == (b'{"data":[]}', "1")
    assert "cache-status" not in response.headers
    call = upstream.calls[0]
    assert (call.path, call.query, call.headers["authorization"]) == ("/v1/models", "limit=3", "Bearer k")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GARBAGE\r\n\r\n", "Bad HTTP request line"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nno colon\r\n\r\n", "Invalid header line"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: many\r\n\r\n", "content-length"),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "Transfer-Encoding",
        ),
    ],
    ids=["no request line", "no header", "no length", "two lengths"],
)
@pytest.mark.parametrize("more", [b"", b"{}\r\nPOST /v1/chat/completions HTTP/1.1\r\n"], ids=["alone", "with more"])
def test_a_head_that_cannot_be_read_is_a_400_in_the_shape_of_the_api(
    proxy: Program, upstream: Upstream, head: bytes, said: str, more: bytes
) -> None:
    """Whatever comes in the same piece: it is not read for the body of such a head."""
    host, port = proxy.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(head + more)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    lines, _, body = answer.partition(b"\r\n\r\n")
    assert lines.startswith(b"HTTP/1.1 400 ")
    assert b"x-should-retry: false" in lines
    error = json.loads(body)["error"]
    assert error["code"] == "chatreel_bad_request"
    assert said.lower() in error["message"].lower()
    assert upstream.calls == []
