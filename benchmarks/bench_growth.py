"""Whether a store that has grown is as fast as a small one, and what it takes to look after it.

Run as `python benchmarks/bench_growth.py [RECORDINGS]`. What `ls`, `export` and `stats` take on stores of growing size,
by the processor's time, the start of the program included. Then two proxies take turns, one on 1,000 recordings and one
on as many as are named: the same calls, each answer checked; cold, each key once, and hot; new proxies in each round.
At last that of the large store is asked for so many more streams that they fill its memory. The calls were recorded one
after the other and come in this order, as in a test suite; with `--anywhere` they come in no order, and what they ask
for lies anywhere among the others. `--quick` shows that it all works; its figures say nothing.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench_commands import CHATREEL, say, seconds
from bench_hits import Row, Scenario, cost_of, fill, generate, measure
from hits.corpus import Form, call
from hits.load import Spec
from hits.servers import Server, free_port, machine, started

from chatreel.store.coding import ONE, encode
from chatreel.store.schema import recordings

SMALL = 1_000
"""Recordings in the store that the other is compared with. The large one has them, too."""
WARM = 100
"""Calls that a proxy is asked for first."""
BEGUN = 2.0
"""Seconds in which a proxy that listens imports what hits do without: the one that was started last would be slower."""
STREAM = 46_000
"""Bytes that a stream takes of the memory, as `chatreel.store.store` counts."""
GOAL = 1.2
MIB = 1 << 20
DAYS = 90
HIT = "cache-status: chatreel; hit"
COMMANDS = {
    "`ls`": ["ls"],
    "`export`": ["export", "--to", "{folder}/log.duckdb"],
    "`stats`": ["stats"],
    "`ls --search`": ["ls", "--search", "no such text"],
}
SCENARIOS = tuple(
    Scenario(
        f"{'cold' if cold else 'hot'}, {clients} client{'s' if clients > 1 else ''}", Form.JSON, clients, "", GOAL, cold
    )
    for cold in (True, False)
    for clients in (1, 16)
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long it takes."""

    sizes: tuple[int, ...]
    """Recordings for which commands are measured; the last of them is that of the large store."""
    rounds: int
    seconds: float
    memory: int
    """Bytes, of each proxy."""
    anywhere: bool = False
    """Whether what is asked for lies in no order, and apart from each other in the large store."""

    @property
    def calls(self) -> list[int]:
        """Numbers of the calls that are asked for, in the order in which they are recorded."""
        return random.Random(1).sample(range(SMALL), SMALL) if self.anywhere else list(range(SMALL))  # noqa: S311


def grow(path: Path, count: int, *, anywhere: bool) -> None:
    """Have a store that `fill` has made hold so many recordings, the others made in bulk.

    Each of those has a key, an answer and a row of the log of its own. The request is that of the first recording, and
    there are no marks, which only a miss reads: nobody asks for them. They lie behind those that are there, or between.
    """
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")  # KiB: the digests are in no order
        with connection:
            (there,) = connection.execute("SELECT count(*) FROM recordings").fetchone()
            (last,) = connection.execute("SELECT max(id) FROM payloads").fetchone()
            if anywhere:
                first, room = 1, max(2, count // last)
                make_room(connection, room)
            else:
                first, room = last + 1, _NO_ROOM
            free = (number for number in itertools.count(first) if number % room)
            answers = _answers(range(_OTHERS, _OTHERS + count - there))
            connection.executemany(_ADD_PAYLOAD, ((number, *row) for number, row in zip(free, answers, strict=False)))
            made = {"first": first, "room": room}
            connection.execute(_ADD_RECORDINGS, {**made, "apart": DAYS * 86_400 / count})
            connection.execute(_ADD_CALLS, made)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("rb") as file:
        os.fsync(file.fileno())  # a machine that still writes a gigabyte is another one than the small store has


def make_room(connection: sqlite3.Connection, room: int) -> None:
    """Have each number be so many times what it is."""
    for table, columns in _NUMBERS.items():
        for change in (f"-{room} * ", "-"):  # there and back: none may meet another on its way
            changed = ", ".join(f"{column} = {change}{column}" for column in columns)
            connection.execute(f"UPDATE {table} SET {changed}")  # noqa: S608 - names of ours


def _answers(numbers: range) -> Iterator[tuple[bytes, int, str, bytes]]:
    """Rows of payloads."""
    template = call(Form.JSON, 0).answer
    for number in numbers:
        content = template.replace(b"00000000", b"%08d" % number)
        data = encode(content, b"")
        assert data is not None  # noqa: S101 - it is a text, which becomes shorter
        yield sha256(content).digest(), len(content), ONE, data


_OTHERS = 10_000_000
"""Number of the first call of those that are made in bulk: all before may have been recorded."""
_NO_ROOM = 1 << 40
"""Of no number a multiple: all that begin behind the last one are free."""
_NUMBERS = {
    "payloads": ("id", "base"),
    "recordings": ("id", "document", "request", "body", "completion"),
    "marks": ("recording_id",),
    "calls": ("recording_id", "request"),
}
"""Those of payloads and of recordings, by table."""
_ADD_PAYLOAD = "INSERT INTO payloads (id, digest, size, codec, data) VALUES (?, ?, ?, ?, ?)"
_OWN = {
    "id": "p.id",
    "key": "'v1:' || lower(hex(randomblob(32)))",
    "recorded_at": "t.recorded_at - :apart * (p.id - :first)",
    "body": "p.id",
    "completion": "p.id",
}
_NAMES = [column.name for column in recordings.c]
_ADD_RECORDINGS = f"""
INSERT INTO recordings ({", ".join(_NAMES)})
SELECT {", ".join(_OWN.get(name, f"t.{name}") for name in _NAMES)}
  FROM payloads p, recordings t
 WHERE p.id >= :first AND p.id % :room AND t.id = (SELECT min(id) FROM recordings) ORDER BY p.id
"""  # noqa: S608 - names of ours
_ADD_CALLS = """
INSERT INTO calls (call_id, started_at, outcome, reason, mode, cassette, upstream, path, query, model, stream, status,
                   key, recording_id, latency, first_piece, prompt_tokens, completion_tokens, cost, price_source)
SELECT printf('00000000-0000-4000-8000-%012x', id), recorded_at, 'recorded', '', 'cache', cassette, upstream, path,
       query, model, 0, 200, key, id, 0.5 + id % 100 / 100.0, 0.4, 320, 140, 2200000, 'override'
  FROM recordings WHERE id >= :first AND id % :room
"""


def serve(stack: contextlib.ExitStack, store: Path) -> Server:
    """A proxy that listens."""
    port = free_port()
    flags = ["--store", str(store), "--mode", "replay", "--port", str(port)]
    return stack.enter_context(started(store.stem, [*CHATREEL, "serve", *flags], store.parent, port, says=HIT))


def take_turn(rows: Sequence[Row], few: Server, many: Server, seconds: float, *, large_first: bool) -> None:
    """One round, with proxies that have read nothing yet; cold calls come before those that are hot."""
    for server in (few, many):
        generate(Spec(server.port, Form.JSON, 0, WARM, 16, 0, says=HIT))  # what the first calls of a process take
    time.sleep(BEGUN)
    cold = (SMALL - WARM) // sum(row.scenario.cold for row in rows)
    fresh = WARM
    for row in rows:
        first, count, lasts = (fresh, cold, 0.0) if row.scenario.cold else (0, SMALL, seconds)
        fresh += cold * row.scenario.cold
        pairs = [(row.ours, many), (row.others, few)]
        for found, server in pairs if large_first else reversed(pairs):
            spec = Spec(server.port, Form.JSON, first, count, row.scenario.clients, lasts, says=HIT)
            found.append(measure(server, spec))


def take_turns(plan: Plan, small: Path, large: Path, streams: int) -> list[Row]:
    """All rounds. Says what the last proxies take, and the large one's when so many streams have filled its memory."""
    rows = [Row(scenario) for scenario in SCENARIOS]
    for turn in range(plan.rounds):
        with contextlib.ExitStack() as stack:
            few, many = (serve(stack, store) for store in (small, large))
            take_turn(rows, few, many, plan.seconds, large_first=turn % 2 == 1)
            if turn == plan.rounds - 1:
                say(f"\nMB resident: small {few.memory() / MIB:.0f}, large {many.memory() / MIB:.0f};")
                # Not those that were asked for as JSON: a stream of the same call is another take of the same key.
                generate(Spec(many.port, Form.STREAM, SMALL, streams, 16, 0, says=HIT))
                filled = f"for a memory of {plan.memory / MIB:.0f} MiB, {many.memory() / MIB:.0f}"
                say(f"large after {streams:,} streams more, {filled}\n")
    return rows


def ratio(row: Row, measured: str) -> float:
    """Of the large store's figures to the small one's."""
    return Row(dataclasses.replace(row.scenario, measure=measured), row.ours, row.others).ratio


def table(rows: Sequence[Row]) -> str:
    """In Markdown: milliseconds, and microseconds of the server's processor for a request."""
    lines = [
        f"| | median: small, large | ratio (<= {GOAL}) | p99: small, large | ratio | CPU us: small, large |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.scenario.name]
        for measured in ("p50", "p99"):
            both = [statistics.median(figure.of(measured) for figure in figures) for figures in (row.others, row.ours)]
            cells += [", ".join(f"{value * 1e3:.2f}" for value in both), f"{ratio(row, measured):.2f}"]
        cells.append(", ".join(f"{cost_of(figures):.0f}" for figures in (row.others, row.ours)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def look_after(store: Path) -> str:
    """A row of a table: what each command takes."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM recordings").fetchone()
    taken = []
    for command in COMMANDS.values():
        with tempfile.TemporaryDirectory() as folder:
            words = [word.format(folder=folder) for word in command]
            taken.append(f"{seconds([*CHATREEL, *words, '--store', str(store)])[1]:.2f} s")
    return f"| {' | '.join([f'{count:,}', f'{store.stat().st_size / 1e6:,.0f}', *taken])} |"


def run(plan: Plan, folder: Path) -> None:
    """All of it, told as it goes."""
    small, streams = folder / "small.db", round(1.1 * plan.memory / STREAM)
    asyncio.run(fill(str(small), [(Form.JSON, number) for number in plan.calls]))
    say(f"| recordings | MB | {' | '.join(COMMANDS)} |")
    say("|---" * (2 + len(COMMANDS)) + "|")
    for size in plan.sizes:
        large = folder / f"{size}.db"
        shutil.copy(small, large)
        if size == plan.sizes[-1]:
            asyncio.run(fill(str(large), [(Form.STREAM, SMALL + number) for number in range(streams)]))
        grow(large, size, anywhere=plan.anywhere)
        say(look_after(large))
    (folder / "chatreel.toml").write_text(f'memory = "{plan.memory}B"\n')
    say(f"\n{table(take_turns(plan, small, large, streams))}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each server in each hot scenario of a round")
    parser.add_argument("--memory", type=int, default=256, help="MiB")
    parser.add_argument("--anywhere", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sizes = tuple(sorted({given.recordings // 100, given.recordings // 10, given.recordings}))
    full = Plan(sizes, given.rounds, given.seconds, given.memory * MIB, given.anywhere)
    plan = Plan((2_000, 4_000), 1, 0.3, 4 * MIB, given.anywhere) if given.quick else full
    say(f"{machine()}; medians of {plan.rounds} rounds\n")
    with tempfile.TemporaryDirectory() as folder:
        run(plan, Path(folder))


if __name__ == "__main__":
    main()
