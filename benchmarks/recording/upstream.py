"""The upstream: always the same two answers, a JSON one and a stream of which each event is an HTTP chunk and a write.

Run as `python -m recording.upstream PORT`. `?pace=10` has it wait 10 ms after each event. Whoever asks for usage
(`stream_options`) gets it before `[DONE]` and together with it, as the API has it.
"""

import asyncio
import json
import re
import sys

from hits.corpus import Form, call

JSON = call(Form.JSON, 0).answer
STREAM = call(Form.STREAM, 0).answer
PACED = 12
"""Events of a stream that is paced."""

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PACE = re.compile(rb"[?&]pace=(\d+)")
_EVENTS = [event + b"\n\n" for event in STREAM.split(b"\n\n")[:-1]]
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b\r\n"


def said(*, paced: bool) -> bytes:
    """The stream that a client gets that does not ask for usage."""
    return b"".join(_events(asks_usage=False, paced=paced))


def _events(*, asks_usage: bool, paced: bool) -> list[bytes]:
    events = _EVENTS[:PACED] + _EVENTS[-2:] if paced else _EVENTS
    return [*events[:-1], *([_USAGE] if asks_usage else []), events[-1]]


def _usage() -> bytes:
    first = json.loads(_EVENTS[0].removeprefix(b"data: "))
    usage = {"prompt_tokens": 320, "completion_tokens": 140, "total_tokens": 460}
    return b"data: " + json.dumps(first | {"choices": [], "usage": usage}, separators=(",", ":")).encode() + b"\n\n"


_USAGE = _usage()
_FRAMES = {
    (usage, paced): [b"%x\r\n%b\r\n" % (len(event), event) for event in _events(asks_usage=usage, paced=paced)]
    for usage in (False, True)
    for paced in (False, True)
}


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._got[:end])
            length = _LENGTH.search(head)
            whole = end + 4 + int(length[1] if length else 0)
            if len(self._got) < whole:
                return
            body = bytes(self._got[end + 4 : whole])
            del self._got[:whole]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if b'"stream": true' not in body and b'"stream":true' not in body:
            length = b"content-length: %d\r\n" % len(JSON)
            self._transport.write(_HEAD % (b"application/json", length) + JSON)
            return
        pace = _PACE.search(head.partition(b"\r\n")[0])
        frames = _FRAMES[b'"include_usage":true' in body.replace(b" ", b""), bool(pace)]
        self._transport.write(_HEAD % (b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked\r\n"))
        if pace:
            task = asyncio.create_task(self._send_slowly(frames, int(pace[1]) / 1e3))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            for frame in frames:
                self._transport.write(frame)
            self._transport.write(b"0\r\n\r\n")

    async def _send_slowly(self, frames: list[bytes], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        end = PACED + 1
        for at, frame in enumerate([*frames[:end], b"".join(frames[end:])]):  # usage is known by the end, and no later
            await asyncio.sleep(began + at * seconds - loop.time())
            self._transport.write(frame)
        self._transport.write(b"0\r\n\r\n")


async def serve(port: int) -> None:
    """Until it is killed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
