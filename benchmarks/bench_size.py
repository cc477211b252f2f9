"""Bytes on disk per call of an agent's conversation: in a store, as VCR.py writes it, and as plain JSON rows in SQLite.

Run as `python benchmarks/bench_size.py [--turns 50] [--results 3000] [--conversations 5]`: medians, and how far the
conversations lie apart. Each turn asks with all that was said before, ten tools and a system prompt; the model calls a
tool, every other time as a stream, whose result of 0.5 to 3 KB ends the next request: how much tools bring differs, so
the most can be said. What is said is real text: sentences of Python's manual, and as results its sources, lists of
records, logs. The store is what `chatreel serve` makes of it, everything in it: log, indexes, marks, and the usage
asked for of each stream. An empty store has some twenty tables and indexes of a page each, which a short conversation
has to itself.
"""

import argparse
import asyncio
import inspect
import json
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median
from typing import Any

from vcr.request import Request
from vcr.serialize import serialize
from vcr.serializers import yamlserializer

from chatreel.exchange import Answered, Asked
from chatreel.model import Mode, Piece
from chatreel.recorder import Recorder
from chatreel.recordings import StoreRecordings
from chatreel.session import Session
from chatreel.store import Store
from chatreel.upstreams import Upstreams

URL = "https://api.openai.com/v1/chat/completions"
MEMORY = 64_000_000
RNG = random.Random()  # noqa: S311 - seeded: the same conversations in every run
SENTENCES = [
    " ".join(sentence.split()) for text in topics.values() for sentence in re.findall(r"[A-Z][^.*`|\\]{30,160}\.", text)
]
SOURCES = [inspect.getsource(module) for module in (argparse, asyncio.tasks, inspect, json.decoder, random, tempfile)]
WORDS = sorted({word.lower() for sentence in SENTENCES for word in re.findall(r"[a-z]{4,9}", sentence)})

REQUEST_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
    "content-type": "application/json",
    "host": "api.openai.com",
    "user-agent": "OpenAI/Python 3.54.0",
    "x-stainless-arch": "x64",
    "x-stainless-async": "false",
    "x-stainless-lang": "python",
    "x-stainless-os": "Linux",
    "x-stainless-package-version": "3.54.0",
    "x-stainless-retry-count": "0",
    "x-stainless-runtime": "CPython",
    "x-stainless-runtime-version": "3.13.0",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One turn as it travelled."""

    request: bytes
    headers: dict[str, str]
    pieces: list[bytes]
    times: list[float]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def prose(sentences: int) -> str:
    return " ".join(RNG.choices(SENTENCES, k=sentences))


def words(number: int) -> list[str]:
    return RNG.choices(WORDS, k=number)


def token() -> str:
    return "".join(RNG.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=24))


def tool(number: int) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": prose(1)} for name in words(4)}
    schema = {"type": "object", "properties": properties, "required": list(properties)[:2]}
    return {"type": "function", "function": {"name": f"tool_{number}", "description": prose(2), "parameters": schema}}


def result(most: int) -> str:
    """What a tool has found, 500 to `most` bytes: part of a file, records, or lines of a log."""
    size = RNG.randint(500, most)
    kind = RNG.randrange(3)
    if kind == 0:
        source = RNG.choice(SOURCES)
        start = RNG.randrange(max(1, len(source) - size))
        return source[start : start + size]
    found: list[Any] = []
    while len(json.dumps(found)) < size:
        if kind == 1:
            found.append(
                {"id": RNG.randrange(10**6), "path": "/".join(words(3)), "score": RNG.random(), "text": prose(1)}
            )
        else:
            found.append(
                f"2026-11-24 09:{RNG.randint(10, 59)}:{RNG.randint(10, 59)} INFO {'.'.join(words(2))} {prose(1)}"
            )
    return json.dumps(found) if kind == 1 else "\n".join(found)


def conversation(turns: int, most: int) -> Iterator[Call]:
    """The calls of an agent, in order. `most`: bytes that a tool brings."""
    tools = [tool(number) for number in range(10)]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": prose(25)},
        {"role": "user", "content": prose(4)},
    ]
    for turn in range(turns):
        streams = turn % 2 == 1
        body = {"model": "gpt-4.1", "messages": messages, "tools": tools, "temperature": 0.2}
        if streams:
            body["stream"] = True
        said, name = prose(RNG.randint(1, 3)), f"tool_{RNG.randrange(10)}"
        arguments = json.dumps({RNG.choice(WORDS): " ".join(words(RNG.randint(1, 8))) for _ in range(2)})
        called = {"id": f"call_{token()}", "type": "function", "function": {"name": name, "arguments": arguments}}
        pieces = stream(said, called) if streams else [whole(said, called)]
        times = [0.4 + sum(RNG.expovariate(50) for _ in range(n + 1)) for n in range(len(pieces))]
        yield Call(dumps(body), response_headers(streams=streams), pieces, sorted(times))
        messages = [
            *messages,
            {"role": "assistant", "content": said, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": called["id"], "content": result(most)},
        ]


def envelope(kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{token()}",
        "object": kind,
        "created": 1_763_970_000 + RNG.randint(0, 10_000),
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_b3f1157249",
    }


def usage() -> dict[str, Any]:
    prompt, completion = RNG.randint(2_000, 60_000), RNG.randint(20, 200)
    details = {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": prompt // 128 * 128, "audio_tokens": 0},
        "completion_tokens_details": details,
    }


def whole(said: str, called: dict[str, Any]) -> bytes:
    message = {"role": "assistant", "content": said, "tool_calls": [called], "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    members = envelope("chat.completion") | {"choices": [choice], "usage": usage()}
    return json.dumps(members, indent=2).encode()  # as OpenAI sends it


def stream(said: str, called: dict[str, Any]) -> list[bytes]:
    """A chunk for each word, with the noise that OpenAI adds to them; usage because chatreel asks for it."""
    words = [f" {word}" for word in said.split()]
    words[0] = words[0][1:]
    opened = {"index": 0, **called, "function": {**called["function"], "arguments": ""}}
    parts = called["function"]["arguments"].split(" ")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": word} for word in words]
    deltas += [{"tool_calls": [opened]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in parts]
    shared = envelope("chat.completion.chunk")
    chunks = [
        shared | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}], "usage": None}
        for delta in deltas
    ]
    chunks.append(shared | {"choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls"}]})
    chunks.append(shared | {"choices": [], "usage": usage()})
    noisy = [chunk | {"obfuscation": token()[: RNG.randint(1, 15)]} for chunk in chunks]
    return [*(b"data: " + dumps(chunk) + b"\n\n" for chunk in noisy), b"data: [DONE]\n\n"]


def response_headers(*, streams: bool) -> dict[str, str]:
    return {
        "date": "Tue, 24 Nov 2026 09:30:00 GMT",
        "content-type": "text/event-stream; charset=utf-8" if streams else "application/json",
        "connection": "keep-alive",
        "access-control-expose-headers": "X-Request-ID",
        "openai-organization": "user-abcdefghijklmnop",
        "openai-processing-ms": str(RNG.randint(300, 9_000)),
        "openai-project": "proj_abcdefghijklmnop",
        "openai-version": "2020-10-01",
        "x-envoy-upstream-service-time": str(RNG.randint(300, 9_000)),
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": str(RNG.randint(9_000, 9_999)),
        "x-request-id": f"req_{token()}",
        "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
        "set-cookie": f"__cf_bm={token()}{token()}; path=/; HttpOnly; Secure; SameSite=None",
        "server": "cloudflare",
        "cf-ray": f"{token()[:16]}-FRA",
        "alt-svc": 'h3=":443"; ma=86400',
    }


def in_a_store(calls: list[Call], path: Path) -> None:
    """What the proxy would keep of the calls."""
    asyncio.run(_record(calls, path))


async def _record(calls: list[Call], path: Path) -> None:
    target = Upstreams.parse(("https://api.openai.com/v1",)).target("/v1/chat/completions")
    assert target  # noqa: S101 - for mypy
    with closing(Store(str(path), memory_limit=MEMORY)) as store:
        await store.warm_up()  # one that nobody has needed has no tables
        recorder = Recorder(store)
        session = Session(Mode.RECORD, StoreRecordings(store))
        for call in calls:
            exchange = await recorder.open(Asked(target, call.request), session)
            pieces = tuple(Piece(at, len(piece)) for at, piece in zip(call.times, call.pieces, strict=True))
            await recorder.finish(exchange, Answered(200, tuple(call.headers.items()), call.body, pieces))


def as_yaml(calls: list[Call], path: Path) -> None:
    """What VCR.py writes, by its own serializer."""
    cassette: dict[str, Any] = {"requests": [], "responses": []}
    for call in calls:
        cassette["requests"].append(Request("POST", URL, call.request, dict(REQUEST_HEADERS)))
        headers = {name: [value] for name, value in call.headers.items()}
        response = {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": call.body}}
        cassette["responses"].append(response)
    path.write_text(serialize(cassette, yamlserializer), encoding="utf-8")


def as_rows(calls: list[Call], path: Path) -> None:
    """What a cache has that keeps requests and answers as they are."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE calls (key TEXT PRIMARY KEY, request TEXT, headers TEXT, body TEXT)")
        rows = [
            (str(n).rjust(64, "0"), call.request.decode(), json.dumps(call.headers), call.body.decode())
            for n, call in enumerate(calls)
        ]
        database.executemany("INSERT INTO calls VALUES (?, ?, ?, ?)", rows)


WAYS = {"chatreel": in_a_store, "JSON rows in SQLite": as_rows, "VCR.py, YAML": as_yaml}


def measured(calls: list[Call], folder: Path) -> dict[str, tuple[float, float, float]]:
    """Bytes a call, bytes a call without what an empty store or file has, and milliseconds a call, of each way."""
    found: dict[str, tuple[float, float, float]] = {}
    for name, write in WAYS.items():
        path, empty = folder / f"{len(found)}", folder / f"{len(found)}-empty"
        started = time.perf_counter()
        write(calls, path)
        took = time.perf_counter() - started
        write([], empty)
        stored = path.stat().st_size
        grown = stored - empty.stat().st_size
        found[name] = (stored / len(calls), grown / len(calls), took / len(calls) * 1e3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--results", type=int, default=3_000, help="bytes that a tool brings, at most")
    parser.add_argument("--conversations", type=int, default=5)
    arguments = parser.parse_args()
    found = []
    for seed in range(arguments.conversations):
        RNG.seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            found.append(measured(list(conversation(arguments.turns, arguments.results)), Path(folder)))
    show(arguments.turns, found)


def show(turns: int, found: list[dict[str, tuple[float, float, float]]]) -> None:
    """Medians of all conversations, and the least and the most of what is judged."""
    sys.stdout.write(f"{turns} turns         bytes per call   of VCR.py   without what is empty   ms per call\n")
    for name in WAYS:
        size, grown, took = (median(one[name][n] for one in found) for n in range(3))
        ratios = sorted(one["VCR.py, YAML"][0] / one[name][0] for one in found)
        apart = median(one["VCR.py, YAML"][1] / one[name][1] for one in found)
        told = f"1/{median(ratios):<8.1f}{grown:14,.0f}  1/{apart:<6.1f}"
        sys.stdout.write(f"{name:20}{size:14,.0f}   {told}{took:11.1f}   1/{ratios[0]:.1f} to 1/{ratios[-1]:.1f}\n")


if __name__ == "__main__":
    main()
