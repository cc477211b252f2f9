"""What a call costs by rates of one's own: `[[price]]` tables, and the arithmetic on them. USD, exact decimals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from chatreel.tokens import Tokens

NANO: Final = Decimal("1e-9")
_MILLION: Final = 1_000_000
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Price:
    """What one call costs upstream, and how that is known."""

    usd: Decimal
    """Exact."""
    source: str
    """`override`, or the name of the price list."""
    version: str
    """Of that list; for an override a digest of it, so that a change of it shows."""
    model: str
    """The entry that was used: an id of the list, or the `model` of the override, a pattern perhaps."""

    @property
    def nanodollars(self) -> int:
        """Billionths of a USD, rounded half to even: what databases store and sum."""
        return int((self.usd / NANO).to_integral_value())


@dataclass(frozen=True, slots=True)
class Unpriced:
    """What a call costs is not known, which is not 0."""

    reason: str
    """Why, for a person."""


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """One `[[price]]` table. Rates in USD per million tokens; what has no rate of its own is charged as its whole."""

    model: str
    """A name, or a pattern with `*` and `?`; case does not count."""
    upstream: str = ""
    """Origin of the API, or a pattern of it, as in `http://127.0.0.1:*`; empty for any."""
    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    request: Decimal = Decimal(0)
    """USD per call, added to the rest."""

    def fits(self, models: Iterable[str], origin: str) -> bool:
        """Whether it is for one of these models (lower case) at an API."""
        return any(_matches(name, self.model.lower()) for name in models) and _matches(origin, self.upstream or "*")

    def price(self, tokens: Tokens) -> Price | Unpriced:
        """What an answer of so many tokens costs. Where tokens are free, it does not matter how many they were."""
        usd = self.request
        if any(self._rates()):
            if fault := unusable(tokens):
                return Unpriced(fault)
            for rate, parts in ((self.input, _INPUT_PARTS), (self.output, _OUTPUT_PARTS)):
                part = self._cost(tokens, rate, parts)
                if isinstance(part, Unpriced):
                    return part
                usd += part
        return Price(usd, "override", sha256(repr(self).encode()).hexdigest()[:12], self.model)

    def _rates(self) -> list[Decimal]:
        return [rate for name in _RATES if (rate := getattr(self, name)) is not None]

    def _cost(self, tokens: Tokens, rate: Decimal, parts: tuple[str, ...]) -> Decimal | Unpriced:
        whole, *others = parts
        rest: int = getattr(tokens, whole)
        usd = Decimal(0)
        for name in others:
            own: Decimal | None = getattr(self, _RATE_OF[name])
            count: int = getattr(tokens, name) or 0
            if own is not None:
                rest -= count
                usd += count * own
        if rest < 0:
            return Unpriced(f"the usage contradicts itself: the parts of the {whole} tokens are more than all of them")
        return (usd + rest * rate) / _MILLION


# The whole first, then what may have a rate of its own.
_INPUT_PARTS: Final = ("prompt", "cached", "cache_write", "audio_prompt")
_OUTPUT_PARTS: Final = ("completion", "reasoning", "audio_completion")
_RATE_OF: Final = {
    "cached": "cached_input",
    "cache_write": "cache_write",
    "audio_prompt": "audio_input",
    "reasoning": "reasoning",
    "audio_completion": "audio_output",
}
_RATES: Final = ("input", "output", *_RATE_OF.values())
_MEMBERS: Final = tuple(field.name for field in fields(PriceOverride))


def unusable(tokens: Tokens) -> str:
    """Why no price can be made of these counts; empty if one can."""
    missing = [name for name in ("prompt", "completion") if getattr(tokens, name) is None]
    if missing:
        return f"the answer does not report its {' and '.join(missing)} tokens"
    if not tokens.prompt and not tokens.completion:
        return "the answer reports 0 tokens, which no call takes"
    if (cached := (tokens.cached or 0) + (tokens.cache_write or 0)) > (tokens.prompt or 0):
        return f"the usage contradicts itself: {cached} of {tokens.prompt} prompt tokens in the cache"
    return ""


def parse_override(entry: object) -> PriceOverride:
    """Read one `[[price]]` table. Raises `ValueError` that names the member that is wrong."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"{entry!r} is no table: give model, input and output")  # noqa: TRY004 - whoever loads settings expects it
    if unknown := sorted(str(name) for name in entry if name not in _MEMBERS):
        raise ValueError(f"there is no {', '.join(unknown)} in a price; its members are {', '.join(_MEMBERS)}")
    model = entry.get("model")
    if not isinstance(model, str) or not model.strip():
        raise ValueError(f"{dict(entry)!r} has no model: give a name, or a pattern such as 'gpt-4o*'")
    rates = {name: _rate(name, model, entry[name]) for name in (*_RATES, "request") if name in entry}
    if not rates.keys() >= {"input", "output"} and rates.keys() != {"request"}:
        raise ValueError(f"the price of {model!r} needs input and output, or request alone")
    return PriceOverride(model.strip(), _origin_pattern(model, entry.get("upstream", "")), **rates)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, in lower case, without the port that goes without saying."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc}".removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))


def _matches(text: str, pattern: str) -> bool:
    """`*` and `?` only: brackets are part of an IPv6 address."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _rate(name: str, model: str, value: object) -> Decimal:
    number = isinstance(value, int | float | str | Decimal) and not isinstance(value, bool)
    try:
        rate = Decimal(str(value)) if number else Decimal("nan")
    except InvalidOperation:
        rate = Decimal("nan")
    if not rate.is_finite() or not 0 <= rate <= _MILLION:
        raise ValueError(f"the price of {model!r}: {name} = {value!r} is not a number of USD from 0 to {_MILLION:,}")
    return rate


def _origin_pattern(model: str, upstream: object) -> str:
    if upstream == "":
        return ""
    if not isinstance(upstream, str) or not upstream.lower().startswith(("http://", "https://")):
        raise ValueError(
            f"the price of {model!r}: upstream {upstream!r} is no URL such as https://api.openai.com or http://127.0.0.1:*"
        )
    return origin_of(upstream)
