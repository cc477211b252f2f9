"""Chat completion calls as tests make them: plain HTTP, nothing taken from the environment, no retries."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from support.replies import dumps


def question(text: str = "Hi", **more: Any) -> dict[str, Any]:
    """A request body."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


@contextmanager
def http_client(base_url: str) -> Iterator[httpx.Client]:
    """A client that keeps its connection."""
    with httpx.Client(base_url=base_url, trust_env=False, timeout=30) as client:
        yield client


def ask(base_url: str, body: Any, **headers: str) -> httpx.Response:
    """One call on a connection of its own. Keyword names are header names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with http_client(base_url) as client:
        return client.post("chat/completions", json=body, headers=named)


@contextmanager
def under_way(base_url: str, body: Any) -> Iterator[socket.socket]:
    """The connection of a call that was sent; nobody has read its answer, and after the block its client has left."""
    url = httpx.URL(base_url)
    sent = dumps(body)
    head = f"POST {url.path}/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {len(sent)}\r\n\r\n"
    with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
        connection.sendall(head.encode() + sent)
        yield connection


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error object of an answer in the API's shape; fails if it has another shape."""
    document = response.json()
    assert set(document) == {"error"}
    assert set(document["error"]) == {"message", "type", "param", "code"}
    found: dict[str, Any] = document["error"]
    return found
