"""A proxy that runs for long, or for many at once, stays as it is. `benchmarks/soak.py` is the same for hours."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from soak import soak

from chatreel.descriptors import allow_more
from support.program import Program, running_chatreel

STREAMS = 1_000

REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s"
)


@pytest.mark.long
@pytest.mark.alone
def test_ten_thousand_calls_of_all_sorts_leave_memory_sockets_and_tasks_as_they_were() -> None:
    soaked = asyncio.run(soak(10_000, print, lambda _: None))
    print(soaked.before, soaked.after, sep="\n")
    assert [sample.calls for sample in soaked.samples] == [*range(1_000, 10_001, 1_000)]
    assert soaked.faults == []


class Held:
    """An upstream whose streams begin at once and end all together."""

    def __init__(self) -> None:
        self.open = 0
        self.most = 0
        self.go_on = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.open += 1
        self.most = max(self.most, self.open)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        writer.write(b'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}\n\n')
        await self.go_on.wait()
        writer.write(b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()
        self.open -= 1
        await closed(writer)


@pytest.mark.long
@pytest.mark.alone
def test_a_thousand_streams_are_open_at_once(tmp_path: Path) -> None:
    """Each has begun before any of them ends, and each arrives whole."""
    held = Held()
    allow_more()  # of this process: it has both ends of what the proxy has
    asyncio.run(_hold_all(held, str(tmp_path / "store.db")))
    assert held.most == STREAMS


async def _hold_all(held: Held, store: str) -> None:
    server = await asyncio.start_server(held.answer, "127.0.0.1", 0, backlog=STREAMS)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with running_chatreel("--upstream", upstream, "--mode", "cache", "--store", store) as proxy:
            begun = asyncio.Barrier(STREAMS)
            answers = await asyncio.gather(*(_stream(held, proxy, begun, number) for number in range(STREAMS)))
            assert all(answer.endswith(b"data: [DONE]\n\n") for answer in answers)
            assert "Traceback" not in proxy.log


async def _stream(held: Held, proxy: Program, begun: asyncio.Barrier, number: int) -> bytes:
    await asyncio.sleep(number / 200)  # as people come, not all in one moment
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.base_url.split(":")[2].removesuffix("/v1")))
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"%d"}]}' % number
    writer.write(REQUEST % (len(body), body))
    async with asyncio.timeout(180):
        first = await reader.readuntil(b"Hi")
        await begun.wait()
        held.go_on.set()
        rest = await reader.read()  # to the end of the connection, as it has no other
    await closed(writer)
    return first + rest


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
