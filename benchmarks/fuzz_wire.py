"""Bytes that nobody would send, through everything that reads bytes: nothing may fail, hang or eat memory.

Run as `python benchmarks/fuzz_wire.py --seconds 180 --seed 1`. Inputs are arbitrary, or are the cassettes' bodies (and
those of the recordings, where they lie beside the repository) with something done to them; each has a seed of its own,
and `--seed SEED --inputs 1` repeats it. Besides, what is promised of any input is held against it: that cutting it
elsewhere makes no difference, that what goes in comes out. Prints what became of them; fails if there was a finding.
"""

import argparse
import faulthandler
import re
import resource
import signal
import sys
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random

import brotli
import zstandard

from chatreel.canonical import parse_body
from chatreel.engine.decoding import BrokenCoding, decoder
from chatreel.engine.tee import Tee
from chatreel.errors import Malformed, NotKeyable
from chatreel.wire.convert import NotConvertible, to_json, to_sse
from chatreel.wire.reading import Reading, Verdict, read
from chatreel.wire.reassemble import normalise, reassemble
from chatreel.wire.rechunk import rechunk, with_ids
from chatreel.wire.sse import SSEParser, parse
from chatreel.wire.usage import UsageRemover, without_usage
from fuzz_inputs import corpus, cut, flipped, made, repeated, shortened, truncated

BUDGET = 4.0
"""Seconds of processor time that a target may take for one input."""
MEMORY = 1536 * 2**20
"""Bytes of address space for the whole process."""
DECODED = 16 * 2**20
"""Bytes that a decoder may make of an input."""

_DONE_LINE = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\]")

type Outcome = str
type Target = Callable[[Random, bytes], Outcome]


class OutOfTime(BaseException):
    """No handler for errors may catch it."""


def check(law: bool, what: str) -> None:
    """What holds for every input has to hold for this one."""
    if not law:
        raise AssertionError(what)


def parser(rng: Random, body: bytes) -> Outcome:
    lenient = rng.random() < 0.5
    taker = SSEParser(lenient=lenient)
    events = [event for piece in cut(rng, body) for event in taker.feed(piece)] + taker.close()
    check(events == parse(body, lenient=lenient), "events depend on how the body is cut")
    return "events" if events else "no events"


def usage_remover(rng: Random, body: bytes) -> Outcome:
    remover = UsageRemover()
    passed = b"".join([remover.feed(piece) for piece in cut(rng, body)]) + remover.close()
    check(passed == without_usage(body), "what is taken out depends on how the body is cut")
    return "as it came" if passed == body else "taken out"


def answers(rng: Random, body: bytes) -> Outcome:
    reading = read(
        body,
        status=rng.choice((200, 200, 200, 200, 400, 500)),
        clean_end=rng.random() < 0.9,
        content_type=rng.choice(("", "application/json", "text/event-stream; charset=utf-8", ";;")),
        lenient=rng.random() < 0.3,
    )
    convertible = [answered(reading, include_usage) for include_usage in (None, True, False)]
    check(all(convertible) or reading.verdict in (Verdict.TRUNCATED, Verdict.CORRUPT), "not convertible for no reason")
    if reading.verdict is Verdict.COMPLETE and reading.completion is not None:
        whole = with_ids(reading.completion, "seed")
        again = reassemble(parse(rechunk(whole, include_usage=True)))
        check(again == normalise(whole), "the round trip changes the completion")
    return f"{reading.form} {reading.verdict}"


def answered(reading: Reading, include_usage: bool | None) -> bool:
    """Whether there is an answer in both forms; those of a complete reading have to be complete again."""
    try:
        both = to_json(reading, "seed"), to_sse(reading, "seed", include_usage)
    except NotConvertible:
        return False
    if reading.verdict is Verdict.COMPLETE and not reading.ignored_lines and include_usage is not False:
        # Without its usage a stream may be without the only sign of its end, so that law has an exception.
        for answer in both:
            again = read(answer.body, status=answer.status, content_type=answer.content_type)
            check(again.verdict is Verdict.COMPLETE, f"a complete reading becomes {again.verdict}: {again.reason}")
    return True


def tee(rng: Random, body: bytes) -> Outcome:
    taker = Tee(time.perf_counter(), length=rng.choice((None, len(body), len(body) // 2)))
    passed: list[bytes] = []
    for piece in cut(rng, body):
        out = taker(piece)
        passed += [out] if isinstance(out, bytes) else out
    check(all(passed), "an empty piece ends the client's stream")
    check(not _DONE_LINE.search(b"".join(passed)), "the sentinel is passed on before the end")
    end = taker(b"")
    check(isinstance(end, bytes) and b"".join(passed) + end == body, "what goes in does not come out")
    check(taker.body == body and sum(piece.size for piece in taker.pieces) == len(body), "what goes in is not kept")
    return "end held back" if end else "nothing held back"


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: zlib.compress(body, wbits=31),
    "deflate": lambda body: zlib.compress(body, wbits=15 if len(body) % 2 else -15),
    "br": lambda body: bytes(brotli.compress(body, quality=1)),
    "zstd": lambda body: zstandard.compress(body, 1),
}


def decoding(rng: Random, body: bytes) -> Outcome:
    names = rng.choices(sorted(ENCODERS), k=rng.choice((1, 1, 2)))
    encoded = body
    for name in names:
        encoded = ENCODERS[name](encoded)
    intact = rng.random() < 0.3
    if not intact:
        encoded = rng.choice((flipped, shortened, repeated, truncated))(rng, encoded, [])
    if rng.random() < 0.05:
        encoded = body
    outcome = undone(names, [encoded])
    check(outcome == undone(names, cut(rng, encoded)), "what is decoded depends on how the body is cut")
    check(not intact or encoded == body or outcome == body, "an intact body is not decoded")
    return "broken" if outcome is None else "decoded"


def undone(names: list[str], pieces: list[bytes]) -> bytes | None:
    """None if the body is broken."""
    found = decoder(", ".join(names), limit=DECODED)
    check(found is not None, "no decoder for codings that are known")
    with suppress(BrokenCoding):
        return b"".join(map(found.feed, pieces)) + found.close() if found else None
    return None


def request_body(_rng: Random, body: bytes) -> Outcome:
    try:
        parse_body(body)
    except (Malformed, NotKeyable) as error:
        return type(error).__name__
    return "read"


TARGETS: dict[str, Target] = {
    "SSEParser": parser,
    "UsageRemover": usage_remover,
    "read, to_json, to_sse": answers,
    "Tee": tee,
    "Decoder": decoding,
    "parse_body": request_body,
}


@contextmanager
def within_budget() -> Iterator[None]:
    """Time is measured on the processor: a busy machine is no finding."""
    signal.setitimer(signal.ITIMER_PROF, BUDGET)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def out_of_time(_signal: int, _frame: object) -> None:
    raise OutOfTime(f"took more than {BUDGET} s")


def place_of(error: BaseException) -> str:
    """Where it was raised, so that each finding is told once."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {last.filename}:{last.lineno} {error if isinstance(error, AssertionError) else ''}"


@dataclass(slots=True)
class Report:
    """What became of the inputs."""

    inputs: int = 0
    size: int = 0
    """Bytes of all inputs."""
    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    slowest: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Seconds of processor time and the seed of the input, by target."""
    found: Counter[str] = field(default_factory=Counter)

    def add(self, seed: int, body: bytes) -> None:
        """One input through all targets."""
        self.inputs += 1
        self.size += len(body)
        for name, target in TARGETS.items():
            faulthandler.dump_traceback_later(60, exit=True)  # for what not even a signal interrupts
            start = time.process_time()
            outcome = self._outcome(name, target, seed, body)
            taken = time.process_time() - start
            self.outcomes[name, outcome] += 1
            self.slowest[name] = max(self.slowest.get(name, (0.0, 0)), (taken, seed))
        faulthandler.cancel_dump_traceback_later()

    def _outcome(self, name: str, target: Target, seed: int, body: bytes) -> Outcome:
        try:
            with within_budget():
                return target(Random(seed), body)  # noqa: S311 - the same inputs in every run
        except (Exception, OutOfTime) as error:
            place = place_of(error)
            self.found[place] += 1
            if self.found[place] == 1:
                sys.stdout.write(f"\n{name}, --seed {seed} --inputs 1, {len(body):,} bytes: {body[:200]!r}\n")
                traceback.print_exc(file=sys.stdout)
            return "FAILED"

    def lines(self) -> Iterator[str]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield f"{self.inputs:,} inputs, {self.size / 1e6:,.1f} MB; {peak:,.0f} MB of memory at most"
        for (name, outcome), times in sorted(self.outcomes.items()):
            yield f"{name:22} {outcome:18} {times:8,}"
        for name, (seconds, seed) in self.slowest.items():
            yield f"{name:22} at most {seconds * 1e3:8,.0f} ms, for seed {seed}"
        for place, times in self.found.most_common():
            yield f"FOUND {times:,} times: {place}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--seed", type=int, default=1, help="of the first input; each of the next has the next one")
    arguments.add_argument("--inputs", type=int, help="stop after so many")
    options = arguments.parse_args()
    signal.signal(signal.SIGPROF, out_of_time)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    bodies = corpus()
    sys.stdout.write(f"{len(bodies)} bodies to start from\n")
    report = Report()
    end = time.monotonic() + options.seconds
    for seed in range(options.seed, options.seed + options.inputs) if options.inputs else count(options.seed):
        if time.monotonic() > end:
            break
        report.add(seed, made(Random(seed), bodies))  # noqa: S311 - the same inputs in every run
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
