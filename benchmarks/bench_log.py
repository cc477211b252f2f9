"""What it costs a hit that no kill takes its row of the log: the event loop's own processor time, with and without.

Run as `python benchmarks/bench_log.py [HITS]`. A hit is what the recorder does of it, from the body of the request to
the answer: an HTTP server around it takes several times as long. Rounds with the file and without it take turns.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import tempfile
import time
from contextlib import closing

import orjson

from chatreel.exchange import Answered, Asked
from chatreel.model import Mode, Piece
from chatreel.recorder import Recorder
from chatreel.recordings import StoreRecordings
from chatreel.session import Session
from chatreel.store import Call, Store
from chatreel.store.spool import Written
from chatreel.upstreams import Upstreams

ROUNDS = 20
MEMORY = 64_000_000
ANSWER = orjson.dumps(
    {
        "id": "1",
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
)


def request(text: str) -> Asked:
    target = Upstreams.parse(("https://h",)).target("/v1/chat/completions")
    assert target is not None  # noqa: S101 - for the type checker
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
    return Asked(target, orjson.dumps(body), tags=("team=search",))


def without(_call: Call, _answered_at: float | None = None) -> Written:
    return lambda: None


async def round_of(recorder: Recorder, session: Session, store: Store, asked: Asked, hits: int) -> float:
    """Seconds of this thread's processor time per hit."""
    started = time.thread_time()
    for _ in range(hits):
        await recorder.open(asked, session)
    taken = (time.thread_time() - started) / hits
    await store.settled()
    store.tidy()
    return taken


async def bench(hits: int) -> tuple[list[float], list[float]]:
    with tempfile.TemporaryDirectory() as folder, closing(Store(f"{folder}/store.db", memory_limit=MEMORY)) as store:
        recorder, session = Recorder(store), Session(Mode.CACHE, StoreRecordings(store))
        asked = request("What is the capital of France? " * 30)
        made = await recorder.open(asked, session)
        await recorder.finish(made, Answered(200, (), ANSWER, (Piece(0.5, len(ANSWER)),)))
        kept = store._spool.add  # noqa: SLF001 - what is measured
        found: tuple[list[float], list[float]] = ([], [])
        for number in range(2 * ROUNDS):
            store._spool.add = (kept, without)[number % 2]  # type: ignore[method-assign, assignment]  # noqa: SLF001
            found[number % 2].append(await round_of(recorder, session, store, asked, hits))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hits", type=int, nargs="?", default=1_000)
    logging.disable()
    with_file, without_file = asyncio.run(bench(parser.parse_args().hits))
    one, other = (statistics.median(times) * 1e6 for times in (with_file, without_file))
    ratio = statistics.median(a / b for a, b in zip(with_file, without_file, strict=True))
    sys.stdout.write(f"a hit with its row in a file {one:.1f} us, without {other:.1f} us: ratio {ratio:.3f}\n")


if __name__ == "__main__":
    main()
