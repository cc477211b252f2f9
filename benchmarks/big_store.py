"""A store as it is after months of use, made fast: rows in bulk instead of call after call.

Run as `python benchmarks/big_store.py FILE [RECORDINGS]`; three rows of the log for each recording. What is in it is
what a proxy would have put there, byte by byte: keys, documents, completions, marks and arrival times are real, so that
`chatreel verify` finds nothing wrong with it.
"""

import random
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import batched
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from chatreel import sketch
from chatreel.canonical import KeyOptions, identify, keyed_by
from chatreel.model import Mode, Outcome, Piece, WireForm
from chatreel.store import arrivals, payloads
from chatreel.store.database import open_engine, store_url
from chatreel.store.schema import KEYED_BY, calls, marks, meta, recordings
from chatreel.store.usual import packed_headers
from chatreel.wire.codec import dumps
from chatreel.wire.reading import read

RNG = random.Random(5)  # noqa: S311 - the same store in every run
WORDS = ["".join(RNG.choices("abcdefghijklmnopqrstuvwxyz", k=RNG.randint(2, 9))) for _ in range(3_000)]
MODELS = ["gpt-4o-mini", "gpt-4o", "o4-mini", "llama-3.3-70b", "mistral-large"]
UPSTREAMS = ["https://api.openai.com", "https://api.groq.com", "https://openrouter.ai"]
DAYS = 90
NOW = 1_790_000_000
BATCH = 2_000
CALLS_PER_RECORDING = 3
PATH = "/v1/chat/completions"
HEADERS = packed_headers((("content-type", "application/json"), ("x-request-id", "req_0123456789")))


def prose(words: int) -> str:
    """Words as a language has them: few of them often."""
    return " ".join(WORDS[min(int(RNG.paretovariate(0.6)), len(WORDS)) - 1] for _ in range(words))


SYSTEMS = [prose(RNG.randint(40, 500)) for _ in range(10)]
ANSWERS = [prose(RNG.randint(20, 250)) for _ in range(400)]


def request(number: int) -> dict[str, Any]:
    """A request of one of ten applications, one in four of them in the middle of a conversation."""
    messages = [{"role": "system", "content": RNG.choice(SYSTEMS)}]
    for _ in range(RNG.choice([0, 0, 0, 3])):
        messages += [{"role": "user", "content": prose(20)}, {"role": "assistant", "content": RNG.choice(ANSWERS)}]
    messages.append({"role": "user", "content": f"{prose(RNG.randint(8, 60))} {number}"})
    return {"model": RNG.choice(MODELS), "temperature": 0.2, "messages": messages, "stream": number % 2 == 0}


def response(body: dict[str, Any], number: int) -> bytes:
    """A JSON answer, or a stream of one chunk for each word."""
    text = RNG.choice(ANSWERS)
    head = {"id": f"chatcmpl-{number}", "created": NOW, "model": body["model"]}
    usage = {"prompt_tokens": 400, "completion_tokens": 120, "total_tokens": 520}
    if not body["stream"]:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return orjson.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": f"{word} "}, None) for word in text.split()]
    chunks = [
        {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in [*deltas, ({}, "stop")]
    ]
    chunks.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return b"".join(b"data: %b\n\n" % orjson.dumps(chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def arrival(body: bytes) -> tuple[Piece, ...]:
    """One piece for each event of a stream."""
    sizes = [len(event) + 2 for event in body.split(b"\n\n")[:-1]] or [len(body)]
    at = 0.3 + RNG.random()
    pieces = []
    for size in sizes:
        pieces.append(Piece(at, size))
        at += RNG.expovariate(60)
    return tuple(pieces)


class Filler:
    """Writes recordings and rows of the log in bulk."""

    def __init__(self, count: int) -> None:
        """`count`: recordings that there will be."""
        self._count = count
        self._frequencies: Counter[int] = Counter()

    def record(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Add the recordings of these numbers."""
        rows, contents, found = [], [], []
        for number in numbers:
            body = request(number)
            answer, upstream = response(body, number), RNG.choice(UPSTREAMS)
            identity = identify(upstream=upstream, path=PATH, query="", body=body)
            contents += [identity.document, orjson.dumps(body), answer, dumps(read(answer).completion)]
            chosen = sketch.worth_storing(sketch.marks(identity.document, ""), self._frequencies)
            self._frequencies.update(chosen)
            found += [{"mark": mark, "recording_id": number} for mark in chosen]
            rows.append(
                {
                    "id": number,
                    "cassette": "",
                    "key": identity.key,
                    "upstream": upstream,
                    "path": PATH,
                    "query": "",
                    "tenant": None,
                    "model": body["model"],
                    "recorded_at": _made_at(number, self._count),
                    "status": 200,
                    "headers": HEADERS,
                    "form": (WireForm.SSE if body["stream"] else WireForm.JSON).value,
                    "usage_added": False,
                    "pieces": arrivals.pack(arrival(answer)),
                }
            )
        stored = batched(payloads.put(connection, contents), 4)
        for row, (document, asked, sent, completion) in zip(rows, stored, strict=True):
            row |= {"document": document, "request": asked, "body": sent, "completion": completion}
        connection.execute(recordings.insert(), rows)
        connection.execute(marks.insert(), found)

    def log(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Add these rows of the log: each recording was made by one, the rest are hits and a few that were refused."""
        connection.execute(calls.insert(), [_call(number, self._count) for number in numbers])


def _made_at(number: int, count: int) -> float:
    return NOW - DAYS * 86_400 * (1 - number / count)


def _call(number: int, count: int) -> dict[str, Any]:
    recording = (number - 1) // CALLS_PER_RECORDING + 1
    outcome = Outcome.HIT
    if number % CALLS_PER_RECORDING == 1:
        outcome = Outcome.RECORDED
    elif RNG.random() < 0.05:
        outcome = Outcome.REFUSED
    made_at = _made_at(recording, count)
    hit = outcome is Outcome.HIT
    return {
        "call_id": str(UUID(int=number, version=4)),
        "started_at": made_at + (RNG.random() * (NOW - made_at) if outcome is not Outcome.RECORDED else 0.0),
        "outcome": outcome.value,
        "reason": "" if outcome is not Outcome.REFUSED else f"No recording matches this request. {prose(20)}",
        "mode": Mode.CACHE.value,
        "cassette": "",
        "upstream": RNG.choice(UPSTREAMS),
        "path": PATH,
        "query": "",
        "tenant": None,
        "model": RNG.choice(MODELS),
        "stream": recording % 2 == 0,
        "status": 504 if outcome is Outcome.REFUSED else 200,
        "key": f"v1:{recording:064x}",
        "recording_id": recording if outcome is not Outcome.REFUSED else None,
        "latency": RNG.expovariate(400) if hit else 0.5 + RNG.expovariate(0.7),
        "first_piece": None if hit else 0.4,
    }


def fill(location: str, count: int) -> None:
    """Make a store of `count` recordings. Raises `StoreError`."""
    engine = open_engine(store_url(location))
    try:
        with engine.begin() as connection:
            connection.execute(meta.insert(), {"name": KEYED_BY, "value": keyed_by(KeyOptions())})
        filler = Filler(count)
        for work, rows in ((filler.record, count), (filler.log, count * CALLS_PER_RECORDING)):
            for numbers in batched(range(1, rows + 1), BATCH):
                with engine.begin() as connection:
                    work(connection, numbers)
    finally:
        engine.dispose()


def main() -> None:
    location = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    fill(location, count)
    sys.stdout.write(f"{count:,} recordings, {Path(location).stat().st_size / 1e6:,.0f} MB\n")


if __name__ == "__main__":
    main()
