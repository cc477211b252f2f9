"""Keys are found by the shapes their makers gave them; ordinary text is left alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel import secret_patterns
from chatreel.secret_patterns import Hints, find, replace
from chatreel.secret_shapes import PATTERNS
from support.planted import KEYS, secret_of
from support.resources import needs_shared, traffic

INNOCENT = [
    "The prefix sk- is used for keys, as in sk-... or sk-your-key-here.",
    "AKIAIOSFODNN7EXAMPLE is the key id that Amazon's manuals use.",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-abcdefghijklmnopqrstuvwxyz1234567890abcdefghij",
    "chatcmpl-9ZkQ7yB2mXw4Rf6HjL8Nc0Vd3TgS5",
    "call_J8yH3kQ9wX2mZ7vB4nR6tL1c",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "Bearer of good news: everything that was delivered has arrived in time.",
    "https://example.com:8443/path@home and mailto:me@example.com",
    "v1:26ad1b082d5bd5a8c639b6f433a5e15c274529a0c9770e1f689f99665b31a0e7",
    "Set your api_key to the value that the console shows you.",
    "-----BEGIN PRIVATE KEY----- is how such a file begins.",
    "https://user:$PASSWORD@host/ and https://user:{password}@host/",
]


def test_every_pattern_has_an_example_here() -> None:
    assert KEYS.keys() == {pattern.name for pattern in PATTERNS}
    assert len(PATTERNS) >= 20
    assert all(pattern.source for pattern in PATTERNS)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_found_and_taken_out_whole(name: str) -> None:
    key = KEYS[name]
    for before, after in [
        ("", ""),
        ("key=", "\n"),
        ("Is ", ' wrong? {"a": 1}'),
        ('"', '"'),
        ("It is ", ". Keep it."),
        ("(", ")"),
        ("", ", and"),
    ]:
        text = f"{before}{key}{after}"
        assert [found.name for found in find(text)] == [name], text
        left = replace(text)
        assert f"[{name} removed]" in left
        assert secret_of(name) not in left


@pytest.mark.parametrize("text", INNOCENT)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert find(text) == []
    assert replace(text) is text


def test_several_are_taken_out_and_the_rest_stays() -> None:
    text = f"first {KEYS['OpenAI key']}, then {KEYS['GitHub token']}."
    assert replace(text) == "first [OpenAI key removed], then [GitHub token removed]."


@given(st.lists(st.one_of(st.sampled_from([*KEYS.values()]), st.text(max_size=10)), max_size=4).map(" ".join))
def test_what_was_taken_out_is_not_found_again(text: str) -> None:
    assert find(replace(text)) == []


@needs_shared
def test_there_is_nothing_to_find_in_recordings_that_were_published() -> None:
    """They were scrubbed by those who published them: whatever is found here is a false alarm."""
    for path in traffic(".yaml", ".json", ".txt", ".sse"):
        text = path.read_text(encoding="utf-8", errors="replace")
        assert find(text) == [], path


@pytest.mark.parametrize("piece", ["key", "://", "eyJ", "sk-", "api_key=", "Bearer ", "-----BEGIN PRIVATE KEY-----"])
def test_a_text_that_is_made_of_hints_takes_time_in_proportion_to_its_length(piece: str) -> None:
    """Sixteen times as long takes sixteen times as long; where it is the square, it is 256 times."""
    seconds = []
    for length in (20_000, 320_000):
        text = (piece * length)[:length]
        started = time.process_time()
        find(text)
        seconds.append(time.process_time() - started)
    assert seconds[1] < 80 * seconds[0] + 0.1


def test_many_secrets_beside_many_placeholders_take_no_longer() -> None:
    text = f"[OpenAI key removed {'0' * 32}] {KEYS['GitHub token']} " * 4_000
    started = time.process_time()
    assert len(find(text)) == 4_000
    assert time.process_time() - started < 2


@given(st.text("ab€\ud800", max_size=60), st.lists(st.text("ab€", min_size=1, max_size=4)), st.integers(1, 9))
def test_hints_that_stand_in_a_text_are_found_wherever_it_is_cut(text: str, hints: list[str], step: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret_patterns, "_AT_ONCE", step)
        assert Hints(hints).in_text(text) == {hint for hint in hints if hint in text}
