"""Moments as a person writes them: a date, or so long ago."""

from datetime import UTC, datetime

from chatreel.durations import parse_duration

_EXAMPLES = "give how long ago, as in 30s, 12h or 7d, or a date such as 2026-01-31 or 2026-01-31T12:00"


def parse_moment(text: str, now: float) -> float:
    """Seconds since the epoch: of a date and time (UTC unless it names a zone), or so long before `now`.

    Raises `ValueError`. A number alone is neither: it may be meant as a year.
    """
    try:
        if text.strip()[-1:].isalpha() and not text.strip().endswith(("Z", "z")):
            return now - parse_duration(text)
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no moment: {_EXAMPLES}") from None


def utc(seconds: float) -> str:
    """A moment as it is shown: `2026-01-31 12:00:00`, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
