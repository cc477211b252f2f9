"""Usage in all the spellings that travel is read into one meaning; what is no usage is not reported, nothing raises."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatreel.model import Json
from chatreel.tokens import Tokens, tokens_of, tokens_of_completion

PAIR = {"prompt_tokens": 100, "completion_tokens": 20}


def usage(**more: Any) -> Any:
    return PAIR | more


def details(**prompt: Any) -> Any:
    return usage(prompt_tokens_details=prompt)


def output(**completion: Any) -> Any:
    return usage(completion_tokens_details=completion)


SPELLINGS: list[tuple[str, Any, dict[str, Any]]] = [
    ("OpenAI", usage(), {}),
    ("OpenAI, cached", details(cached_tokens=64), {"cached": 64}),
    ("OpenAI, none cached", details(cached_tokens=0), {"cached": 0}),
    ("OpenAI, written", details(cache_write_tokens=8), {"cache_write": 8}),
    ("OpenAI, audio in", details(audio_tokens=30), {"audio_prompt": 30}),
    ("OpenAI, audio out", output(audio_tokens=7), {"audio_completion": 7}),
    ("OpenAI, reasoning", output(reasoning_tokens=5), {"reasoning": 5}),
    ("no details", usage(prompt_tokens_details=None, completion_tokens_details=None), {}),
    ("DeepSeek", usage(prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=36), {"cached": 64}),
    ("Moonshot, Together", usage(cached_tokens=64), {"cached": 64}),
    ("Mistral", usage(num_cached_tokens=64), {"cached": 64}),
    ("LiteLLM", usage(cache_read_input_tokens=9, cache_creation_input_tokens=4), {"cached": 9, "cache_write": 4}),
    ("LiteLLM, details", details(cache_creation_tokens=4), {"cache_write": 4}),
    ("DashScope", details(cached_tokens=3, cache_creation_input_tokens=4), {"cached": 3, "cache_write": 4}),
    ("new-api", details(cached_creation_tokens=4), {"cache_write": 4}),
    ("zeros beside the count", usage(prompt_tokens_details={"cached_tokens": 0}, cached_tokens=64), {"cached": 64}),
    ("reasoning at the top", usage(reasoning_tokens=5), {"reasoning": 5}),
    ("floats", {"prompt_tokens": 100.0, "completion_tokens": 2e1}, {}),
    ("Responses API", {"input_tokens": 100, "output_tokens": 20, "input_tokens_details": {"cached_tokens": 64}},
     {"cached": 64}),
    ("new-api, both", {"prompt_tokens": 100, "completion_tokens": 20, "input_tokens": 0, "output_tokens": 0}, {}),
    ("new-api, the other", {"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 100, "output_tokens": 20}, {}),
    ("Anthropic", {"input_tokens": 30, "output_tokens": 20, "cache_read_input_tokens": 64,
                   "cache_creation_input_tokens": 6}, {"cached": 64, "cache_write": 6}),
    ("cached beside the prompt", {"prompt_tokens": 36, "completion_tokens": 20, "total_tokens": 120,
                                  "prompt_tokens_details": {"cached_tokens": 64}}, {"cached": 64}),
    ("xAI", {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 120,
             "completion_tokens_details": {"reasoning_tokens": 18}}, {"reasoning": 18}),
    ("Gemini", {"prompt_tokens": 100, "completion_tokens": 12, "total_tokens": 120}, {}),
    ("reasoning inside", output(reasoning_tokens=18) | {"total_tokens": 120}, {"reasoning": 18}),
    ("a total nobody can explain", output(reasoning_tokens=5) | {"total_tokens": 9_000}, {"reasoning": 5}),
    ("a total too small", usage(total_tokens=3), {}),
    ("OpenRouter", usage(cost=8.6e-05, is_byok=False), {"cost": Decimal("0.000086")}),
    ("OpenRouter, free", usage(cost=0), {"cost": Decimal(0)}),
    ("Perplexity", usage(cost={"request_cost": 0.005, "total_cost": 0.00501}), {"cost": Decimal("0.00501")}),
    ("xAI, cost", usage(cost_in_usd_ticks=232856000), {"cost": Decimal("0.0232856")}),
    ("DeepInfra", usage(estimated_cost="0.25"), {"cost": Decimal("0.25")}),
    ("a tier", usage(service_tier="flex"), {"tier": "flex"}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), [case[1:] for case in SPELLINGS], ids=[case[0] for case in SPELLINGS])
def test_every_spelling_means_the_same(said: Any, meant: dict[str, Any]) -> None:
    assert tokens_of(said) == Tokens(prompt=100, completion=20, **meant)


NOT_REPORTED: list[Any] = [None, [], "12", 12, True, {}, {"total_tokens": 5}, {"usage": PAIR}]


@pytest.mark.parametrize("said", NOT_REPORTED, ids=str)
def test_what_is_no_usage_reports_nothing(said: Json) -> None:
    assert tokens_of(said) == Tokens()


IMPOSSIBLE: list[Json] = [None, True, -1, 1.5, "12", "many", [], {}, 10**9 + 1, 10**400, float("inf"), float("nan")]


@pytest.mark.parametrize("number", IMPOSSIBLE, ids=repr)
def test_a_count_that_is_none_is_not_reported_and_spoils_nothing_else(number: Json) -> None:
    odd: Json = {"cached_tokens": number, "audio_tokens": number}
    found = tokens_of(usage(prompt_tokens_details=odd, prompt_cache_hit_tokens=number, total_tokens=number))
    assert found == Tokens(prompt=100, completion=20)


@pytest.mark.parametrize(
    "amount", [None, True, -1, "free", "NaN", "1e9999999", "sNaN", {}, [], float("inf"), 10**400, {"total_cost": "?"}]
)
def test_a_cost_that_is_none_is_not_reported(amount: Json) -> None:
    assert tokens_of(usage(cost=amount)).cost is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_NAMES = [
    "usage", "x_groq", "choices", "timings", "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens",
    "prompt_tokens_details", "cached_tokens", "cost", "total_cost", "service_tier", "cache_n", "prompt_n",
    "predicted_n", "cache_read_input_tokens", "cost_in_usd_ticks",
]  # fmt: skip
_OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6),
    lambda inner: st.dictionaries(st.sampled_from(_NAMES), inner | st.lists(inner, max_size=2) | _VALUES, max_size=6),
    max_leaves=4,
)


@given(_OBJECTS)
@example({"usage": {"cost": "1e999999"}})
@example({"choices": [None, 3, {"usage": 3}], "x_groq": 1, "timings": [], "service_tier": 4})
def test_nothing_that_a_server_may_say_raises(said: Any) -> None:
    for found in (tokens_of(said), tokens_of_completion(said)):
        counts = (found.prompt, found.completion, found.cached, found.reasoning, found.audio_prompt)
        assert all(count is None or count >= 0 for count in counts)
        assert found.cost is None or 0 <= found.cost <= 10**9


PLACES: list[tuple[str, Any]] = [
    ("the top", {"usage": PAIR}),
    ("Groq's own", {"x_groq": {"id": "r", "usage": PAIR}}),
    ("Groq's own beside null", {"usage": None, "x_groq": {"usage": PAIR}}),
    ("Moonshot's choice", {"choices": [{"index": 0, "usage": PAIR}]}),
    ("the last of the choices", {"choices": [{"usage": {"prompt_tokens": 1}}, {"usage": PAIR}]}),
    ("llama.cpp before it counted its cache", {"timings": {"prompt_n": 100, "predicted_n": 20, "prompt_ms": 3.5}}),
    ("the top first", {"usage": PAIR, "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}}),
]


@pytest.mark.parametrize("completion", [place[1] for place in PLACES], ids=[place[0] for place in PLACES])
def test_usage_is_found_wherever_it_stands(completion: Any) -> None:
    assert tokens_of_completion(completion) == Tokens(prompt=100, completion=20)


def test_each_number_comes_from_the_first_place_that_has_it() -> None:
    completion: Any = {
        "usage": PAIR,
        "choices": [{"usage": {"prompt_tokens": 1, "cached_tokens": 64}}],
        "timings": {"cache_n": 63, "prompt_n": 37, "predicted_n": 20},
        "service_tier": "flex",
    }
    assert tokens_of_completion(completion) == Tokens(prompt=100, completion=20, cached=64, tier="flex")


def test_llama_cpp_counts_what_came_from_its_cache_apart() -> None:
    completion: Any = {"timings": {"cache_n": 236, "prompt_n": 1, "predicted_n": 35}}
    assert tokens_of_completion(completion) == Tokens(prompt=237, completion=35, cached=236)


def test_an_answer_without_usage_reports_nothing() -> None:
    assert tokens_of_completion({"choices": [{"index": 0, "message": {"content": "Hi"}}], "usage": None}) == Tokens()
