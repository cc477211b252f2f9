"""Spans of time as a person writes them: `30s`, `12h`, `7d`, or a date."""

import re
from datetime import UTC, datetime

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_EXAMPLES = "give a span such as 30s, 12h or 7d, or a date such as 2026-01-31 or 2026-01-31T12:00"


def parse_span(text: str) -> float:
    """Seconds of a span: a number and `s`, `m`, `h`, `d` or `w`. Raises `ValueError`."""
    if found := _SPAN.fullmatch(text.strip()):
        return float(found[1]) * _SECONDS[found[2]]
    raise ValueError(f"{text!r} is no span of time: give a number and a unit, as in 30s, 15m, 12h, 7d or 2w")


def parse_moment(text: str, now: float) -> float:
    """Seconds since the epoch: of a date and time (UTC unless it names a zone), or so long before `now`.

    Raises `ValueError`.
    """
    try:
        return now - parse_span(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no moment: {_EXAMPLES}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def utc(seconds: float) -> str:
    """A moment as it is shown: `2026-01-31 12:00:00`, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
