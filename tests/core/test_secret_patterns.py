"""Keys are found by the shapes their makers gave them; ordinary text is left alone."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.secret_patterns import PATTERNS, find, replace
from support.resources import needs_shared, traffic

RANDOM = random.Random(7)


def some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """As good as random, and with a digit in it."""
    return "".join(RANDOM.choices(alphabet, k=length - 1)) + "7"


HEX = "0123456789abcdef"
KEYS = {
    "Anthropic key": f"sk-ant-api03-{some(93)}",
    "OpenRouter key": f"sk-or-v1-{some(64, HEX)}",
    "Langfuse key": "sk-lf-1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9",
    "OpenAI key": f"sk-proj-{some(120)}",
    "OpenAI-style key": f"sk-{some(48)}",
    "Google API key": f"AIza{some(35)}",
    "Google access token": f"ya29.{some(120)}",
    "Groq key": f"gsk_{some(52)}",
    "xAI key": f"xai-{some(80)}",
    "Perplexity key": f"pplx-{some(48)}",
    "Cerebras key": f"csk-{some(48, string.ascii_lowercase + string.digits)}",
    "Fireworks key": f"fw_{some(24)}",
    "NVIDIA key": f"nvapi-{some(64)}",
    "Replicate token": f"r8_{some(37)}",
    "Hugging Face token": f"hf_{''.join(RANDOM.choices(string.ascii_letters, k=34))}",
    "LangSmith key": f"lsv2_pt_{some(32, HEX)}_{some(10, HEX)}",
    "Databricks token": f"dapi{some(32, HEX)}",
    "Azure AI key": f"{some(52)}JQQJ99{some(10)}ACOG{some(4)}",
    "Azure storage key": f"AccountKey={some(86)}==",
    "Azure client secret": f"abc8Q~{some(34)}",
    "AWS access key id": "AKIA2E3Q4RSTUVWX5YZ6",
    "AWS secret key": f"aws_secret_access_key = {some(40)}",
    "GitHub token": f"ghp_{some(36)}",
    "GitHub fine-grained token": f"github_pat_{some(82)}",
    "GitLab token": f"glpat-{some(20)}",
    "Slack token": f"xoxb-2345678901-{some(24)}",
    "Slack webhook": f"https://hooks.slack.com/services/T0{some(9)}/B0{some(9)}/{some(24)}",
    "Stripe key": f"sk_live_{some(24)}",
    "SendGrid key": f"SG.{some(22)}.{some(43)}",
    "Twilio key": f"SK{some(32, HEX)}",
    "npm token": f"npm_{some(36)}",
    "PyPI token": f"pypi-AgEIcHlwaS5vcmc{some(80)}",
    "DigitalOcean token": f"dop_v1_{some(64, HEX)}",
    "Telegram bot token": f"987654321:AA{some(33)}",
    "JSON web token": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9{some(8)}.{some(43)}",
    "private key": f"-----BEGIN RSA PRIVATE KEY-----\n{some(64)}\n{some(64)}\n-----END RSA PRIVATE KEY-----",
    "bearer token": f"Authorization: Bearer {some(40)}",
    "basic credentials": "Authorization: Basic dXNlcjpodW50ZXIyMzQ1Ng==",
    "labelled key": f"'api-key': '{some(32, HEX)}'",
    "password in a URL": "postgresql://app:hunter2@db.internal/app",
}

VALUES = {"password in a URL": "hunter2"}
"""What is secret of those that do not end with it."""

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
    for before, after in [("", ""), ("key=", "\n"), ("Is ", ' wrong? {"a": 1}'), ('"', '"')]:
        text = f"{before}{key}{after}"
        assert [found.name for found in find(text)] == [name], text
        left = replace(text)
        assert f"[{name} removed]" in left
        assert VALUES.get(name, key[-12:]) not in left


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
