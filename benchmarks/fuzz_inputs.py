"""What the fuzz target is fed with: bodies that travel, and what can be done to them. One seed, one input."""

import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT.parent / "shared" / "recordings" / "traffic"
LARGEST = 256 * 1024
"""Bytes of an input."""

TOKENS = (
    b'\xef\xbb\xbf \xe2\x80\xa8 \xc2\x85 \x00 \xff data: event: [DONE] {"error":{"message":"no"}} '
    b'"usage":null ,"usage":{"total_tokens":1} "usage" "choices":[] "choices":null "delta":null \\ud83d '
    b'\\ude00 \\u0000 \\ " { } , '
).split()
TOKENS += [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\x0b\x0c",
    b"data: ",
    b" data: ",
    b"\ndata: [DONE]\n\n",
    b"data:[DONE] ",
    b"event: error\n",
    b": ping\n\n",
    b"id: 1\n",
    b"retry: 3000\n",
    b"error: {}\n",
    b'error: {"message":"no"}\n',
]
"""What is put anywhere."""

VALUES = (
    b'null true 0 -1 1 128 0.5 -0.0 1e308 1e999 NaN 9999999999999999999999999 "" "x" "stop" "error" '
    b'"content_filter" "\\ud83d" "\\ude00" "[DONE]" "{" [] {} [null] [[]] [{}] {"":0} {"index":0} '
    b'[{"index":0},{"index":0}] ["a","b"] '
).split()
VALUES += [b'" "', b"9" * 5000]
"""What is put in the place of a value."""

KEYS = [
    b'"%b"' % name
    for name in (
        b"index id choices delta message content refusal role tool_calls function arguments name type "
        b"finish_reason logprobs usage error x_groq reasoning_content reasoning_details annotations audio "
        b"function_call object created executed_tools extra_content images custom text "
    ).split()
]
"""What is put in the place of a key."""
_VALUE = re.compile(rb'(?<=[:\[,])\s*(?:null|true|false|-?\d[\d.eE+-]*|"(?:[^"\\]|\\.)*"(?!\s*:))')
_KEY = re.compile(rb'"\w+"(?=\s*:)')

type Mutation = Callable[[Random, bytes, list[bytes]], bytes]


def corpus() -> list[bytes]:
    """Bodies of requests and responses that have really travelled, or could have."""
    bodies = [body for path in sorted((ROOT / "cassettes" / "examples").glob("*.json")) for body in of_cassette(path)]
    if RECORDINGS.is_dir():
        bodies += [body for path in sorted(RECORDINGS.rglob("*")) if path.is_file() for body in of_recording(path)]
    return sorted({body for body in bodies if 0 < len(body) <= LARGEST})


def of_cassette(path: Path) -> list[bytes]:
    example = json.loads(path.read_bytes())
    return [json.dumps(example["request"]).encode(), "".join(example["response"]["body"]).encode()]


def of_recording(path: Path) -> list[bytes]:
    sys.path.append(str(ROOT / "tests"))
    from support import vcr

    if "__fixtures__" in path.parts:
        return [path.read_bytes()]
    with suppress(vcr.Unreadable, UnicodeDecodeError):
        return [body for found in vcr.chat_interactions(path) for body in (found.request_body, found.body)]
    return []


def flipped(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    changed = bytearray(body)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def shortened(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    start, end = span(rng, body)
    return body[:start] + body[end:]


def repeated(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    start, end = span(rng, body)
    return body[:end] + body[start:end] * rng.choice((1, 2, 50)) + body[end:]


def truncated(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    return body[: rng.randint(0, len(body))]


def spliced(rng: Random, body: bytes, others: list[bytes]) -> bytes:
    other = rng.choice(others)
    return body[: rng.randint(0, len(body))] + other[rng.randint(0, len(other)) :]


def with_token(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    place = rng.randint(0, len(body))
    return body[:place] + rng.choice(TOKENS) * rng.choice((1, 1, 1, 30)) + body[place:]


def with_line_ends(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    return body.replace(rng.choice((b"\n\n", b"\n")), rng.choice((b"\r\n", b"\r", b"\n", b"\r\r", b"", b"\n\n\n")))


def with_value(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    return replaced(rng, body, _VALUE, VALUES)


def with_key(rng: Random, body: bytes, _others: list[bytes]) -> bytes:
    return replaced(rng, body, _KEY, KEYS)


def replaced(rng: Random, body: bytes, pattern: re.Pattern[bytes], choices: list[bytes]) -> bytes:
    """One place, or each with the same odds, which keeps the rest valid JSON."""
    places = [found.span() for found in pattern.finditer(body)]
    if not places:
        return body
    chosen = [rng.choice(places)] if rng.random() < 0.7 else [place for place in places if rng.random() < 0.05]
    for start, end in reversed(chosen):
        body = body[:start] + rng.choice(choices) + body[end:]
    return body


def span(rng: Random, body: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(body))
    return start, min(len(body), start + rng.choice((1, 10, 100, 3000)))


MUTATIONS: list[Mutation] = [flipped, shortened, repeated, truncated, spliced, with_token, with_line_ends]
MUTATIONS += [with_value, with_key] * 3  # they get past the parser


def made(rng: Random, bodies: list[bytes]) -> bytes:
    """An input: now and then arbitrary, mostly a body with one thing done to it, or several."""
    kind = rng.random()
    if kind < 0.03:
        return rng.randbytes(rng.randint(0, 300))
    if kind < 0.1:
        return b"".join(rng.choices(TOKENS + VALUES + KEYS, k=rng.randint(1, 40)))[:LARGEST]
    body = rng.choice([body for body in bodies if b"data:" in body[:100]] if rng.random() < 0.5 else bodies)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        body = rng.choice(MUTATIONS)(rng, body, bodies)[:LARGEST]
    return body


def cut(rng: Random, body: bytes) -> list[bytes]:
    """The body in reads: all in one, or cut at random, or in reads of one size."""
    if rng.random() < 0.3:
        step = rng.choice((1, 2, 7, 1000)) if len(body) < 20_000 else rng.choice((100, 1000, 65536))
        return [body[start : start + step] for start in range(0, len(body), step)]
    places = sorted(rng.randint(0, len(body)) for _ in range(rng.choice((0, 1, 5, 50))))
    return [piece for start, end in pairwise([0, *places, len(body)]) if (piece := body[start:end])]
