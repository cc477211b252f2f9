"""What a call costs by a `[[price]]` table: exact, and never less than what is known."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.rates import Price, PriceOverride, Unpriced, origin_of, parse_override
from chatreel.tokens import Tokens

TEXT = {"model": "m", "input": 2, "output": 8}


def price(table: dict[str, Any], **tokens: Any) -> Price | Unpriced:
    return parse_override(table).price(Tokens(**tokens))


def usd(table: dict[str, Any], **tokens: Any) -> Decimal:
    found = price(table, **({"prompt": 1_000, "completion": 100} | tokens))
    assert isinstance(found, Price), found
    return found.usd


@pytest.mark.parametrize(
    ("table", "tokens", "expected"),
    [
        ({}, {}, "0.0028"),
        ({"request": 0.005}, {}, "0.0078"),
        ({}, {"cached": 400, "reasoning": 50, "audio_prompt": 10}, "0.0028"),
        ({"cached_input": 1}, {"cached": 400}, "0.0024"),
        ({"cached_input": 0}, {"cached": 1_000}, "0.0008"),
        ({"cache_write": "2.5"}, {"cache_write": 400}, "0.003"),
        ({"reasoning": 10}, {"reasoning": 50}, "0.0029"),
        ({"audio_input": 40, "audio_output": 80}, {"audio_prompt": 500, "audio_completion": 50}, "0.0254"),
        ({"cached_input": 1, "audio_input": 40}, {"cached": 400, "audio_prompt": 600}, "0.0252"),
        ({"output": 0}, {}, "0.002"),
    ],
)
def test_each_kind_of_token_is_charged_at_its_rate(table: Any, tokens: Any, expected: str) -> None:
    assert usd(TEXT | table, **tokens) == Decimal(expected)


FREE = {"model": "m", "input": 0, "output": 0}
FLAT = {"model": "m", "request": "0.02"}


@pytest.mark.parametrize(("table", "expected"), [(FREE, "0"), (FLAT, "0.02"), (FREE | FLAT, "0.02")])
def test_where_tokens_are_free_nobody_needs_to_count_them(table: dict[str, Any], expected: str) -> None:
    for tokens in (Tokens(), Tokens(prompt=10, completion=10, cached=99)):
        found = parse_override(table).price(tokens)
        assert isinstance(found, Price)
        assert found.usd == Decimal(expected)


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ({}, "does not report its prompt and completion tokens"),
        ({"prompt": 10}, "does not report its completion tokens"),
        ({"completion": 10}, "does not report its prompt tokens"),
        ({"prompt": 0, "completion": 0}, "reports 0 tokens"),
        ({"prompt": 10, "completion": 1, "cached": 11}, "contradicts itself: 11 of 10 prompt tokens in the cache"),
        ({"prompt": 10, "completion": 1, "cached": 6, "cache_write": 5}, "contradicts itself: 11 of 10"),
        ({"prompt": 10, "completion": 1, "reasoning": 2}, "the parts of the completion tokens are more than all"),
        ({"prompt": 10, "completion": 1, "cached": 6, "audio_prompt": 6}, "the parts of the prompt tokens"),
    ],
)
def test_what_cannot_be_charged_is_not_priced_and_says_why(tokens: dict[str, int], why: str) -> None:
    found = price(TEXT | {"cached_input": 1, "reasoning": 9, "audio_input": 40}, **tokens)
    assert isinstance(found, Unpriced)
    assert why in found.reason


def test_a_price_knows_where_it_comes_from() -> None:
    found, again = (price(TEXT, prompt=1, completion=0) for _ in range(2))
    assert isinstance(found, Price)
    assert (found.source, found.model, found) == ("override", "m", again)
    changed = price(TEXT | {"input": 3}, prompt=1, completion=0)
    assert isinstance(changed, Price)
    assert changed.version != found.version


@pytest.mark.parametrize(
    ("usd", "nanodollars"),
    [("0.0028", 2_800_000), ("1E-9", 1), ("0.0000000015", 2), ("0.0000000025", 2), ("1000", 10**12), ("0", 0)],
)
def test_nanodollars_are_whole(usd: str, nanodollars: int) -> None:
    assert Price(Decimal(usd), "", "", "").nanodollars == nanodollars


_COUNTS = st.integers(0, 10**9)
_RATES = st.decimals(0, 1_000_000, places=6)


@given(_COUNTS, _COUNTS, _COUNTS, _RATES, _RATES, _RATES)
def test_a_cheaper_part_makes_no_call_dearer(
    fresh: int, cached: int, completion: int, low: Decimal, high: Decimal, output: Decimal
) -> None:
    low, high = sorted((low, high))
    tokens = Tokens(prompt=fresh + cached, completion=completion or 1, cached=cached)
    plain = PriceOverride("m", input=high, output=output).price(tokens)
    cheaper = PriceOverride("m", input=high, output=output, cached_input=low).price(tokens)
    assert isinstance(plain, Price)
    assert isinstance(cheaper, Price)
    assert 0 <= cheaper.usd <= plain.usd
    assert plain.usd * 1_000_000 == (fresh + cached) * high + (completion or 1) * output, "exact"
    assert plain.nanodollars < 2**63, "a database has room for it"


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("GPT-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o*", "gpt-4o-mini", True),
        ("*/llama-?", "meta/llama-3", True),
        ("*", "", True),
        ("llama[3]", "llama3", False),
        ("llama[3]", "llama[3]", True),
    ],
)
def test_a_model_is_named_or_described_by_a_pattern(pattern: str, model: str, fits: bool) -> None:
    assert parse_override(TEXT | {"model": pattern}).fits([model], "https://h") is fits


@pytest.mark.parametrize(
    ("upstream", "origin", "fits"),
    [
        ("", "https://api.openai.com", True),
        ("https://api.openai.com", "https://api.openai.com", True),
        ("https://API.openai.com:443/v1", "https://api.openai.com", True),
        ("http://api.openai.com", "https://api.openai.com", False),
        ("http://127.0.0.1:*", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1", "http://127.0.0.1:8000", False),
        ("http://[::1]:8000", "http://[::1]:8000", True),
        ("http://[::1]:*", "http://[::1]:9", True),
        ("https://*.azure.com", "https://a.openai.azure.com", True),
    ],
)
def test_a_table_may_be_for_one_upstream_only(upstream: str, origin: str, fits: bool) -> None:
    assert parse_override(TEXT | {"upstream": upstream}).fits(["m"], origin) is fits


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("gpt-4o", "is no table"),
        ({}, "has no model"),
        ({"model": " "}, "has no model"),
        ({"model": 4}, "has no model"),
        (TEXT | {"prompt": 1}, "there is no prompt in a price; its members are model, upstream, input, output"),
        ({"model": "m", "input": 1}, "the price of 'm' needs input and output, or request alone"),
        ({"model": "m", "cached_input": 1}, "needs input and output"),
        ({"model": "m", "request": 1, "input": 1}, "needs input and output"),
        (TEXT | {"output": "cheap"}, "output = 'cheap' is not a number of USD"),
        (TEXT | {"output": True}, "output = True is not"),
        (TEXT | {"output": -1}, "output = -1 is not"),
        (TEXT | {"output": float("nan")}, "output = nan is not"),
        (TEXT | {"output": float("inf")}, "output = inf is not"),
        (TEXT | {"output": 1_000_001}, "from 0 to 1,000,000"),
        (TEXT | {"output": None}, "output = None is not"),
        (TEXT | {"upstream": "openai"}, "upstream 'openai' is no URL such as"),
        (TEXT | {"upstream": 5}, "upstream 5 is no URL such as"),
    ],
)
def test_a_wrong_table_is_refused_and_says_what_is_wrong(entry: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as raised:
        parse_override(entry)
    assert complaint in str(raised.value)


def test_a_rate_is_the_number_that_was_written() -> None:
    assert parse_override(TEXT | {"input": 0.1}).input == Decimal("0.1")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://H/v1?x=1", "https://h"),
        ("http://h:80/", "http://h"),
        ("http://h:443", "http://h:443"),
        ("https://h:443", "https://h"),
    ],
)
def test_an_origin_has_no_path_and_no_needless_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin
