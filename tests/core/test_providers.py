"""Which hosts count as those of a model API."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.providers import KNOWN_HOSTS, HostList, Match


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "OpenAI"),
        ("API.OpenAI.com.", "OpenAI"),
        ("eu.api.openai.com", "OpenAI"),
        ("my-team.openai.azure.com", "Azure OpenAI"),
        ("us-central1-aiplatform.googleapis.com", "Google Vertex AI"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "Amazon Bedrock"),
        ("api.anthropic.com", "Anthropic"),
        ("api.mistral.ai", "Mistral"),
        ("openrouter.ai", "OpenRouter"),
    ],
)
def test_a_model_api_is_recognised(host: str, provider: str) -> None:
    match = HostList().match(host)
    assert match
    assert match.provider == provider


@pytest.mark.parametrize(
    "host",
    [
        "openai.com",
        "platform.openai.com",
        "api.openai.com.evil.example",
        "notapi.openai.com",
        "openai.azure.com",
        ".openai.azure.com",
        "s3.eu-west-1.amazonaws.com",
        "storage.googleapis.com",
        "example.com",
        "",
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    assert HostList().match(host) is None


@given(st.sampled_from(sorted(KNOWN_HOSTS)), st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8})?", fullmatch=True))
def test_whatever_stands_for_the_star_is_known(pattern: str, text: str) -> None:
    host = pattern.replace("*", text)
    match = HostList().match(host)
    assert match
    assert match.host == host


def test_hosts_of_ones_own_are_added() -> None:
    hosts = HostList(["llm.example.com", "*.models.example"])
    assert hosts.match("LLM.example.com") == Match("llm.example.com", "")
    assert hosts.match("a.b.models.example") == Match("a.b.models.example", "")
    assert hosts.match("models.example") is None
    assert hosts.match("api.openai.com")


def test_a_star_alone_is_every_host() -> None:
    assert HostList(["*"]).match("anything.example") == Match("anything.example", "")
