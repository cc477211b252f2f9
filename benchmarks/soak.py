"""Whether a proxy that runs for long stays as it is: memory, sockets, threads and tasks, over many calls of all sorts.

Run as `python benchmarks/soak.py --calls 200000`. Sixteen clients ask a proxy of their own, on loopback: old questions
and new ones, JSON and streams, upstreams that fail, clients that leave in the middle, bodies that are none. A bar shows
how far it is; every tenth of the way a line says what the proxy takes. Exit code 1 if memory has grown by more than a
tenth since the first fifth, which fills the caches, or if anything is left open when all clients have gone.
"""

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from operator import length_hint
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import Progress

CLIENTS = 16
WARM = 0.2
"""Share of the calls that fill the caches."""
GROWTH = 0.1
"""Share by which memory may grow after that."""
OLD = 500
"""Questions that are asked again and again."""
FIRST = 200
"""Calls before the first look."""
NEW = 0.05
"""Share of questions that nobody has asked before."""

_PROGRAM = """
import asyncio, os, pathlib, signal

def tell(*_):
    pathlib.Path(os.environ["SOAK_TASKS"]).write_text(str(len(asyncio.all_tasks())))

signal.signal(signal.SIGUSR1, tell)
from chatreel.cli import main
main()
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a proxy takes at a moment."""

    calls: int
    memory: int
    """Bytes, resident."""
    descriptors: int
    threads: int
    tasks: int

    def __str__(self) -> str:
        return (
            f"{self.calls:9,} calls: {self.memory / 2**20:6.1f} MiB, {self.descriptors} descriptors, "
            f"{self.threads} threads, {self.tasks} tasks"
        )


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of a run."""

    samples: tuple[Sample, ...]
    """Every tenth of the way, while clients ask."""
    before: Sample
    """Of the idle proxy, after some first calls that do not count."""
    after: Sample
    """And after the last one, once its clients had gone."""
    seconds: float

    @property
    def growth(self) -> float:
        """Of memory since the caches were filled, as a share."""
        total = self.samples[-1].calls
        warm = next(sample for sample in self.samples if sample.calls >= WARM * total)
        return max(sample.memory for sample in self.samples[self.samples.index(warm) :]) / warm.memory - 1

    @property
    def faults(self) -> list[str]:
        """What is not as it should be."""
        found = [f"memory grew by {self.growth:.1%} since the caches were filled"] if self.growth > GROWTH else []
        for what in ("descriptors", "tasks"):
            was, is_now = getattr(self.before, what), getattr(self.after, what)
            if is_now > was:
                found.append(f"{is_now - was} {what} are left open")
        return found


class Proxy:
    """A running one, seen from outside."""

    def __init__(self, pid: int, port: int, tasks: Path) -> None:
        self.port = port
        self._pid = pid
        self._tasks = tasks

    async def sample(self, calls: int) -> Sample:
        tasks = await self._count_tasks()
        return self._sample(calls, tasks)

    def _sample(self, calls: int, tasks: int) -> Sample:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return Sample(
            calls,
            memory=int(_found(r"VmRSS:\s+(\d+)", status)) * 1024,
            descriptors=len([*Path(f"/proc/{self._pid}/fd").iterdir()]),
            threads=int(_found(r"Threads:\s+(\d+)", status)),
            tasks=tasks,
        )

    async def idle(self, like: Sample | None, calls: int) -> Sample:
        """Once nothing is under way any more, or after half a minute."""
        for place in range(60):
            await asyncio.sleep(0.5)
            sample = await self.sample(calls)
            if place > 5 if like is None else _is_back(sample, like):
                break
        return sample

    async def _count_tasks(self) -> int:
        self._tasks.unlink(missing_ok=True)
        os.kill(self._pid, signal.SIGUSR1)
        while not self._tasks.exists() or not self._tasks.read_text():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
        return int(self._tasks.read_text())


def _is_back(now: Sample, before: Sample) -> bool:
    return now.descriptors <= before.descriptors and now.tasks <= before.tasks


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "0"


async def soak(calls: int, say: Callable[[str], None], advance: Callable[[int], None]) -> Soaked:
    """Make so many calls at a proxy of their own."""
    with tempfile.TemporaryDirectory(prefix="chatreel-soak-") as folder:
        server = await asyncio.start_server(_upstream, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, _proxy(Path(folder), url) as proxy:
            # What is opened once, for good: connections of the store, threads.
            await _ask(proxy, iter(range(-FIRST, 0)), lambda _: None)
            before = await proxy.idle(None, 0)
            started = time.monotonic()
            samples: list[Sample] = []
            waiting = iter(range(calls))
            async with asyncio.TaskGroup() as group:
                group.create_task(_ask(proxy, waiting, advance))
                group.create_task(_watch(proxy, calls, waiting, samples, say))
            after = await proxy.idle(before, calls)
            return Soaked(tuple(samples), before, after, time.monotonic() - started)


async def _ask(proxy: Proxy, waiting: Iterator[int], advance: Callable[[int], None]) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(_client(proxy.port, number, _counted(waiting, advance)))


def _counted(waiting: Iterator[int], advance: Callable[[int], None]) -> Iterator[int]:
    for number in waiting:
        yield number
        advance(1)


async def _watch(
    proxy: Proxy, calls: int, waiting: Iterator[int], samples: list[Sample], say: Callable[[str], None]
) -> None:
    """Sample every tenth of the way. `waiting` tells how many calls are left."""
    for tenth in range(1, 11):
        while calls - length_hint(waiting) < calls * tenth // 10:  # noqa: ASYNC110 - the clients count, and wake nobody
            await asyncio.sleep(0.05)
        sample = await proxy.sample(calls * tenth // 10)
        samples.append(sample)
        say(str(sample))


@contextlib.asynccontextmanager
async def _proxy(folder: Path, upstream: str) -> AsyncIterator[Proxy]:
    ready, tasks = folder / "ready.json", folder / "tasks"
    # Caches of a few megabytes, which are full after the first fifth.
    environment = os.environ | {"SOAK_TASKS": str(tasks), "CHATREEL_MEMORY": "4MB", "CHATREEL_DRAIN": "2s"}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, "serve", "--port", "0", "--upstream", upstream, "--mode", "cache"),
            *("--store", str(folder / "store.db"), "--ready-file", str(ready)),
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            while not ready.exists():
                if process.returncode is not None:
                    raise RuntimeError((folder / "log").read_text())
                await asyncio.sleep(0.05)
            url = orjson.loads(ready.read_bytes())["base_url"]
            yield Proxy(process.pid, int(url.split(":")[2].removesuffix("/v1")), tasks)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _question(rng: random.Random, number: int) -> tuple[str, dict[str, object]]:
    """What is asked, and how: mostly what was asked before."""
    kind = rng.choices(("plain", "fails", "leaves", "no json"), (94, 3, 1, 2))[0]
    text = f"new {number} {'word ' * 40}" if rng.random() < NEW else f"old {rng.randrange(OLD)} {'word ' * 40}"
    if kind == "leaves":
        text = f"slow {number % OLD}"
    messages = [{"role": "user", "content": "fail" if kind == "fails" else text}]
    return kind, {"model": "m", "stream": kind == "leaves" or rng.random() < 0.4, "messages": messages}


async def _client(port: int, seed: int, calls: Iterator[int]) -> None:
    """Asks one question after the other, on a connection that is made anew now and then."""
    rng = random.Random(seed)  # noqa: S311 - the same calls in every run
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for number in calls:
        if connection is None:
            connection = await asyncio.open_connection("127.0.0.1", port)
        kind, question = _question(rng, number)
        body = b"{no json" if kind == "no json" else orjson.dumps(question)
        reader, writer = connection
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer none\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )
        if kind == "leaves":
            await reader.readuntil(b"data: ")
        else:
            status, _ = await _read_answer(reader)
            expected = {"fails": (500,), "no json": (400,)}.get(kind, (200,))
            if status not in expected:
                raise RuntimeError(f"call {number}, {kind}: status {status}")
        if kind == "leaves" or rng.random() < 0.02:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            connection = None
    if connection:
        connection[1].close()


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"transfer-encoding: chunked" not in head:
        return status, await reader.readexactly(int(_found(r"content-length: (\d+)", head.decode())))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, b"".join(parts)


async def _upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A model that answers in the wire form that it is asked for, fails if it is told to, and takes its time if not."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower().decode()
            asked = orjson.loads(await reader.readexactly(int(_found(r"content-length: (\d+)", head))))
            text = asked["messages"][-1]["content"]
            if text == "fail":
                body = b'{"error":{"message":"no","type":"server_error","param":null,"code":null}}'
                writer.write(_head(500, "application/json", len(body)) + body)
            elif asked["stream"]:
                await _stream(writer, text)
            else:
                body = orjson.dumps(_completion("chat.completion", {"message": {"role": "assistant", "content": text}}))
                writer.write(_head(200, "application/json", len(body)) + body)
            await writer.drain()
    writer.close()


async def _stream(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(_head(200, "text/event-stream", None))
    said = [{"content": text[:20]}, {"content": text[20:]}, {}]
    for place, delta in enumerate(said, 1):
        choice: dict[str, object] = {"delta": delta, "finish_reason": "stop" if place == len(said) else None}
        data = b"data: " + orjson.dumps(_completion("chat.completion.chunk", choice)) + b"\n\n"
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        if text.startswith("slow"):
            await asyncio.sleep(0.05)
    writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


def _completion(kind: str, choice: dict[str, object]) -> dict[str, object]:
    whole = {"index": 0, "finish_reason": "stop", **choice}
    usage = (
        {} if kind.endswith("chunk") else {"usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}
    )
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "m", "choices": [whole], **usage}


def _head(status: int, media_type: str, length: int | None) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"HTTP/1.1 {status} OK\r\ncontent-type: {media_type}\r\n{framing}\r\n\r\n".encode()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200_000)
    calls: int = parser.parse_args().calls
    console = Console(stderr=True)
    with Progress(console=console) as bar:
        task = bar.add_task("calls", total=calls)
        soaked = asyncio.run(soak(calls, _say, lambda done: bar.advance(task, done)))
    _say(f"before: {soaked.before}")
    _say(f"after:  {soaked.after}")
    _say(f"{calls:,} calls in {soaked.seconds:,.0f} s; memory grew by {soaked.growth:.1%} once the caches were filled")
    for fault in soaked.faults:
        _say(f"FAULT: {fault}")
    return 1 if soaked.faults else 0


if __name__ == "__main__":
    sys.exit(main())
