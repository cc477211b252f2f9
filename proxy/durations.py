"""Spans of time as people write them: `30s`, `90m`, `12h`, `7d`, `2w`, or a number of seconds."""

import re

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw]?)", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds. Raises `ValueError` that shows how a duration is written."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a duration; give a number with s, m, h, d or w, as in 30s, 12h or 7d")
    return float(match[1]) * _UNITS[match[2]]
