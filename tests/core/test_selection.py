"""Naming recordings: ids, beginnings of keys, calls; models and upstreams."""

import pytest

from chatreel.errors import ConfigError
from chatreel.selection import Selection, Subject, origins, parse_subject

CALL = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("42", Subject("42", id=42)),
        ("1234567", Subject("1234567", id=1234567)),
        ("v1:1234", Subject("v1:1234", key="v1:1234")),
        ("3f9c", Subject("3f9c", key="3f9c")),
        ("V1:3F9C", Subject("V1:3F9C", key="v1:3f9c")),
        ("9" * 19, Subject("9" * 19, key="9" * 19)),
        ("a" * 64, Subject("a" * 64, key="a" * 64)),
        (CALL, Subject(CALL, call_id=CALL)),
        (CALL.upper(), Subject(CALL.upper(), call_id=CALL)),
    ],
)
def test_what_is_typed_is_an_id_a_key_or_a_call(text: str, subject: Subject) -> None:
    assert parse_subject(text) == subject


@pytest.mark.parametrize("text", ["", "abc", "v1:", "v1:abc", "xyz1", "-3", "1.5", "a" * 65, "v1:%"])
def test_anything_else_names_no_recording(text: str) -> None:
    with pytest.raises(ConfigError, match="names no recording: give its id"):
        parse_subject(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("router", ("https://openrouter.ai",)),
        ("https://api.openai.com/v1", ("https://api.openai.com",)),
        ("http://127.0.0.1:8000", ("http://127.0.0.1:8000",)),
        ("api.openai.com", ("https://api.openai.com", "http://api.openai.com")),
    ],
)
def test_an_upstream_is_a_name_a_url_or_a_host(text: str, found: tuple[str, ...]) -> None:
    assert origins(text, {"router": "https://openrouter.ai"}) == found


def test_a_star_stands_at_the_end_of_a_model() -> None:
    assert Selection(model="gpt-4o*").model == "gpt-4o*"
    with pytest.raises(ConfigError, match="a \\* stands for the end of a name only"):
        Selection(model="gpt*mini")
