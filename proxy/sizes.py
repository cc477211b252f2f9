"""Sizes as people write them: `64MB`, `1.5 GiB`, or a number of bytes."""

import re

_PREFIXES = "kmgtpe"
_UNITS = {"": 1, "b": 1}
for _power, _prefix in enumerate(_PREFIXES, 1):
    _UNITS |= {_prefix: 1000**_power, f"{_prefix}b": 1000**_power, f"{_prefix}ib": 1024**_power}
_SIZE = re.compile(r"(\d{1,30}|\d{0,15}\.\d{1,15}) ?([a-z]*)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes. Raises `ValueError` that shows how a size is written."""
    match = _SIZE.fullmatch(text.strip().lower())
    unit = _UNITS.get(match[2]) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is no size: give one such as 500MB or 2GiB, or a number of bytes")
    number = match[1]
    return int(float(number) * unit) if "." in number else int(number) * unit
