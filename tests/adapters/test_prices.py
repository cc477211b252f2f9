"""Prices of the list and of one's own, by the date of the call; what would be wrong is not known instead."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml

from chatreel.model import JsonObject
from chatreel.prices import Price, PriceOverride, Prices, Unpriced
from chatreel.rates import parse_override
from chatreel.tokens import Tokens, tokens_of_completion
from chatreel.wire.codec import loads_object
from chatreel.wire.reading import read
from support.resources import needs_shared, traffic
from support.vcr import Unreadable, chat_interactions

OPENAI = "https://api.openai.com"
GOOGLE = "https://generativelanguage.googleapis.com"
ROUTER = "https://openrouter.ai"
LOCAL = "http://127.0.0.1:11434"
AZURE = "https://mine.openai.azure.com"
MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
IN_2025 = datetime(2025, 9, 1, tzinfo=UTC).timestamp()
IN_2027 = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
THOUSAND = Tokens(prompt=1_000, completion=1_000)


def quote(model: str, upstream: str = OPENAI, tokens: Tokens = THOUSAND, at: float = IN_2025, **more: Any) -> Any:
    return Prices(more.pop("overrides", ())).quote(tokens, model, upstream, at, **more)


def usd(*args: Any, **more: Any) -> Decimal:
    found = quote(*args, **more)
    assert isinstance(found, Price), found
    return found.usd


def reason(*args: Any, **more: Any) -> str:
    found = quote(*args, **more)
    assert isinstance(found, Unpriced), found
    return found.reason


@pytest.mark.parametrize(
    ("model", "upstream", "matched", "expected"),
    [
        ("gpt-4o", OPENAI, "gpt-4o", "0.0125"),
        ("GPT-4o-2024-08-06", OPENAI, "gpt-4o", "0.0125"),
        ("gpt-4o", AZURE, "gpt-4o", "0.0125"),
        ("gpt-4o-2024-11-20", f"{AZURE}/openai/deployments/d/chat/completions", "gpt-4o", "0.0125"),
        ("openai/gpt-4o", ROUTER, "openai/gpt-4o", "0.0125"),
        ("anthropic/claude-4.6-sonnet-20260217", ROUTER, "anthropic/claude-sonnet-4.6", "0.018"),
        ("deepseek-chat-foo", "https://api.deepseek.com", "deepseek-chat", None),
        ("gemini-2.5-pro", GOOGLE, "gemini-2.5-pro", "0.01125"),
        ("models/gemini-2.5-pro", GOOGLE, "gemini-2.5-pro", "0.01125"),
        ("google/gemini-2.5-pro", "https://us-central1-aiplatform.googleapis.com", "gemini-2.5-pro", "0.01125"),
        (MIXTRAL, "https://api.together.ai", MIXTRAL, None),
        ("deepseek-ai/DeepSeek-R1", "https://router.huggingface.co/together/v1", "deepseek-ai/DeepSeek-R1", None),
        ("deepseek/deepseek-chat:free", ROUTER, "deepseek/deepseek-chat:free", "0"),
    ],
)  # fmt: skip
def test_the_upstream_tells_whose_price_of_a_model_it_is(
    model: str, upstream: str, matched: str, expected: str | None
) -> None:
    found = quote(model, upstream)
    assert isinstance(found, Price), found
    assert (found.source, found.model) == ("genai-prices", matched)
    assert found.version[0].isdigit()
    if expected is not None:
        assert found.usd == Decimal(expected)


@pytest.mark.parametrize("upstream", [LOCAL, "http://localhost:8000", "https://gateway.example", "http://vllm:8000/v1"])
@pytest.mark.parametrize("model", ["gpt-4o", "openai/gpt-4o", "llama3"])
def test_what_a_server_of_ones_own_charges_is_not_known(model: str, upstream: str) -> None:
    assert f"does not know {model!r} at {upstream.removesuffix('/v1')}" in reason(model, upstream)


@pytest.mark.parametrize("model", ["gpt-4o", "moonshotai/kimi-k2", "no-such-model", ""])
def test_the_model_that_served_is_priced_and_not_the_one_asked_for(model: str) -> None:
    found = Prices().price(THOUSAND, model, OPENAI, IN_2025, asked="gpt-4o-mini")
    expected = {"gpt-4o": Decimal("0.0125"), "": Decimal("0.00075")}
    assert (found.usd if found else None) == expected.get(model)


def test_nobody_has_named_a_model() -> None:
    assert reason("") == "neither request nor answer names a model"


def test_a_price_is_that_of_the_day_of_the_call() -> None:
    june = datetime(2025, 6, 10, tzinfo=UTC).timestamp()
    assert usd("o3", at=june - 1) == Decimal("0.05")
    assert usd("o3", at=june) == Decimal("0.01")


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ({}, "0.0125"),
        ({"cached": 1_000}, "0.01125"),
        ({"cached": 0, "reasoning": 900}, "0.0125"),
        ({"reasoning": 1_001}, "0.0125"),
        ({"audio_prompt": 0, "audio_completion": 0}, "0.0125"),
        ({"prompt": 0}, "0.01"),
        ({"completion": 0}, "0.0025"),
        ({"tier": "default"}, "0.0125"),
        ({"tier": "auto"}, "0.0125"),
        ({"cost": Decimal(9)}, "0.0125"),
    ],
)
def test_tokens_are_charged_by_kind(tokens: Any, expected: str) -> None:
    counts = {"prompt": 1_000, "completion": 1_000} | tokens
    assert usd("gpt-4o", tokens=Tokens(**counts)) == Decimal(expected)


@pytest.mark.parametrize(
    ("model", "upstream", "tokens", "why"),
    [
        ("gpt-4o", OPENAI, {"cached": 11}, "11 of 10 prompt tokens in the cache"),
        ("gpt-4o", OPENAI, {"completion": None}, "does not report its completion tokens"),
        ("gpt-4o", OPENAI, {"prompt": 0, "completion": 0}, "reports 0 tokens"),
        ("gpt-4o-audio-preview", OPENAI, {"audio_prompt": 5}, "of gpt-4o-audio-preview for audio prompt tokens"),
        ("gpt-4o-audio-preview", OPENAI, {"audio_completion": 5}, "for audio completion tokens: give one"),
        ("gemini-2.5-flash", GOOGLE, {"audio_prompt": 5, "cached": 5}, "Missing usage for cache_audio_read"),
        ("text-embedding-3-small", OPENAI, {}, "no rate of text-embedding-3-small for completion tokens"),
        ("gpt-4o", "https://api.githubcopilot.com", {}, "no rate of gpt-4o for prompt and completion tokens"),
        ("gpt-4o", OPENAI, {"tier": "scale"}, "no rate of gpt-4o for the service tier 'scale'"),
        ("gpt-5", OPENAI, {"tier": "priority"}, "for the service tier 'priority'"),
        ("gpt-5", AZURE, {"tier": "priority"}, "for the service tier 'priority'"),
    ],
)  # fmt: skip
def test_what_the_list_would_get_wrong_is_not_priced(model: str, upstream: str, tokens: Any, why: str) -> None:
    counts = {"prompt": 10, "completion": 10} | tokens
    assert why in reason(model, upstream, Tokens(**counts))


def test_a_service_tier_has_rates_of_its_own_where_the_list_knows_them() -> None:
    standard, flex, priority = (
        usd("gpt-5", tokens=Tokens(prompt=1_000, completion=1_000, tier=tier), at=IN_2027)
        for tier in ("default", "flex", "priority")
    )
    assert (flex * 2, priority) == (standard, standard * 2)


def test_audio_is_charged_as_audio_where_there_is_a_rate() -> None:
    text = usd("gpt-audio", tokens=THOUSAND, at=IN_2027)
    assert usd("gpt-audio", tokens=Tokens(prompt=1_000, completion=1_000, audio_prompt=900), at=IN_2027) > 3 * text


def override(**members: Any) -> PriceOverride:
    return parse_override({"model": "gpt-4o", "input": 1, "output": 1} | members)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([{}], "0.002"),
        ([{"model": "gpt-4o-*", "upstream": OPENAI}], "0.002"),
        ([{"upstream": ROUTER}], "0.0125"),
        ([{"model": "gpt-5"}], "0.0125"),
        ([{"upstream": ROUTER, "input": 9}, {"model": "gpt-4*", "input": 3}, {"input": 5}], "0.004"),
    ],
)
def test_the_first_table_that_fits_goes_before_the_list(overrides: list[Any], expected: str) -> None:
    tables = tuple(override(**members) for members in overrides)
    assert usd("gpt-4o-2024-08-06", overrides=tables, asked="gpt-4o") == Decimal(expected)


def test_a_table_may_mean_the_model_that_was_asked_for() -> None:
    table = override(model="my-deployment")
    assert usd("gpt-4o-2024-08-06", AZURE, overrides=(table,), asked="my-deployment") == Decimal("0.002")


def test_a_table_that_cannot_price_a_call_does_not_leave_it_to_the_list() -> None:
    assert "does not report" in reason("gpt-4o", tokens=Tokens(prompt=5), overrides=(override(),))


def test_a_local_model_can_be_said_to_be_free() -> None:
    free = override(model="*", upstream="http://127.0.0.1:*", input=0, output=0)
    assert usd("llama3", LOCAL, Tokens(), overrides=(free,)) == 0
    assert usd("gpt-4o", OPENAI, overrides=(free,)) == Decimal("0.0125")


@pytest.mark.parametrize(("model", "upstream", "known"), [("gpt-4o", OPENAI, True), ("gpt-4o", LOCAL, False)])
def test_a_budget_can_ask_beforehand(model: str, upstream: str, known: bool) -> None:
    assert Prices().knows(model, upstream, IN_2025) is known


def test_a_completion_brings_tokens_model_and_tier() -> None:
    completion: JsonObject = {
        "model": "gpt-5",
        "service_tier": "flex",
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 1_000},
    }
    found = Prices().quote_completion(completion, OPENAI, IN_2027, asked="gpt-4o")
    assert isinstance(found, Price)
    assert found.usd == usd("gpt-5", at=IN_2027) / 2
    unnamed = completion | {"model": None, "service_tier": None}
    found = Prices().quote_completion(unnamed, OPENAI, IN_2027, asked="o3")
    assert isinstance(found, Price)
    assert found.model == "o3"


ROUTED = {"deepseek/deepseek-chat"}
"""Its price moved with the provider that the router picked that day."""


def _recorded() -> Iterator[tuple[str, JsonObject, str]]:
    """URL, completion and model asked for of every real recording."""
    for path in traffic(".yaml", ".yml", ".json"):
        try:
            interactions = chat_interactions(path) if "_licenses" not in path.parts else []
        except (Unreadable, yaml.YAMLError):
            continue
        for one in interactions:
            completion = read(one.body, status=one.status, lenient=True).completion
            if completion is not None:
                asked = loads_object(one.request_body or b"{}").get("model")
                yield one.url, completion, asked if isinstance(asked, str) else ""


@needs_shared
def test_every_usage_of_the_real_recordings_is_understood() -> None:
    seen = 0
    for url, completion, _ in _recorded():
        tokens = tokens_of_completion(completion)
        usage = completion.get("usage")
        assert (tokens.prompt is None) is (usage is None), url
        if isinstance(usage, dict):
            seen += 1
            assert tokens.prompt is not None
            assert tokens.completion is not None
            assert tokens.prompt + tokens.completion == usage["total_tokens"], (url, usage)
            assert (tokens.cached or 0) + (tokens.cache_write or 0) <= tokens.prompt, (url, usage)
            assert (tokens.cost is None) is ("cost" not in usage)
    assert seen > 100


@needs_shared
def test_real_recordings_have_the_price_that_their_server_reports_or_a_reason() -> None:
    """OpenRouter says what the tokens cost, searches apart."""
    agreed, unknown = 0, 0
    for url, completion, asked in _recorded():
        created = completion.get("created")
        on_its_day = created if isinstance(created, int) and created < IN_2027 else IN_2027  # some send milliseconds
        found = Prices().quote_completion(completion, url, on_its_day, asked=asked)
        usage = completion.get("usage")
        told = usage.get("cost_details") if isinstance(usage, dict) else None
        if isinstance(found, Unpriced):
            unknown += 1
            assert found.reason
        elif isinstance(told, dict) and completion["model"] not in ROUTED:
            agreed += 1
            parts = [told["upstream_inference_prompt_cost"], told["upstream_inference_completions_cost"]]
            # It reckons in floats.
            assert round(found.usd, 15) == round(sum(Decimal(str(part)) for part in parts), 15), completion["model"]
    assert agreed >= 8
    assert unknown >= 20
