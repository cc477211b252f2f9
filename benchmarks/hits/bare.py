"""The bare server that everything is a ratio to: an ASGI application that reads a request and sends canned bytes.

Run by uvicorn with httptools and uvloop, in an environment of its own: `uvicorn hits.bare:app`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from hits.corpus import Form, call

type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]

ANSWERS = {f"/{form.value}": call(form, 0).answer for form in Form}
TYPES = {"/json": b"application/json", "/stream": b"text/event-stream; charset=utf-8"}


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer by path."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    path = scope["path"]
    body = ANSWERS[path]
    headers = [(b"content-type", TYPES[path]), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
