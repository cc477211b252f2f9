"""Amounts, times and parts as a person reads them. What is not known is said, and is never 0."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from chatreel.analytics.queries.money import Money
from chatreel.keeping import units
from chatreel.money import dollars

UNKNOWN: Final = "unknown"
NOTHING: Final = "–"
"""Where there was nothing to measure."""

WHY: Final = {
    "new": "never asked before",
    "differs": "same messages, other parameters",
    "stale": "too old for what was asked",
    "expired": "older than ttl",
    "too-old": "older than max_age",
    "used-up": "more often than recorded",
    "asked": "a new one was asked for",
    "bypassed": "passed by",
    "unkeyable": "request without a safe key",
}
"""Reasons of misses, in a few words."""

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:@&])")
_STEPS: Final = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def usd(amount: float | None) -> str:
    """`$12.30`, `$0.0057`, `$1,234`; `unknown`."""
    if amount is None:
        return UNKNOWN
    if abs(amount) >= 1_000:
        return f"${amount:,.0f}"
    return dollars(Decimal(repr(round(amount, 9))))


def known(amount: Money) -> float | None:
    """What is known of an amount in USD; `None` if all that is known is 0, and other calls have no price."""
    return None if amount.unpriced and not amount.usd else amount.usd


def money(amount: Money) -> str:
    """The same as text; at least so much if some calls have no price."""
    return f"≥ {usd(amount.usd)}" if amount.unpriced and amount.usd else usd(known(amount))


def together(amounts: Iterable[Money]) -> Money:
    """Amounts of different calls as one."""
    listed = [*amounts]
    amounts_known = [one.usd for one in listed if one.usd is not None]
    lacking = sum(one.unpriced for one in listed)
    return Money(sum(amounts_known) if amounts_known or not lacking else None, lacking)


def unpriced(calls: int) -> str:
    """What to say of calls without a price; empty if there are none."""
    return f"{plural(calls, 'call')} of unknown price" if calls else ""


def ms(milliseconds: float | None) -> str:
    """`0.8 ms`, `420 ms`, `1.95 s`, `3m 20s`."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    return seconds(milliseconds / 1e3)


def seconds(span: float) -> str:
    """`1.95 s`, `48 s`, `3m 20s`, `345 h`."""
    if span < 59.95:
        return f"{span:.2f} s" if span < 9.995 else f"{span:.1f} s"
    if span < 3_600:
        return f"{int(span) // 60}m {int(span) % 60}s"
    return f"{span / 3_600:,.1f} h" if span < 36_000 else f"{span / 3_600:,.0f} h"


def percent(part: float | None, digits: int = 1) -> str:
    return NOTHING if part is None else f"{part:.{digits}%}"


def count(number: float | None) -> str:
    """`426`, `12.4k`, `1.2M`."""
    if number is None:
        return NOTHING
    for size, letter in _STEPS:
        if number >= size * (10 if letter == "k" else 1):
            return f"{number / size:.1f}{letter}"
    return f"{number:,.0f}"


size = units.size
"""Bytes: `12 kB`."""


def plural(number: int, noun: str) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def change(now: float | None, before: float | None) -> str | int | None:
    """Against the period before, as `st.metric` takes it: `+19.4%`; 0 if nothing changed, `None` if nobody can say."""
    if now is None or not before:
        return None
    part = now / before - 1
    return 0 if abs(part) < 0.0005 else f"{part:+.1%}" if abs(part) < 10 else f"{part + 1:,.0f}x"


def points(now: float | None, before: float | None) -> str | int | None:
    """The same for parts of a whole: `+2.5 points`."""
    if now is None or before is None:
        return None
    difference = (now - before) * 100
    return 0 if abs(difference) < 0.05 else f"{difference:+.1f} points"


def plain(text: str) -> str:
    """Text of strangers where Markdown is read: nothing in it means anything."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
