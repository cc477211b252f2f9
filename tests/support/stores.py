"""Stores as tests use them: opened for one piece of work, with recordings that differ in what matters to the test."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from chatreel.canonical import KeyOptions, identify
from chatreel.model import Identity, JsonObject, Mode, Outcome, Piece, Recording, WireForm
from chatreel.store import Call, Store
from chatreel.store.database import open_engine, store_url
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Verdict, read


def document(upstream: str, path: str, body: JsonObject) -> bytes:
    """The canonical document of a request."""
    return identify(upstream=upstream, path=path, query="", body=body).document


OPTIONS = KeyOptions()
MEGABYTE = 1_000_000
DOCUMENT = document("https://h", "/v1/chat/completions", {"messages": []})


def take(key: str = "k", *, body: bytes = b'{"choices":[]}', **more: Any) -> Recording:
    """A recording, by its key and body."""
    plain = Recording(
        identity=Identity(key, DOCUMENT),
        upstream="https://h",
        path="/v1/chat/completions",
        model="m",
        recorded_at=1.7e9,
        request=b'{"messages":[]}',
        status=200,
        headers=(("content-type", "application/json"),),
        form=WireForm.JSON,
        body=body,
        pieces=(Piece(0.25, len(body)),),
        completion=b"{}",
    )
    return replace(plain, **more)


def genuine(text: str = "Hi", *, answer: bytes = b"", options: KeyOptions = OPTIONS, **more: Any) -> Recording:
    """A recording as a proxy would have made it of a question and a response; JSON if none is given."""
    request: JsonObject = {"model": "m", "messages": [{"role": "user", "content": text}]}
    choice: JsonObject = {"index": 0, "message": {"role": "assistant", "content": f"{text}!"}, "finish_reason": "stop"}
    body = answer or dumps({"id": "1", "choices": [choice], "usage": {"prompt_tokens": 3}})
    plain = take(body=body, **more)
    reading = read(body, status=more.get("status", 200))
    identity = identify(upstream=plain.upstream, path=plain.path, query="", body=request, options=options)
    completion = dumps(reading.completion) if reading.verdict is Verdict.COMPLETE else b""
    made = replace(plain, identity=identity, request=dumps(request), form=reading.form, completion=completion)
    return replace(made, **more)  # what the caller wants otherwise, whether it fits or not


def call(call_id: str = "1", **more: Any) -> Call:
    """A row of the log."""
    plain = Call(
        call_id=call_id,
        started_at=1.7e9,
        outcome=Outcome.HIT,
        reason="",
        mode=Mode.CACHE,
        cassette="",
        upstream="https://h",
        path="/v1/chat/completions",
        model="m",
        stream=False,
        status=200,
        key="k",
        recording_id=1,
        latency=0.5,
        first_piece=None,
    )
    return replace(plain, **more)


@contextmanager
def opened(location: str, *, memory: int = MEGABYTE) -> Iterator[Store]:
    """A store until the end of the block."""
    with closing(Store(location, memory_limit=memory)) as store:
        yield store


def make(location: str) -> None:
    """Have a store with its tables in it; one that is opened and not needed has none."""
    open_engine(store_url(location)).dispose()


def use[T](location: str, work: Callable[[Store], Awaitable[T]], *, memory: int = MEGABYTE) -> T:
    """What some work on a store comes to; the store is closed then."""

    async def run() -> T:
        with opened(location, memory=memory) as store:
            async with asyncio.timeout(300):  # what waits for ever fails
                return await work(store)

    return asyncio.run(run())


def add(location: str, *recordings: Recording) -> list[Recording]:
    """Add to a store, one after the other; what was stored."""

    async def work(store: Store) -> list[Recording]:
        return [await store.add(recording) for recording in recordings]

    return use(location, work)


def load(location: str, recording_id: int) -> Recording:
    """One recording, from the disk."""
    return use(location, lambda store: store.load(recording_id))
