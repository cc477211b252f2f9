"""What a call costs upstream: rates of the user's own, else genai-prices as installed, else it is not known.

The list is the one that comes with the package; it is never fetched anew, and importing it (0.25 s) waits until a
price is asked for. One price costs about 0.1 ms, nearly all of it exact arithmetic, so it belongs off the hot path;
models that were found are remembered there, and need no second cache here.

What the list would get wrong is not priced, with the reason:
- audio tokens where it has no audio rate (`gpt-4o-audio-preview`): it would take the rate of text, a fraction of it;
- service tiers for which it has no rate: it would take those of the standard tier;
- entries without any rate: it would make them free. Only what is called `:free` is.

What it cannot know is left out: searches and other tools that are charged by the call (Perplexity's by the size of the
search context), discounts, batches. What the server itself says it charged stands in `Tokens.cost`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from chatreel.model import JsonObject
from chatreel.rates import Price, PriceOverride, Unpriced, origin_of, unusable
from chatreel.tokens import Tokens, tokens_of_completion

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

__all__ = ["Price", "PriceOverride", "Prices", "Unpriced"]

SOURCE: Final = "genai-prices"

_USAGE: Final = {
    "input_tokens": "prompt",
    "output_tokens": "completion",
    "cache_read_tokens": "cached",
    "cache_write_tokens": "cache_write",
    "output_reasoning_tokens": "reasoning",
    "input_audio_tokens": "audio_prompt",
    "output_audio_tokens": "audio_completion",
}

_RATES: Final = {
    "input_mtok": "prompt",
    "output_mtok": "completion",
    "input_audio_mtok": "audio_prompt",
    "output_audio_mtok": "audio_completion",
}
"""Rates that an entry must have if there are such tokens; others are parts that a whole stands in for."""

_OTHER_HOSTS: Final = {"https://api.together.ai": "https://api.together.xyz"}
_PREFIXES: Final = ("models/", "google/")
"""How Google's endpoints spell the models that the list has without."""

_STANDARD: Final = frozenset({"", "auto", "default", "standard", "on_demand"})
"""Service tiers at the rates that everybody pays."""

_ONE: Final = Tokens(prompt=1, completion=1)


class Prices:
    """Prices by the date of each call. Safe to use from several threads."""

    def __init__(self, overrides: tuple[PriceOverride, ...] = ()) -> None:
        """The first override that fits a call counts."""
        self._overrides = overrides

    def price(self, tokens: Tokens, model: str, upstream: str, at: float, *, asked: str = "") -> Price | None:
        """What a call costs, or `None` if that is not known: see `quote`."""
        quoted = self.quote(tokens, model, upstream, at, asked=asked)
        return quoted if isinstance(quoted, Price) else None

    def quote(self, tokens: Tokens, model: str, upstream: str, at: float, *, asked: str = "") -> Price | Unpriced:
        """What a call costs, or why that is not known.

        model: as the answer names it, since a router may have chosen another than was asked for, and an Azure
        deployment is called anything. asked: what the request named; overrides may mean it as well, and it stands in
        where the answer names none. upstream: URL of the API, at least its origin; the path tells providers behind one
        router apart. at: seconds since the epoch.
        """
        names = [name for name in (model, asked) if name]
        known_as = [name.lower() for name in names] or [""]
        origin = origin_of(upstream)
        for override in self._overrides:
            if override.fits(known_as, origin):
                return override.price(tokens)
        if not names:
            return Unpriced("neither request nor answer names a model")
        return _listed(tokens, names[0], upstream, at)

    def quote_completion(self, completion: JsonObject, upstream: str, at: float, *, asked: str) -> Price | Unpriced:
        """The same for a `chat.completion`: its tokens, its service tier, its model."""
        model = completion.get("model")
        served = model if isinstance(model, str) else ""
        return self.quote(tokens_of_completion(completion), served, upstream, at, asked=asked)

    def knows(self, model: str, upstream: str, at: float, *, asked: str = "") -> bool:
        """Whether a call would be priced if its answer reports usage: for budgets, before it is made."""
        return self.price(_ONE, model, upstream, at, asked=asked) is not None


@dataclass(frozen=True, slots=True)
class _Call:
    """What decides a price."""

    tokens: Tokens
    url: str
    at: datetime


def _listed(tokens: Tokens, model: str, upstream: str, at: float) -> Price | Unpriced:
    library = _library()
    if library is None:
        return Unpriced("there is no list of prices without the extra: pip install 'chatreel[proxy]'")
    if fault := unusable(tokens):
        return Unpriced(fault)
    origin = origin_of(upstream)
    url = _OTHER_HOSTS.get(origin, origin) + urlsplit(upstream).path
    call = _Call(tokens, url, datetime.fromtimestamp(at, UTC))
    for name in _spellings(model):
        try:
            found = _calculate(library, call, name)
        except LookupError:
            continue
        except ValueError as error:  # it cannot tell apart what it would have to, as cached audio from cached text
            return Unpriced(f"{SOURCE}: {error}")
        if fault := _fault(found, call):
            return Unpriced(f"{SOURCE} has no rate of {found.model.id} for {fault}: give one in a [[price]] table")
        return Price(found.total_price, SOURCE, library.__version__, found.model.id)
    return Unpriced(f"{SOURCE} does not know {model!r} at {origin}: give a [[price]] table for it")


@cache
def _library() -> ModuleType | None:
    try:
        import genai_prices
    except ImportError:
        return None
    return genai_prices


def _calculate(library: ModuleType, call: _Call, model: str) -> "PriceCalculation":
    counts = {theirs: count for theirs, ours in _USAGE.items() if (count := getattr(call.tokens, ours))}
    context = {"service_tier": call.tokens.tier} if call.tokens.tier else None
    found: PriceCalculation = library.calc_price(
        library.Usage(**counts),
        model,
        provider_api_url=call.url,
        genai_request_timestamp=call.at,
        price_context=context,
    )
    return found


def _spellings(model: str) -> Iterator[str]:
    yield model
    for prefix in _PREFIXES:
        if model.startswith(prefix):
            yield model.removeprefix(prefix)


def _fault(found: "PriceCalculation", call: _Call) -> str:
    """For what an entry has no rate; empty if the price is right."""
    rates = found.model_price
    if found.model.id.endswith(":free"):
        return ""
    missing = [ours for rate, ours in _RATES.items() if getattr(call.tokens, ours) and getattr(rates, rate) is None]
    if missing:
        return f"{' and '.join(name.replace('_', ' ') for name in missing)} tokens"
    tier = call.tokens.tier
    return "" if tier in _STANDARD or _has_tier(found, tier, call.at) else f"the service tier {tier!r}"


def _has_tier(found: "PriceCalculation", tier: str, at: datetime) -> bool:
    """Whether the rates of a tier were taken: they were in force, and the provider's own."""
    own = any(model is found.model for model in found.provider.models)
    variants = [variant for variant in found.model.price_variants or () if variant.when == {"service_tier": tier}]
    return own and any(variant.constraint is None or variant.constraint.active(at) for variant in variants)
