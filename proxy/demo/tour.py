"""`chatreel demo`: record a dozen calls against a local model server, switch it off, replay them all."""

import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from openai import AsyncOpenAI
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from chatreel import talk
from chatreel.config import Settings, load_settings
from chatreel.demo.calls import CALLS, Call
from chatreel.demo.model_server import ModelServer
from chatreel.model import Mode
from chatreel.server import running_proxy

_PRICES = tuple(
    {"model": model, "upstream": "http://127.0.0.1:*", "input": ask, "output": say}
    for model, ask, say in (
        ("gpt-4o-mini", 0.15, 0.6),
        ("gpt-4o", 2.5, 10),
        ("gpt-4.1-mini", 0.4, 1.6),
        ("deepseek-reasoner", 0.55, 2.19),
    )
)
"""The model server charges nothing; that its calls have the price they have elsewhere shows what that looks like."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave the client."""

    seconds: float
    body: bytes
    cache_status: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One call, made for the first time and once more."""

    call: Call
    first: Answer
    replayed: Answer

    @property
    def equal(self) -> bool:
        """Whether the replay is the first answer, byte for byte, and came out of the store."""
        return self.first.body == self.replayed.body and "; hit" in self.replayed.cache_status


async def tour(*, pace: float) -> bool:
    """Run the tour and print what it found; whether every replay was equal. `pace`: times faster than a real model.

    What was recorded stays in a temporary folder, to be looked at.
    """
    store = str(Path(tempfile.mkdtemp(prefix="chatreel-demo-")) / "store.db")
    with ModelServer(pace=1 / pace) as server:
        talk.say(f"A model server of our own answers at {server.url}: no key, no network.")
        first = await _ask_all(_settings(server, store, Mode.CACHE), f"Recording {len(CALLS)} calls")
        upstream_calls = server.calls
        server.stop()
        talk.say("Recorded. The model server is switched off; the same calls again, in replay mode.")
        replayed = await _ask_all(_settings(server, store, Mode.REPLAY), f"Replaying {len(CALLS)} calls")
    pairs = [Pair(*triple) for triple in zip(CALLS, first, replayed, strict=True)]
    _report(pairs, upstream_calls)
    _what_next(store)
    return all(pair.equal for pair in pairs)


def _settings(server: ModelServer, store: str, mode: Mode) -> Settings:
    return load_settings(
        upstream=(f"{server.url}/v1",), mode=mode, store=store, host="127.0.0.1", port=0, price=_PRICES
    )


async def _ask_all(settings: Settings, title: str) -> list[Answer]:
    answers = []
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(running_proxy(settings))
        client = await stack.enter_async_context(AsyncOpenAI(base_url=proxy.base_url, api_key="none", max_retries=0))
        progress = stack.enter_context(_progress())
        task = progress.add_task(title, total=len(CALLS))
        for call in CALLS:
            progress.update(task, description=f"{title}: {call.title}")
            answers.append(await _ask(client, call))
            progress.advance(task)
    return answers


async def _ask(client: AsyncOpenAI, call: Call) -> Answer:
    """One call through the official client, to the last byte of its answer."""
    started = time.perf_counter()
    async with client.chat.completions.with_streaming_response.create(**call.arguments) as response:
        body = await response.read()
        return Answer(time.perf_counter() - started, body, response.headers.get("cache-status", ""))


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.completed:>2.0f}/{task.total:.0f} {task.description}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _report(pairs: Sequence[Pair], upstream_calls: int) -> None:
    table = Table(title="First call against replay")
    table.add_column("call")
    table.add_column("form")
    for heading in ("bytes", "first", "replay", "faster"):
        table.add_column(heading, justify="right")
    table.add_column("equal")
    for pair in pairs:
        table.add_row(
            pair.call.title,
            "stream" if pair.call.streams else "JSON",
            f"{len(pair.first.body):,}",
            f"{pair.first.seconds:.2f} s",
            f"{pair.replayed.seconds * 1e3:.1f} ms",
            f"{pair.first.seconds / pair.replayed.seconds:,.0f}x",
            "yes" if pair.equal else "[red]NO",
        )
    first = sum(pair.first.seconds for pair in pairs)
    replayed = sum(pair.replayed.seconds for pair in pairs)
    equal = sum(pair.equal for pair in pairs)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"{equal} of {len(pairs)} replays equal to the byte, answered while the model server was off.")
    console.print(
        f"{upstream_calls} calls reached the model server, {len(pairs)} were saved: "
        f"{first:.1f} seconds the first time, {replayed:.2f} on replay, {first - replayed:.1f} saved."
    )


def _what_next(store: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    program = shlex.quote(_program())
    console.print(f"See it in the browser: {program} dashboard --store {shlex.quote(store)}", markup=False)
    console.print(
        "Next: `chatreel serve` (in a clone: `make serve`), and point your client to http://127.0.0.1:8080/v1"
    )


def _program() -> str:
    """`chatreel` as one can type it here: in a clone it is in no folder that a shell looks into."""
    beside = Path(sys.executable).with_name("chatreel")
    if shutil.which("chatreel") or not beside.exists():
        return "chatreel"
    with suppress(ValueError):
        return str(beside.relative_to(Path.cwd()))
    return str(beside)
