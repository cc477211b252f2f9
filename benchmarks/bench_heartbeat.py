"""How long the store keeps the event loop waiting, while 32 calls at a time look up, record, replay and log.

Run as `python benchmarks/bench_heartbeat.py`. A heartbeat on the same loop should beat each millisecond; what it is
late by is what somebody else's answer would be late by. Beside it the same with a store that does nothing: what the
machine and its other users cost; and below each, how much of the delay the process worked in, on all its threads. The
calls do to the store what the recorder does, with requests from 1.5 to 200 KB.
"""

import asyncio
import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass

import orjson
from bench_canonical import history, key, question

from chatreel.model import Identity, Mode, Outcome, Piece, Recording, WireForm
from chatreel.store import Call, Store

CALLS = 4_000
CLIENTS = 32
ROUNDS = 3
BEAT = 0.001
"""Seconds."""

LIMIT = 0.02
"""Seconds: what is promised."""

MEMORY = 64_000_000

type Work = Callable[["Asked"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: a recording to be, and whether it is new."""

    recording: Recording
    is_new: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """Seconds."""

    late: float
    busy: float
    """So much of it at most was work of this process; in the rest it had no processor."""


def calls(rng: random.Random) -> list[Asked]:
    """Three of four are new; one of sixteen is the request of an agent, the others are questions."""
    agents = [history(rng.choice((20_000, 60_000, 200_000))) for _ in range(8)]
    made: list[Recording] = []
    asked = []
    for number in range(CALLS):
        if made and rng.random() < 0.25:
            asked.append(Asked(rng.choice(made), is_new=False))
            continue
        body = rng.choice(agents) if rng.random() < 1 / 16 else question()
        raw = orjson.dumps(body | {"seed": number})
        made.append(recording(raw, key(raw), number))
        asked.append(Asked(made[-1], is_new=True))
    return asked


def recording(request: bytes, identity: Identity, number: int) -> Recording:
    events = [b'data: {"choices":[{"delta":{"content":"%d %d"}}]}\n\n' % (number, n) for n in range(120)]
    return Recording(
        identity=identity,
        upstream="https://api.openai.com",
        path="/v1/chat/completions",
        model="gpt-4o",
        recorded_at=1.7e9,
        request=request,
        status=200,
        headers=(("content-type", "text/event-stream"),),
        form=WireForm.SSE,
        body=b"".join(events),
        pieces=tuple(Piece(n / 50, len(event)) for n, event in enumerate(events)),
        completion=b'{"object":"chat.completion"}',
    )


def row(asked: Asked, number: int) -> Call:
    return Call(
        call_id=str(number),
        started_at=1.7e9,
        outcome=Outcome.RECORDED if asked.is_new else Outcome.HIT,
        reason="",
        mode=Mode.CACHE,
        cassette="",
        upstream=asked.recording.upstream,
        path=asked.recording.path,
        model=asked.recording.model,
        stream=True,
        status=200,
        key=asked.recording.identity.key,
        recording_id=None,
        latency=0.1,
        first_piece=None,
    )


async def lateness(asked: list[Asked], work: Work) -> list[Beat]:
    """How late each beat came, while `work` was done on all of `asked`, so many at a time."""
    waiting = iter(asked)

    async def client() -> None:
        for one in waiting:
            await work(one)

    beats: list[Beat] = []
    clients = asyncio.gather(*(client() for _ in range(CLIENTS)))
    while not clients.done():
        due, worked = time.perf_counter() + BEAT, time.process_time()
        await asyncio.sleep(BEAT)
        late = max(0.0, time.perf_counter() - due)
        beats.append(Beat(late, min(late, time.process_time() - worked)))
    await clients
    return beats


async def with_store(asked: list[Asked]) -> list[Beat]:
    with tempfile.TemporaryDirectory() as folder, closing(Store(f"{folder}/store.db", memory_limit=MEMORY)) as store:
        await store.warm_up()
        gc.freeze()  # as the proxy does once it has started
        numbers = iter(range(len(asked)))

        async def work(one: Asked) -> None:
            takes = await store.takes("", one.recording.identity.key)
            if takes:
                await store.replayable(takes[-1].id)
            else:
                await store.add(one.recording)
            store.calls.add(row(one, next(numbers)))

        return await lateness(asked, work)


async def with_nothing(asked: list[Asked]) -> list[Beat]:
    async def work(_one: Asked) -> None:
        await asyncio.sleep(0.01)

    return await lateness(asked, work)


def line(name: str, beats: list[float]) -> str:
    parts = statistics.quantiles(beats, n=1000)
    figures = "".join(f"{value * 1e3:9.2f}" for value in (parts[499], parts[989], parts[998], max(beats)))
    return f"{name:12}{figures} {sum(beat > LIMIT for beat in beats):6} of {len(beats):,}\n"


def main() -> None:
    asked = calls(random.Random(7))  # noqa: S311 - the same calls in every run
    gc.collect()
    found: dict[str, list[Beat]] = {"no store": [], "the store": []}
    for _ in range(ROUNDS):
        found["no store"] += asyncio.run(with_nothing(asked))
        found["the store"] += asyncio.run(with_store(asked))
    sys.stdout.write(f"{'ms late':12}{'p50':>9}{'p99':>9}{'p99.9':>9}{'longest':>9}  later than 20 ms\n")
    for name, beats in found.items():
        sys.stdout.write(line(name, [beat.late for beat in beats]))
        sys.stdout.write(line("  its work", [beat.busy for beat in beats]))


if __name__ == "__main__":
    main()
