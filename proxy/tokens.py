"""How many tokens an answer took, whatever its server calls them: a pure function of what was reported.

What is not reported stays `None`, which is not 0; nothing is estimated. Names and meanings differ between servers; here
they are OpenAI's: the parts are contained in the two totals, cached and audio tokens in `prompt`, reasoning and audio
tokens in `completion`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any, Final

from chatreel.model import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one answer took. `None`: not reported."""

    prompt: int | None = None
    """All of the prompt."""
    completion: int | None = None
    """All that the model wrote."""
    cached: int | None = None
    """Of the prompt: read from the server's own cache."""
    cache_write: int | None = None
    """Of the prompt: written to that cache."""
    reasoning: int | None = None
    """Of the completion."""
    audio_prompt: int | None = None
    audio_completion: int | None = None
    cost: Decimal | None = None
    """USD, as the server itself reports it."""
    tier: str = ""
    """The service tier that answered (`default`, `flex`, `priority`, ...): it decides the rate. Empty: not reported."""


_UNREPORTED: Final = {field.name: field.default for field in fields(Tokens)}
_members: Final = attrgetter(*_UNREPORTED)

# Of several names in one usage, the first with something in it counts: servers fill in zeros for what they do not know.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "prompt": ("prompt_tokens", "input_tokens"),
    "completion": ("completion_tokens", "output_tokens"),
    "cached": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",  # DeepSeek
        "cached_tokens",  # Moonshot, Together, routers
        "num_cached_tokens",  # Mistral
        "cache_read_input_tokens",  # Anthropic's, through gateways
    ),
    "cache_write": (
        "prompt_tokens_details.cache_write_tokens",  # OpenAI, OpenRouter
        "prompt_tokens_details.cache_creation_tokens",  # LiteLLM
        "prompt_tokens_details.cache_creation_input_tokens",  # DashScope
        "prompt_tokens_details.cached_creation_tokens",  # new-api
        "cache_creation_input_tokens",  # Anthropic's, through gateways
    ),
    "reasoning": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_tokens_details.thinking_tokens",
        "reasoning_tokens",
    ),
    "audio_prompt": ("prompt_tokens_details.audio_tokens", "input_tokens_details.audio_tokens"),
    "audio_completion": ("completion_tokens_details.audio_tokens", "output_tokens_details.audio_tokens"),
}

_PATHS: Final = {name: [tuple(path.split(".")) for path in paths] for name, paths in _NAMES.items()}

_COSTS: Final[dict[tuple[str, ...], Decimal]] = {
    ("cost",): Decimal(1),  # OpenRouter
    ("cost", "total_cost"): Decimal(1),  # Perplexity
    ("estimated_cost",): Decimal(1),  # DeepInfra
    ("cost_in_usd_ticks",): Decimal("1e-10"),  # xAI
}
"""Where servers report what they charge, and the unit in USD."""

_OUTSIDE_INPUT: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic's counts, which its `input_tokens` does not contain."""

_MOST: Final = 10**9
"""Tokens or USD; beyond it the number means something else, and no database column could hold it."""
_MOST_UNITS: Final = 10**18


def tokens_of(usage: Json) -> Tokens:
    """Read a `usage` object. Raises nothing: `null`, other types and impossible numbers are not reported."""
    if not isinstance(usage, dict):
        return Tokens()
    found = {name: _first(usage, paths) for name, paths in _PATHS.items()}
    prompt, completion = _totals(usage, found)
    return Tokens(
        prompt=prompt,
        completion=completion,
        cached=found["cached"],
        cache_write=found["cache_write"],
        reasoning=found["reasoning"],
        audio_prompt=found["audio_prompt"],
        audio_completion=found["audio_completion"],
        cost=_cost(usage),
        tier=_text(usage.get("service_tier")),
    )


def tokens_of_completion(completion: JsonObject) -> Tokens:
    """Find the usage of a `chat.completion` wherever it stands. Each number comes from the first place that reports it:
    the top level, Groq's `x_groq`, the choices (Moonshot), llama.cpp's `timings`.
    """
    found: dict[str, Any] = {}
    for tokens in (Tokens(tier=_text(completion.get("service_tier"))), *map(tokens_of, _usages(completion))):
        for (name, default), value in zip(_UNREPORTED.items(), _members(tokens), strict=True):
            if value != default:
                found.setdefault(name, value)
    return Tokens(**found)


def _usages(completion: JsonObject) -> Iterator[Json]:
    """All that is there, the first to be believed first."""
    places = [completion, completion.get("x_groq")]
    choices = completion.get("choices")
    places += reversed(choices) if isinstance(choices, list) else []
    yield from (usage for place in places if isinstance(place, dict) and (usage := place.get("usage")))
    timings = completion.get("timings")
    if isinstance(timings, dict):
        yield _usage_of(timings)


def _usage_of(timings: JsonObject) -> Json:
    """What llama.cpp counted; older versions do not tell what came from the cache."""
    cached, new = (_count(timings.get(name)) for name in ("cache_n", "prompt_n"))
    prompt = None if new is None else new + (cached or 0)
    return {"prompt_tokens": prompt, "completion_tokens": timings.get("predicted_n"), "cached_tokens": cached}


def _totals(usage: JsonObject, found: dict[str, int | None]) -> tuple[int | None, int | None]:
    """Prompt and completion with everything in them that some servers count beside them.

    xAI leaves reasoning out of `completion_tokens`, Gemini does as well and does not report it, gateways to Anthropic
    leave cached tokens out of the prompt. What the total holds beyond both says so.
    """
    prompt, completion, reasoning = found["prompt"], found["completion"], found["reasoning"]
    if prompt is None or completion is None:
        return prompt, completion
    cache = (found["cached"] or 0) + (found["cache_write"] or 0)
    total = _count(usage.get("total_tokens"))
    if total is None:
        apart = not usage.get("prompt_tokens") and any(name in usage for name in _OUTSIDE_INPUT)
        return prompt + (cache if apart else 0), completion
    rest = max(0, total - prompt - completion)
    if rest == cache and rest != reasoning:
        return prompt + rest, completion
    return prompt, completion + (rest if rest == reasoning or not reasoning else 0)


def _first(usage: JsonObject, paths: list[tuple[str, ...]]) -> int | None:
    there = [path for path in paths if path[0] in usage]
    counts = [count for path in there if (count := _count(_at(usage, path))) is not None]
    return next((count for count in counts if count), 0) if counts else None


def _at(usage: JsonObject, path: tuple[str, ...]) -> Json:
    value: Json = usage
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _count(value: Json) -> int | None:
    """A number of tokens; some servers send floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None


def _cost(usage: JsonObject) -> Decimal | None:
    amounts = ((_amount(_at(usage, path)), unit) for path, unit in _COSTS.items() if path[0] in usage)
    cost = next((amount * unit for amount, unit in amounts if amount is not None), None)
    return cost if cost is not None and cost <= _MOST else None


def _amount(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(value if isinstance(value, int) else str(value))  # 8.6e-05 as it was written: 0.000086
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= _MOST_UNITS else None


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
