"""No header that could identify a customer, open a door or depend on the connection is stored."""

import hashlib
import re
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.errors import ConfigError, NotKeyable
from chatreel.model import Json
from chatreel.redact import DEFAULT_REDACTOR, KEPT_RESPONSE_HEADERS, Redaction, Redactor, kept_headers
from chatreel.secret_patterns import PLACEHOLDER, Shapes
from chatreel.secret_shapes import PATTERNS, own_pattern
from support.planted import KEYS, secret_of

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


ONE, OTHER = KEYS["OpenAI key"], KEYS["GitHub token"]


def clean(value: Json, redactor: Redactor = DEFAULT_REDACTOR) -> Json:
    return Redaction(redactor).value(value)


def test_two_secrets_have_two_placeholders_and_one_secret_has_one() -> None:
    first, again, changed = (str(clean(text)) for text in (f"a {ONE}", ONE, ONE[:-8] + ONE[-8:].swapcase()))
    assert first == f"a {again}"
    assert PLACEHOLDER.fullmatch(again)
    assert changed != again


def test_a_key_of_ones_own_makes_other_placeholders_and_nobody_can_make_them_without() -> None:
    for secret in (ONE, KEYS["password in a URL"]):
        plain = clean(secret)
        assert clean(secret, Redactor(key=b"k" * 32)) not in (plain, clean(secret, Redactor(key=b"l" * 32)))


def test_what_people_may_have_chosen_takes_work_to_try() -> None:
    """Else its digest would be as good as the password."""
    guessable = {pattern.name for pattern in PATTERNS if pattern.guessable}
    assert guessable == {"bearer token", "basic credentials", "labelled key", "password in a URL"}
    known = hashlib.scrypt(
        secret_of("password in a URL").encode(), salt=b"chatreel secret", n=2**14, r=8, p=5, maxmem=2**26, dklen=16
    )
    assert known.hex() in str(clean(KEYS["password in a URL"]))


@pytest.mark.long
def test_more_passwords_than_can_be_told_apart_fast_have_no_key() -> None:
    urls = [f"http://u:{'abcdefghijklmnopq'[n]}-word-{n}@h/" for n in range(17)]
    with pytest.raises(NotKeyable, match="more than 16"):
        clean([*urls])


def test_a_secret_in_escapes_in_names_and_in_json_inside_of_a_text_is_found() -> None:
    hidden = "".join(f"\\u{ord(letter):04x}" for letter in ONE)
    value: Json = {ONE: 1, "arguments": f'{{"key": "{hidden}", "n": 1.50}}', "deep": [[{"a": ONE}]]}
    text = orjson.dumps(clean(value)).decode()
    assert ONE not in text
    assert hidden not in text
    assert text.count("[OpenAI key removed ") == 3


def test_an_address_keeps_its_spelling_but_for_secrets() -> None:
    redaction = Redaction(DEFAULT_REDACTOR)
    assert redaction.address("/v1/a%20b", "x=%7e&y&&z=1") == ("/v1/a%20b", "x=%7e&y&&z=1")
    path, query = redaction.address(f"/v1/{ONE}", f"a={quote(OTHER)}&b={ONE.replace('-', '%2D')}&c=%7e")
    assert (ONE in path, query.startswith("a=[GitHub token removed "), query.endswith("&c=%7e")) == (False, True, True)
    assert [*redaction.names] == ["OpenAI key", "GitHub token"]


def test_a_shape_of_ones_own_is_taken_out_by_its_group() -> None:
    mine = own_pattern("customer", r"customer K-([0-9]{4})")
    text = clean("of customer K-1234 or K-1234", Redactor(Shapes([mine])))
    assert re.fullmatch(r"of customer K-\[customer removed [0-9a-f]{32}\] or K-1234", str(text))


@pytest.mark.parametrize(("name", "pattern"), [("a\nb", "x"), ("", "x"), ("a", "("), ("a", "x*"), ("a", "(x)(y)")])
def test_a_shape_that_cannot_be_used_is_refused(name: str, pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"name|pattern"):
        own_pattern(name, pattern)


@given(
    st.recursive(
        st.one_of(
            st.sampled_from([ONE, OTHER, f"x {ONE}", 'é "']),
            st.integers(-(2**63), 2**64 - 1),
            st.none(),
            st.text(max_size=8),
        ),
        lambda children: st.lists(children) | st.dictionaries(st.text(max_size=3), children),
        max_leaves=12,
    )
)
def test_what_was_redacted_has_nothing_to_redact_and_what_has_nothing_stays_the_same_object(value: Json) -> None:
    once = clean(value)
    assert ONE not in orjson.dumps(once).decode()
    assert clean(once) is once
