"""Whether anything that a stream passes through takes more time per byte, the longer the stream is.

Run as `python benchmarks/bench_wire.py`; it takes a minute or two. Everything is timed on streams of 5, 10 and 20 MB,
in turns, so that a busy machine slows all of them alike; figures are medians over the rounds. It fails, after a second
try, if a byte of the longest stream costs more than 1.6 times what one of the shortest does. Quadratic work is at 4.
"""

import gc
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from chatreel.engine.decoding import LIMIT, Decoder
from chatreel.engine.tee import Tee
from chatreel.model import JsonObject
from chatreel.wire.codec import dumps
from chatreel.wire.reading import read
from chatreel.wire.reassemble import reassemble
from chatreel.wire.rechunk import rechunk
from chatreel.wire.sse import DONE, SSEParser, encode, parse
from chatreel.wire.usage import UsageRemover

ROUNDS = 3
ATTEMPTS = 2
WORST_RATIO = 1.6
LONG_ENOUGH = 0.1
"""Seconds per figure, at least."""
SIZES = (5, 10, 20)
"""Megabytes, of a million bytes."""

READ = 64 * 1024
"""Bytes per read of a fast connection."""
WORD = 180
"""Bytes per read of a model that sends word by word."""
TINY = 20
"""Bytes per read of a stream that arrives in a million pieces."""

type Timed = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that streams pass through."""

    name: str
    prepare: Callable[[int], Timed]
    """What is to be timed for a stream of so many megabytes."""


def chunk(content: str, finish: str | None = None) -> bytes:
    """One event, `usage` in it as it is if the client has asked for it."""
    choice: JsonObject = {"index": 0, "delta": {"content": content}, "logprobs": None, "finish_reason": finish}
    head: JsonObject = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m-1"}
    return encode(dumps({**head, "choices": [choice], "usage": None}))


def words(megabytes: int) -> bytes:
    """A stream of many events, a word in each."""
    events = [chunk(f"word {number} ☕") for number in range(997)]
    times = megabytes * 1_000_000 // len(b"".join(events)) + 1
    return b"".join(events * times)[: megabytes * 1_000_000].rpartition(b"\n\n")[0] + b"\n\n" + ending()


def one_line(megabytes: int) -> bytes:
    """A stream of one event: audio and images travel like this (Q24)."""
    return chunk("QUJD" * (megabytes * 250_000)) + ending()


def after_done(megabytes: int) -> bytes:
    """A stream whose server does not stop when it has said that it is done."""
    return ending() + words(megabytes)


def ending() -> bytes:
    return chunk("", "stop") + encode(DONE)


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def fed(
    new: Callable[[], SSEParser | UsageRemover], stream: Callable[[int], bytes], size: int, megabytes: int
) -> Timed:
    pieces = cut(stream(megabytes), size)

    def run() -> None:
        taker = new()
        for piece in pieces:
            taker.feed(piece)
        taker.close()

    return run


def teed(stream: Callable[[int], bytes], size: int, megabytes: int) -> Timed:
    pieces = [*cut(stream(megabytes), size), b""]

    def run() -> tuple[bytes, object]:
        tee = Tee(0.0)
        for piece in pieces:
            tee(piece)
        return tee.body, tee.pieces

    return run


def decoded(megabytes: int) -> Timed:
    deflater = zlib.compressobj(wbits=31)
    pieces = [deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH) for piece in cut(words(megabytes), WORD)]
    pieces.append(deflater.flush())

    def run() -> None:
        undone = Decoder(["gzip"], limit=LIMIT)
        for piece in pieces:
            undone.feed(piece)
        undone.close()

    return run


def reading(stream: Callable[[int], bytes], megabytes: int) -> Timed:
    return partial(read, stream(megabytes))


def rechunked(megabytes: int) -> Timed:
    completion = reassemble(parse(words(megabytes)))
    return partial(rechunk, completion, include_usage=True)


SUBJECTS = (
    Subject("SSEParser, events", partial(fed, SSEParser, words, WORD)),
    Subject("SSEParser, one line", partial(fed, SSEParser, one_line, READ)),
    Subject("UsageRemover, events", partial(fed, UsageRemover, words, WORD)),
    Subject("UsageRemover, one line", partial(fed, UsageRemover, one_line, READ)),
    Subject("read, events", partial(reading, words)),
    Subject("read, one line", partial(reading, one_line)),
    Subject("rechunk, one message", rechunked),
    Subject("Tee, events", partial(teed, words, WORD)),
    Subject("Tee, one line", partial(teed, one_line, READ)),
    Subject("Tee, tiny pieces", partial(teed, words, TINY)),
    Subject("Tee, after [DONE]", partial(teed, after_done, TINY)),
    Subject("Decoder, gzip, events", decoded),
)


def timed(run: Timed) -> float:
    """Seconds of processor time; what is quick runs several times, since its figures would be mostly noise."""
    gc.collect()
    runs = 0
    start = time.process_time()
    while (taken := time.process_time() - start) < LONG_ENOUGH:
        run()
        runs += 1
    return taken / runs


def milliseconds_per_megabyte(subject: Subject) -> list[float]:
    """By size of stream."""
    rounds = [[timed(subject.prepare(size)) * 1_000 / size for size in SIZES] for _ in range(ROUNDS)]
    return [statistics.median(figures) for figures in zip(*rounds, strict=True)]


def measure() -> list[str]:
    """Print a table; the names of what does not grow in proportion."""
    sizes = "".join(f"{size:>5} MB" for size in SIZES)
    sys.stdout.write(f"ms per MB of stream   {sizes}   ratio\n")
    suspects = []
    for subject in SUBJECTS:
        costs = milliseconds_per_megabyte(subject)
        ratio = costs[-1] / costs[0]
        figures = "".join(f"{cost:8.2f}" for cost in costs)
        sys.stdout.write(f"{subject.name:22}{figures} {ratio:6.2f}x\n")
        sys.stdout.flush()
        if ratio > WORST_RATIO:
            suspects.append(subject.name)
    return suspects


def main() -> int:
    for _ in range(ATTEMPTS):
        suspects = measure()
        if not suspects:
            return 0
        sys.stdout.write(f"more than {WORST_RATIO} times as much per byte: {'; '.join(suspects)}\n\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
