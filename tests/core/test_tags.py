"""Tags come from headers and options, are told apart from what is none, and are one text if they are equal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.tags import MOST, as_json, parse_tag, tags_of


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("team=search", ("team", "search")),
        (" team = two words ", ("team", "two words")),
        ("a.b-c/d:e_1=x=y", ("a.b-c/d:e_1", "x=y")),
        ("empty=", ("empty", "")),
        ("ort=Zürich", ("ort", "Zürich")),
    ],
)
def test_a_tag_has_a_name_and_a_value(text: str, tag: tuple[str, str]) -> None:
    assert parse_tag(text) == tag


@pytest.mark.parametrize(
    "text", ["", "team", "=x", "te am=x", "a" * 65 + "=x", "x=" + "a" * 201, 'q"=x', "x=a\nb", "ä=x"]
)
def test_what_is_no_tag_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="is no tag: give name=value"):
        parse_tag(text)


def test_headers_hold_one_tag_or_several_and_the_last_of_a_name_counts() -> None:
    assert tags_of(["a=1, b=2", "a=3"]) == ({"a": "3", "b": "2"}, "")
    assert tags_of([]) == ({}, "")
    assert tags_of([" , "]) == ({}, "")


def test_what_is_malformed_costs_itself_alone() -> None:
    assert tags_of(["a=1, nonsense, b=2", "more"]) == ({"a": "1", "b": "2"}, "nonsense")


def test_there_is_an_end_to_tags() -> None:
    found, rest = tags_of([f"t{number}={number}" for number in range(MOST + 2)])
    assert (len(found), rest) == (MOST, f"t{MOST}={MOST}")
    assert tags_of([*(f"t{number}=1" for number in range(MOST)), "t0=2"])[0]["t0"] == "2"


@given(st.dictionaries(st.text(), st.text()))
def test_equal_tags_are_equal_texts(tags: dict[str, str]) -> None:
    text = as_json(tags)
    assert text == as_json(dict(reversed(tags.items())))
    assert (json.loads(text) if text else {}) == tags
