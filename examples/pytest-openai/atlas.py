"""A small program that asks a model: the code under test. It knows nothing of chatreel."""

import json
from collections.abc import Iterator

from openai import OpenAI

MODEL = "gpt-4o-mini"


def longest_river(country: str) -> tuple[str, int]:
    """Name and length in kilometres of the longest river of a country."""
    with OpenAI() as client:
        answer = client.chat.completions.create(
            model=MODEL,
            temperature=0,
            response_format={"type": "json_object"},
            messages=[
                {"role": "system", "content": 'Answer as JSON: {"river": name, "km": length}.'},
                {"role": "user", "content": f"What is the longest river of {country}?"},
            ],
        )
    found = json.loads(answer.choices[0].message.content or "{}")
    return found["river"], found["km"]


def describe(place: str) -> Iterator[str]:
    """A sentence about a place, piece by piece as the model writes it."""
    question = f"Describe {place} in one sentence."
    with OpenAI() as client:
        chunks = client.chat.completions.create(
            model=MODEL, stream=True, messages=[{"role": "user", "content": question}]
        )
        for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content
