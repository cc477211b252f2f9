"""How long it takes to find the recording nearest to a request among 100,000, and how often it is the right one.

Run as `python benchmarks/bench_nearest.py [RECORDINGS]`. The store is made anew in a temporary folder: prompts of ten
applications, each with its instructions and tools, some with a template around little that varies, some in
conversations. Asked for is a recorded request with a word or a date changed, or a setting, or a message more.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatreel.canonical import identify
from chatreel.explain import CANDIDATES, nearest
from chatreel.model import Identity, Piece, Recording, WireForm
from chatreel.store import Store

RNG = random.Random(11)  # noqa: S311 - the same store in every run
WORDS = ["".join(RNG.choices("abcdefghijklmnopqrstuvwxyz", k=RNG.randint(2, 9))) for _ in range(3_000)]
NAMES = [word.capitalize() for word in WORDS[:400]]
LOOKUPS = 400
BATCH = 256


def prose(words: int) -> str:
    """Words as a language has them: few of them often."""
    return " ".join(WORDS[min(int(RNG.paretovariate(0.6)), len(WORDS)) - 1] for _ in range(words))


def tool(name: str) -> dict[str, Any]:
    properties = {f"p{i}": {"type": "string", "description": prose(8)} for i in range(4)}
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "description": prose(20), "parameters": schema}}


APPLICATIONS = [
    {
        "model": RNG.choice(["gpt-4o", "gpt-4o-mini"]),
        "tools": [tool(f"tool_{number}_{i}") for i in range(RNG.randint(0, 6))],
        "system": f"Today is 2026-11-23. {prose(RNG.randint(40, 500))}",
        "template": f"{prose(60)} {{}} {prose(60)}",
    }
    for number in range(10)
]


def request() -> dict[str, Any]:
    """A request of one of the applications."""
    application: Any = RNG.choice(APPLICATIONS)
    kind = RNG.random()
    if kind < 0.3:  # a short question, of which many are alike
        texts = [f"What is the {RNG.choice(WORDS[:50])} of {RNG.choice(NAMES)} in {RNG.randint(1900, 2030)}?"]
    elif kind < 0.6:  # a template around little that varies
        texts = [application["template"].format(prose(6))]
    elif kind < 0.9:
        texts = [prose(RNG.randint(10, 150))]
    else:
        texts = [prose(RNG.randint(10, 60)) for _ in range(RNG.randint(3, 15))]
    messages = [{"role": "system", "content": application["system"]}]
    messages += [{"role": ("user", "assistant")[turn % 2], "content": text} for turn, text in enumerate(texts)]
    body = {"model": application["model"], "temperature": 0.2, "messages": messages}
    return body | ({"tools": application["tools"]} if application["tools"] else {})


def changed(body: dict[str, Any]) -> dict[str, Any]:
    """`body` with one change, of the kind that a developer makes or a clock."""
    messages = [dict(message) for message in body["messages"]]
    match RNG.randrange(4):
        case 0:
            words = messages[-1]["content"].split()
            words[RNG.randrange(len(words))] = "changed"
            messages[-1]["content"] = " ".join(words)
        case 1:
            messages[0]["content"] = messages[0]["content"].replace("2026-11-23", "2026-11-24")
        case 2:
            return body | {"temperature": 0.7}
        case _:
            messages.append({"role": "user", "content": prose(12)})
    return body | {"messages": messages}


def identity(body: dict[str, Any]) -> Identity:
    return identify(upstream="https://api.openai.com", path="/v1/chat/completions", query="", body=body)


PLAIN = Recording(
    identity=Identity("", b""),
    upstream="https://api.openai.com",
    path="/v1/chat/completions",
    model="gpt-4o",
    recorded_at=1.7e9,
    request=b"{}",
    status=200,
    headers=(),
    form=WireForm.JSON,
    body=b"{}",
    pieces=(Piece(0.5, 2),),
    completion=b"{}",
)


def bodies(count: int) -> Iterator[dict[str, Any]]:
    while count:
        count -= 1
        yield request()


async def fill(store: Store, count: int) -> list[dict[str, Any]]:
    """Record `count` requests; a sample of them."""
    sample = []
    waiting = []
    for number, body in enumerate(bodies(count)):
        if number % (count // LOOKUPS or 1) == 0:
            sample.append(body)
        waiting.append(store.add(replace(PLAIN, identity=identity(body), model=body["model"])))
        if len(waiting) == BATCH:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    return sample


async def look_up(store: Store, body: dict[str, Any]) -> tuple[float, float, bool]:
    """Seconds for the candidates, seconds in all, and whether one with only one difference was found."""
    asked = identity(changed(body)).document
    start = time.perf_counter()
    neighbours = await store.near("", asked, CANDIDATES)
    found_at = time.perf_counter()
    found = nearest(asked, [neighbour.document for neighbour in neighbours])
    done = time.perf_counter()
    return found_at - start, done - start, found is not None and len(found[1]) <= 1


async def measure(location: str, count: int) -> None:
    with closing(Store(location, memory_limit=0)) as store:
        start = time.perf_counter()
        sample = await fill(store, count)
        say(f"{count:,} recordings in {time.perf_counter() - start:.0f} s\n")
        results = [await look_up(store, body) for body in sample]
    for name, times in (("candidates", [r[0] for r in results]), ("in all", [r[1] for r in results])):
        p99 = statistics.quantiles(times, n=100)[98]
        say(f"{name:11} median {statistics.median(times) * 1e3:5.1f} ms, p99 {p99 * 1e3:5.1f} ms\n")
    say(f"found with one difference: {sum(r[2] for r in results)} of {len(results)}\n")


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        asyncio.run(measure(str(store), count))
        say(f"{store.stat().st_size / count:,.0f} bytes a recording\n")


if __name__ == "__main__":
    main()
