"""The same program with each tool: opens a cassette, asks through the official client, checks each answer.

Run in the environment of a tool as `python in_process.py TOOL CASSETTE BASE_URL CALLS`, CALLS a file with the calls as
JSON; prints what it took as JSON, in seconds. It imports nothing of this project, which those environments have not.
"""

import contextlib
import importlib
import json
import statistics
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any


def vcr(cassette: str) -> Any:
    """VCR.py, told to look at the body."""
    matched = ["method", "scheme", "host", "port", "path", "query", "body"]
    return importlib.import_module("vcr").VCR(record_mode="none", match_on=matched).use_cassette(cassette)


def cassetter(cassette: str) -> Any:
    """cassetter, told to look at the body."""
    return importlib.import_module("cassetter").use_cassette(
        cassette, record_mode="none", match_on=["method", "uri", "json_body"]
    )


def main(tool: str, cassette: str, base_url: str, calls: str) -> None:
    """Take the time."""
    openai = importlib.import_module("openai")
    asked: list[dict[str, Any]] = json.loads(Path(calls).read_bytes())
    warm_up(openai)
    started = time.perf_counter()
    with {"vcr": vcr, "cassetter": cassetter}.get(tool, lambda _: contextlib.nullcontext())(cassette):
        if tool == "chatreel":
            base_url = opened(base_url, cassette)
        client = openai.OpenAI(api_key="sk-none", base_url=base_url, max_retries=0)
        seconds = []
        for one in asked:
            began = time.perf_counter()
            answer = client.chat.completions.create(**one["request"])
            said = answer.choices[0].message.content
            seconds.append(time.perf_counter() - began)
            if said != one["text"]:
                raise SystemExit(f"a wrong answer: {said!r} for {one['text']!r}")
            if len(seconds) == 1:
                first = time.perf_counter() - started
    sys.stdout.write(json.dumps({"first": first, "call": statistics.median(seconds[1:])}))


def opened(origin: str, cassette: str) -> str:
    """The base URL of a new session of chatreel on a cassette."""
    body = json.dumps({"cassette": cassette, "mode": "replay"}).encode()
    request = urllib.request.Request(f"{origin}/_chatreel/sessions", body, {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request) as response:  # noqa: S310
        return str(json.load(response)["base_url"])


def warm_up(openai: Any) -> None:
    """What a process does once is not the tool's."""
    with contextlib.suppress(openai.APIConnectionError):
        openai.OpenAI(api_key="sk-none", base_url="http://127.0.0.1:9/v1", max_retries=0).chat.completions.create(
            model="m", messages=[]
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
