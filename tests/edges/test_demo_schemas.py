"""The demo's model cuts text into tokens and fills schemas from what a prompt mentions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.demo.prose import tokens
from chatreel.demo.schemas import fill, names_in


@given(st.text())
def test_tokens_lose_nothing(text: str) -> None:
    """The tokens of a text joined are the text."""
    assert "".join(tokens(text)) == text


def test_names_are_capitalised_words_inside_a_sentence() -> None:
    """Days, openings of sentences and repeats are no names."""
    prompt = "Meet Ana Lee and Bo. Then Ana Lee on Monday: Travel to San José as JSON."
    assert names_in(prompt) == ["Ana Lee", "Bo", "San José"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 5}, 5),
        ({"enum": ["art", "small"]}, "small"),
        ({"enum": [1, 2]}, 1),
        ({"type": "integer"}, 42),
        ({"type": "number", "maximum": 1.5}, 1.5),
        ({"type": ["integer", "null"]}, 42),
        ({"anyOf": [{"type": "null"}, {"const": "x"}]}, "x"),
        ({"type": "null"}, None),
        ({}, None),
        ({"type": "string"}, "Ana"),
        ({"type": "array", "items": {"type": "string"}}, ["Ana", "Bo"]),
        ({"type": "array", "items": {"type": "integer"}}, [42]),
        ({"properties": {"when": {"type": "string"}}}, {"when": "Monday"}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}, 1),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, None),
    ],
    ids=str,
)
def test_fills_a_schema_from_the_prompt(schema: dict[str, Any], value: object) -> None:
    """Each kind of schema gets a value that fits it."""
    assert fill(schema, "Starting with a small gift of 42 coins from Ana to Bo on Monday", "seed") == value


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    """A recursive schema is filled to a limited depth."""
    tree = {"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"left": {"$ref": "#/$defs/t"}}}}}
    value, depth = fill(tree, "", ""), 0
    while value is not None:
        value, depth = value["left"], depth + 1
    assert depth > 1
