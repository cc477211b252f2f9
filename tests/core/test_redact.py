"""No header that could identify a customer, open a door or depend on the connection is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.redact import KEPT_RESPONSE_HEADERS, kept_headers

SECRET = [
    "Set-Cookie",
    "set-cookie2",
    "cookie",
    "Authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "api-key",
    "x-api-key",
    "openai-organization",
    "OpenAI-Project",
    "x-ms-client-request-id",
    "x-ms-deployment-name",
    "azureml-model-session",
    "llm_provider-x-api-key",
    "x-litellm-key-spend",
    "x-litellm-response-cost",
    "cf-ray",
]
RATE_LIMITS = [
    *(f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("requests", "tokens")),
    "x-ratelimit-reset",
    "x-ratelimitbysize-limit-minute",
    "ratelimit",
    "retry-after",
    "retry-after-ms",
]
OF_THE_CONNECTION = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-encoding",
    "date",
    "age",
    "cache-status",
    "alt-svc",
    "strict-transport-security",
]


@pytest.mark.parametrize("name", [*SECRET, *RATE_LIMITS, *OF_THE_CONNECTION])
def test_what_must_not_be_stored_is_dropped_in_any_spelling(name: str) -> None:
    headers = [(spelled, "secret") for spelled in (name, name.lower(), name.upper(), name.title())]
    assert kept_headers(headers) == ()


@pytest.mark.parametrize(
    "name",
    [
        "content-type",
        "x-request-id",
        "openai-processing-ms",
        "openai-version",
        "apim-request-id",
        "x-ms-region",
        "x-groq-region",
        "mistral-correlation-id",
        "x-generation-id",
        "x-ds-trace-id",
        "inference-id",
    ],
)
def test_what_helps_to_find_a_call_again_is_kept(name: str) -> None:
    """The names are those of quirk Q9."""
    assert kept_headers([(name.upper(), "value")]) == ((name, "value"),)


@given(st.lists(st.tuples(st.text(), st.text())))
def test_nothing_but_listed_names_passes(headers: list[tuple[str, str]]) -> None:
    assert {name for name, _ in kept_headers(headers)} <= KEPT_RESPONSE_HEADERS


def test_order_and_repeats_stay_as_they_were() -> None:
    headers = [("X-Request-Id", "b"), ("set-cookie", "s"), ("Content-Type", "t"), ("x-request-id", "a")]
    assert kept_headers(headers) == (("x-request-id", "b"), ("content-type", "t"), ("x-request-id", "a"))


def test_a_value_of_bytes_that_are_no_text_is_dropped() -> None:
    value = b"caf\xe9".decode(errors="surrogateescape")
    assert kept_headers([("x-request-id", value), ("content-type", "café")]) == (("content-type", "café"),)
