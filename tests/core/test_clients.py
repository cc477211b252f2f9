"""The environment in which a program finds the proxy."""

import pytest

from chatreel.clients import MADE_UP_KEY, client_variables, configured_upstream
from chatreel.model import Mode

BASE = "http://127.0.0.1:8080/v1"


def test_all_clients_are_pointed_at_the_proxy() -> None:
    changed = client_variables(BASE, Mode.CACHE, {"OPENAI_BASE_URL": "https://llm.example/v1", "PATH": "/bin"})
    assert changed == {
        "OPENAI_BASE_URL": BASE,
        "OPENAI_API_BASE": BASE,
        "CHATREEL_BASE_URL": BASE,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "127.0.0.1"), ("example.com", "example.com,127.0.0.1"), ("127.0.0.1,x", None), ("*", None)],
)
def test_the_way_to_the_proxy_leads_through_no_other(before: str, after: str | None) -> None:
    assert client_variables(BASE, Mode.CACHE, {"NO_PROXY": before}).get("NO_PROXY") == after


@pytest.mark.parametrize(
    ("mode", "inherited", "made_up"),
    [
        (Mode.REPLAY, {}, MADE_UP_KEY),
        (Mode.REPLAY, {"OPENAI_API_KEY": "sk-real"}, None),
        (Mode.CACHE, {}, None),
        (Mode.RECORD, {}, None),
    ],
)
def test_a_key_is_made_up_only_where_none_is_needed(mode: Mode, inherited: dict[str, str], made_up: str | None) -> None:
    assert client_variables(BASE, mode, inherited).get("OPENAI_API_KEY") == made_up


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, ""),
        ({"OPENAI_BASE_URL": "https://llm.example/v1"}, "https://llm.example/v1"),
        ({"OPENAI_BASE_URL": BASE, "CHATREEL_BASE_URL": BASE}, ""),
        ({"OPENAI_BASE_URL": "https://llm.example/v1", "CHATREEL_BASE_URL": BASE}, "https://llm.example/v1"),
    ],
)
def test_a_proxy_of_ours_is_no_upstream(environment: dict[str, str], url: str) -> None:
    assert configured_upstream(environment) == url
