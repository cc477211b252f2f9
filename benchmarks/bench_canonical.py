"""How long a key takes, against reading and writing the same body with orjson; and how long a miss takes to explain.

Run as `python benchmarks/bench_canonical.py`. Key and round trip take turns, so that a busy machine slows them alike;
figures are medians over the rounds.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson

from chatreel.canonical import identify, parse_body
from chatreel.canonical.document import forget_schemas
from chatreel.explain import miss_message
from chatreel.model import Identity
from chatreel.redact import Redactor
from chatreel.request import Keys
from chatreel.secret_patterns import Shapes
from chatreel.secret_shapes import PATTERNS

ROUNDS = 300


@dataclass(frozen=True)
class Route:
    upstream: str = "https://api.openai.com"
    path: str = "/v1/chat/completions"
    query: str = ""
    tenant: None = None


RNG = random.Random(7)  # noqa: S311 - the same bodies in every run
WORDS = ["".join(RNG.choices("abcdefghijklmnopqrstuvwxyz", k=RNG.randint(2, 10))) for _ in range(2_000)]


def prose(words: int) -> str:
    return " ".join(RNG.choices(WORDS, k=words))


def tool(name: str, properties: int) -> dict[str, object]:
    schema = {
        "type": "object",
        "properties": {f"p{i}": {"type": "string", "description": prose(8)} for i in range(properties)},
    }
    return {
        "type": "function",
        "function": {"name": name, "description": prose(20), "parameters": schema | {"required": ["p0"]}},
    }


def question() -> dict[str, object]:
    """A request of about 1.5 KB: a system prompt, a question, a tool."""
    messages = [{"role": "system", "content": prose(90)}, {"role": "user", "content": prose(50)}]
    return {"model": "gpt-4o", "temperature": 0.2, "stream": True, "messages": messages, "tools": [tool("search", 2)]}


def history(size: int = 200_000) -> dict[str, object]:
    """The request of an agent that has called tools for a while, about `size` bytes."""
    messages: list[dict[str, object]] = [{"role": "system", "content": prose(200)}]
    while len(json.dumps(messages)) < size - 15_000:
        arguments = json.dumps({"path": prose(2), "content": f'line "x"\n{prose(60)}'})
        call = {
            "id": f"call_{len(messages)}",
            "type": "function",
            "function": {"name": "tool_1", "arguments": arguments},
        }
        lines = json.dumps([{"line": line, "text": prose(10)} for line in range(12)])
        messages += [
            {"role": "user", "content": prose(60)},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": lines},
        ]
    return {"model": "gpt-4o", "messages": messages, "tools": [tool(f"tool_{i}", 5) for i in range(20)], "stream": True}


def key(raw: bytes) -> Identity:
    return identify(upstream="https://api.openai.com", path="/v1/chat/completions", query="", body=parse_body(raw))


def round_trip(raw: bytes) -> bytes:
    return orjson.dumps(orjson.loads(raw))


def timed(function: Callable[[bytes], object], raw: bytes) -> float:
    start = time.perf_counter()
    function(raw)
    return time.perf_counter() - start


def first_key(raw: bytes) -> Identity:
    """The key of a request whose tools nobody has sent before."""
    forget_schemas()
    return key(raw)


def measure(raw: bytes) -> tuple[float, float, float]:
    """Seconds for the key of a request with new tools, for that of the next with the same, and for the round trip."""
    rows = [(timed(first_key, raw), timed(key, raw), timed(round_trip, raw)) for _ in range(ROUNDS)]
    first, again, base = map(statistics.median, zip(*rows, strict=True))
    return first, again, base


def search(raw: bytes) -> tuple[float, float]:
    """Seconds to find out what may be stored of a request without secrets: of a new one, and of the same again."""
    body, known = parse_body(raw), key(raw)
    rows = []
    for _ in range(30):
        keys = Keys(redactor=Redactor(Shapes(PATTERNS)))
        rows.append([timed(partial(keys.keep, Route(), body, known=known), raw) for _ in range(2)])
    first, again = map(statistics.median, zip(*rows, strict=True))
    return first, again


def explain() -> tuple[float, float]:
    """Seconds to explain a miss among 200 recordings, and their mean size in bytes."""
    documents = [key(orjson.dumps(history(20_000))).document for _ in range(200)]
    asked = key(orjson.dumps(history(20_000)))
    seconds = [timed(lambda _: miss_message(asked, documents, recorded_count=200), b"") for _ in range(20)]
    return statistics.median(seconds), statistics.mean(map(len, documents))


def main() -> None:
    sys.stdout.write("body      spelling    bytes  new tools same tools   orjson        ratios\n")
    for name, body in (("question", question()), ("history", history())):
        for spelling, raw in (("compact", orjson.dumps(body)), ("spaced", json.dumps(body).encode())):
            first, again, base = (second * 1e6 for second in measure(raw))
            times = f"{first:6,.0f} us  {again:6,.0f} us {base:5,.0f} us"
            sys.stdout.write(f"{name:9} {spelling:8} {len(raw):8,} {times} {first / base:5.1f}x {again / base:5.1f}x\n")
    for name, body in (("question", question()), ("history", history())):
        first, again = (second * 1e3 for second in search(orjson.dumps(body)))
        sys.stdout.write(f"{name:9} searched for secrets, on a miss only: {first:.2f} ms, the next {again:.2f} ms\n")
    seconds, size = explain()
    sys.stdout.write(f"a miss among 200 recordings of {size:,.0f} bytes explained: {seconds * 1e3:.0f} ms\n")


if __name__ == "__main__":
    main()
