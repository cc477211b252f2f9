"""How long a cassette of 1,000 interactions takes to open, to read and to write, beside JSON alone of the same text.

Run as `python benchmarks/bench_cassette.py [INTERACTIONS]`. Requests of 1.5 KB, every other answer a stream, 20
words long. Opening checks that nothing was changed; reading one interaction, as the first call does, or all of them
makes every key anew and checks every digest. Rounds take turns; figures are the best of them, for a machine that is
busy with something else says nothing about a format. It fails if what is read is not what was written.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from chatreel import canonical
from chatreel.formats import cassette
from chatreel.model import JsonObject, Piece, Recording, WireForm
from chatreel.request import DEFAULT_KEYS
from chatreel.wire.codec import dumps
from chatreel.wire.reading import read
from chatreel.wire.rechunk import rechunk

ROUNDS = 7
INTERACTIONS = 1_000
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "is", "never", "seen", "again"]


UPSTREAM = "https://api.openai.com"
PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Route:
    """Where the requests go."""

    upstream: str = UPSTREAM
    path: str = PATH
    query: str = ""
    tenant: str | None = None


def request(number: int) -> JsonObject:
    """A question of 1.5 KB with a tool, every other one for a stream."""
    place: JsonObject = {"type": "string", "description": "City and country, as in Oslo, Norway. " * 4}
    return {
        "model": "gpt-4o-mini",
        "temperature": 0.2,
        "stream": number % 2 == 1,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant.\nAnswer briefly.\n" + "Be kind. " * 60},
            {"role": "user", "content": f"Question {number}: what is the weather like in Oslo today, and tomorrow?"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather at a place.",
                    "parameters": {"type": "object", "properties": {"place": place, "days": {"type": "integer"}}},
                },
            }
        ],
    }


def recording(number: int) -> Recording:
    """A recording of such a question."""
    body = request(number)
    words = [WORDS[(number + place) % len(WORDS)] for place in range(20)]
    usage: JsonObject = {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340}
    message: JsonObject = {"role": "assistant", "content": " ".join(words), "refusal": None}
    choice: JsonObject = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    completion: JsonObject = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_785_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [choice],
        "usage": usage,
    }
    answer = streamed(completion, words) if body["stream"] else json.dumps(completion, indent=2).encode()
    parts = [part + b"\n\n" for part in answer.split(b"\n\n") if part] if body["stream"] else [answer]
    return Recording(
        identity=DEFAULT_KEYS.identify(Route(), body),
        upstream=UPSTREAM,
        path=PATH,
        model="gpt-4o-mini",
        recorded_at=1_785_000_000.0 + number,
        request=dumps(body),
        status=200,
        headers=(("content-type", "text/event-stream" if body["stream"] else "application/json"),),
        form=WireForm.SSE if body["stream"] else WireForm.JSON,
        body=answer,
        pieces=tuple(Piece(round(0.4 + place / 100, 6), len(part)) for place, part in enumerate(parts)),
        completion=dumps(read(answer).completion),
    )


def streamed(completion: JsonObject, words: list[str]) -> bytes:
    """The completion word by word."""
    events = rechunk(completion, include_usage=True).split(b"\n\n")[:-1]
    at = next(place for place, event in enumerate(events) if orjson.dumps(" ".join(words)) in event)
    whole = events[at]
    several = [whole.replace(orjson.dumps(" ".join(words)), orjson.dumps(f"{word} ")) for word in words[:-1]]
    last = whole.replace(orjson.dumps(" ".join(words)), orjson.dumps(words[-1]))
    return b"".join(event + b"\n\n" for event in [*events[:at], *several, last, *events[at + 1 :]])


def best(*runs: Callable[[], object]) -> list[float]:
    """Seconds that each takes, taking turns, the best of some rounds."""
    figures: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, taken in zip(runs, figures, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return [min(taken) for taken in figures]


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else INTERACTIONS
    recordings = [recording(number) for number in range(count)]
    keyed_by = canonical.keyed_by(DEFAULT_KEYS.options)
    text = cassette.dump(recordings, keyed_by)
    loaded = cassette.load(text, DEFAULT_KEYS)
    if sorted(loaded.recordings, key=lambda one: one.recorded_at) != recordings:
        sys.stdout.write("the cassette is not read as it was written\n")
        return 1
    value = orjson.loads(text)
    unread = cassette.unread(text, DEFAULT_KEYS)
    if unread is None or [one.key for one in unread] != [one.identity.key for one in loaded.recordings]:
        sys.stdout.write("the cassette is not found to be as it was written\n")
        return 1
    middle = unread[count // 2].cassette
    loads, opening, first, load, dumps_, dump = best(
        lambda: orjson.loads(text),
        lambda: cassette.unread(text, DEFAULT_KEYS),
        lambda: cassette.load(middle, DEFAULT_KEYS),
        lambda: cassette.load(text, DEFAULT_KEYS),
        lambda: orjson.dumps(value, option=orjson.OPT_INDENT_2),
        lambda: cassette.dump(recordings, keyed_by),
    )
    sys.stdout.write(f"{count:,} interactions, {len(text) / 1e6:.1f} MB\n")
    sys.stdout.write("         cassette    orjson   ratio\n")
    rows = (("open", opening, loads), ("one", first, loads), ("all", load, loads), ("write", dump, dumps_))
    for name, ours, bare in rows:
        sys.stdout.write(f"{name:6}{ours * 1e3:8.1f} ms{bare * 1e3:7.1f} ms{ours / bare:7.1f}x\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
