"""The official client, unchanged but for its base URL: sync, async, streamed, raw; recorded and replayed."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from support.program import Program, running_chatreel
from support.replies import USAGE
from support.upstream import Upstream, completion, stream

MESSAGES: Any = [{"role": "user", "content": "What is the weather in Oslo?"}]
CALLS = (("get_weather", '{"city":"Oslo"}'), ("get_time", '{"zone":"Europe/Oslo"}'))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Upstream]]:
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with (
        Upstream() as upstream,
        running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy,
    ):
        yield proxy, upstream


def sync_client(base_url: str) -> OpenAI:
    return OpenAI(base_url=base_url, api_key="sk-test", max_retries=0)


def ask_sync(base_url: str, seed: int) -> object:
    with sync_client(base_url) as client:
        return client.chat.completions.create(model="m", messages=MESSAGES, seed=seed).to_dict()


def ask_stream(base_url: str, seed: int) -> object:
    with sync_client(base_url) as client:
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, seed=seed, stream=True)
        return [chunk.to_dict() for chunk in chunks]


def ask_accumulated(base_url: str, seed: int) -> object:
    with (
        sync_client(base_url) as client,
        client.chat.completions.stream(model="m", messages=MESSAGES, seed=seed) as events,
    ):
        return events.get_final_completion().to_dict()


def ask_raw(base_url: str, seed: int) -> object:
    with sync_client(base_url) as client:
        response = client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES, seed=seed)
        return response.content


def ask_async(base_url: str, seed: int) -> object:
    async def go() -> object:
        async with AsyncOpenAI(base_url=base_url, api_key="sk-test", max_retries=0) as client:
            return (await client.chat.completions.create(model="m", messages=MESSAGES, seed=seed)).to_dict()

    return asyncio.run(go())


def ask_async_stream(base_url: str, seed: int) -> object:
    async def go() -> object:
        async with AsyncOpenAI(base_url=base_url, api_key="sk-test", max_retries=0) as client:
            chunks = await client.chat.completions.create(model="m", messages=MESSAGES, seed=seed, stream=True)
            return [chunk.to_dict() async for chunk in chunks]

    return asyncio.run(go())


WAYS: list[Callable[[str, int], object]] = [ask_sync, ask_stream, ask_accumulated, ask_raw, ask_async, ask_async_stream]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_client_sees_the_same_on_replay(
    both: tuple[Program, Upstream], way: Callable[[str, int], object], request: pytest.FixtureRequest
) -> None:
    proxy, upstream = both
    streamed = "stream" in way.__name__ or "accumulated" in way.__name__
    upstream.reply_with(stream(tool_calls=CALLS, usage=USAGE) if streamed else completion(None, tool_calls=CALLS))
    seed = WAYS.index(way)
    before = len(upstream.calls)
    first = way(proxy.base_url, seed)
    second = way(proxy.base_url, seed)
    assert first == second
    assert "get_weather" in str(first), request.node.name
    assert len(upstream.calls) == before + 1


@pytest.mark.parametrize("recorded_as_stream", [False, True])
def test_the_client_gets_the_same_message_in_the_other_wire_form(
    both: tuple[Program, Upstream], recorded_as_stream: bool
) -> None:
    proxy, upstream = both
    upstream.reply_with(
        stream(("Let me", " see."), tool_calls=CALLS)
        if recorded_as_stream
        else completion("Let me see.", tool_calls=CALLS)
    )
    seed = 100 + recorded_as_stream
    ways = [ask_sync, ask_accumulated]
    first, second = (way(proxy.base_url, seed) for way in (reversed(ways) if recorded_as_stream else ways))

    def said(answer: Any) -> Any:
        message = answer["choices"][0]["message"]
        calls = [
            (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in message["tool_calls"]
        ]
        return message["content"], calls, answer["choices"][0]["finish_reason"]

    assert said(first) == said(second)
    assert said(first)[0] == "Let me see."


def test_a_multi_turn_conversation_with_tools_hits_on_every_turn_the_second_time(
    both: tuple[Program, Upstream],
) -> None:
    """The second run streams what the first did not: what the client echoes differs, the calls are the same."""
    proxy, upstream = both
    upstream.reply_by(
        lambda request: (
            completion("It is cold in Oslo.")
            if request.json()["messages"][-1]["role"] == "tool"
            else completion(None, tool_calls=CALLS[:1])
        )
    )

    def converse(streamed: bool) -> str:
        messages = [*MESSAGES, {"role": "user", "content": "Use the tool."}]
        with sync_client(proxy.base_url) as client:
            for _ in range(2):
                answer = _turn(client, messages, streamed=streamed)
                messages.append(answer.model_dump(exclude_none=True))
                messages += [
                    {"role": "tool", "tool_call_id": call.id, "content": "-3 °C"} for call in answer.tool_calls or ()
                ]
        return str(messages[-1]["content"])

    before = len(upstream.calls)
    assert converse(streamed=False) == "It is cold in Oslo."
    assert converse(streamed=True) == "It is cold in Oslo."
    assert converse(streamed=True) == "It is cold in Oslo."
    assert len(upstream.calls) == before + 2


def _turn(client: OpenAI, messages: Any, *, streamed: bool) -> Any:
    if not streamed:
        return client.chat.completions.create(model="m", messages=messages).choices[0].message
    with client.chat.completions.stream(model="m", messages=messages) as events:
        return events.get_final_completion().choices[0].message


def test_usage_at_the_end_of_a_replayed_stream_follows_the_client(both: tuple[Program, Upstream]) -> None:
    proxy, upstream = both
    upstream.reply_with(stream(usage=USAGE))

    def usages(**options: Any) -> list[object]:
        with sync_client(proxy.base_url) as client:
            chunks = client.chat.completions.create(model="usage", messages=MESSAGES, stream=True, **options)
            return [chunk.usage.total_tokens for chunk in chunks if chunk.usage]

    asked = {"stream_options": {"include_usage": True}}
    assert usages(**asked) == [USAGE["total_tokens"]]
    assert usages() == []
    assert usages(**asked) == [USAGE["total_tokens"]]


def test_the_client_does_not_retry_what_cannot_succeed(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store) as proxy:
        with (
            OpenAI(base_url=proxy.base_url, api_key="sk-test") as client,
            pytest.raises(openai.InternalServerError, match="recording"),
        ):
            client.chat.completions.create(model="m", messages=MESSAGES)
        proxy.stop()
        assert "1 call: 0 hits, 0 recorded, 1 refused" in proxy.log
