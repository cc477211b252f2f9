"""What a client received to its end is in the store, and its call in the log, also after `kill -9`."""

import socket

import httpx
import pytest

from support.calls import question
from support.database import rows
from support.kills import kill_and_look
from support.program import Program, running_chatreel
from support.upstream import Upstream, stream

KILLS = 6

LAST = {False: b'"total_tokens":18}}', True: b"data: [DONE]"}
"""The end of an answer, by whether it is streamed."""


def read_to(proxy: Program, body: bytes, end: bytes) -> bytes:
    """Post a request on a raw socket, read until `end` has arrived, and kill the proxy in that instant."""
    host, port = httpx.URL(proxy.base_url).host, httpx.URL(proxy.base_url).port
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    received = b""
    with socket.create_connection((host, port or 80), timeout=30) as connection:
        connection.sendall(head + body)
        while end not in received:
            piece = connection.recv(65536)
            assert piece, received
            received += piece
        proxy.kill()
    return received


@pytest.mark.long
@pytest.mark.parametrize("streaming", [False, True])
def test_a_kill_at_the_last_byte_loses_nothing(upstream: Upstream, store: str, streaming: bool) -> None:
    flags = ("--upstream", upstream.url, "--store", store)
    for n in range(KILLS):
        asked = question(f"number {n}", stream=streaming)
        if streaming:
            upstream.reply_with(stream([f"answer {n}"]))
        body = httpx.Request("POST", "http://x", json=asked).content
        with running_chatreel(*flags, "--mode", "cache") as proxy:
            read_to(proxy, body, LAST[streaming])
    upstream.stop()
    with running_chatreel(*flags, "--mode", "replay") as proxy, httpx.Client(trust_env=False, timeout=30) as client:
        for n in range(KILLS):
            asked = question(f"number {n}", stream=streaming)
            answer = client.post(f"{proxy.base_url}/chat/completions", json=asked)
            assert answer.status_code == 200, answer.text
    logged = rows(store, "SELECT outcome, count(DISTINCT recording_id), count(*) FROM calls GROUP BY 1 ORDER BY 1")
    assert logged == [("hit", KILLS, KILLS), ("recorded", KILLS, KILLS)]


@pytest.mark.long
def test_kills_in_the_middle_of_many_calls_lose_and_break_nothing(upstream: Upstream, store: str) -> None:
    damage = kill_and_look(upstream, store, kills=20)
    assert damage.lost == []
    assert damage.corrupt == []
    assert damage.unlogged == []
    assert damage.answers > 20
