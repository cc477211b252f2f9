"""The suite that `bench_peers.py` records and replays with each tool: thirty tests of code that asks a model.

It is the same for all tools but for the line that sets `pytestmark`.
"""

# ruff: noqa: S101 - assert is how pytest tests

import asyncio
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

pytestmark: Any = []  # the line that differs

MODEL = "gpt-4o-mini"
COUNTRIES = ("Norway", "Peru", "Laos", "Mali", "Cuba", "Iran", "Chad", "Fiji", "Togo", "Oman", "Guam", "Niue")
CITIES = ("Oslo", "Lima", "Bern", "Riga", "Baku", "Doha", "Suva")
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def ask(text: str, system: str = "Be brief.", **more: Any) -> Any:
    messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    with OpenAI() as client:
        return client.chat.completions.create(model=MODEL, messages=messages, **more)


@pytest.mark.parametrize("country", COUNTRIES)
def test_json(country: str) -> None:
    answer = ask(f"Name a river in {country}.")
    assert country in answer.choices[0].message.content
    assert answer.usage.total_tokens == 18


@pytest.mark.parametrize("city", CITIES)
def test_stream(city: str) -> None:
    messages: Any = [{"role": "user", "content": f"Describe {city}."}]
    with OpenAI() as client:
        chunks = list(client.chat.completions.create(model=MODEL, messages=messages, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert city in said
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("city", ["Rome", "Kyiv"])
def test_tool_call(city: str) -> None:
    answer = ask(f"Weather in {city}?", tools=[TOOL])
    [call] = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"of": f"Weather in {city}?"}


@pytest.mark.parametrize("name", ["Ada", "Kim"])
def test_conversation(name: str) -> None:
    messages: Any = []
    with OpenAI() as client:
        for text in (f"I am {name}.", "Go on.", "Go on."):
            messages.append({"role": "user", "content": text})
            answer = client.chat.completions.create(model=MODEL, messages=messages)
            messages.append({"role": "assistant", "content": answer.choices[0].message.content})
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    assert len(set(said)) == 3  # no turn is answered with another one's answer


@pytest.mark.parametrize("animal", ["heron", "otter", "stoat"])
def test_async(animal: str) -> None:
    async def both() -> list[str]:
        async with AsyncOpenAI() as client:

            async def one(text: str) -> str:
                messages: Any = [{"role": "user", "content": text}]
                answer = await client.chat.completions.create(model=MODEL, messages=messages)
                return str(answer.choices[0].message.content)

            return list(await asyncio.gather(one(f"Where does the {animal} live?"), one(f"What eats the {animal}?")))

    where, what = asyncio.run(both())
    assert "Where" in where
    assert "What eats" in what


def test_retry_after_429() -> None:
    assert "busy" in ask("Are you busy?").choices[0].message.content


@pytest.mark.parametrize("system", ["Answer as a judge.", "Answer as a poet."])
def test_one_question_under_two_system_prompts(system: str) -> None:
    assert system in ask("What is snow?", system).choices[0].message.content


def test_two_temperatures() -> None:
    cold, warm = (ask("Say a word.", temperature=heat).choices[0].message.content for heat in (0.0, 1.0))
    assert cold != warm
