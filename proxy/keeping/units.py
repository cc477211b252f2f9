"""Sizes, spans and moments as they are printed."""

from chatreel.spans import utc

_SIZES = ("B", "kB", "MB", "GB", "TB")
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def size(count: float) -> str:
    """Bytes in the largest unit that leaves a whole number: `12 kB`."""
    for unit in _SIZES[:-1]:
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1_000
    return f"{count:.1f} {_SIZES[-1]}"


def seconds(span: float) -> str:
    """A latency: `1.2 ms`, `3.41 s`."""
    return f"{span * 1e3:.1f} ms" if span < 1 else f"{span:.2f} s"


def age(span: float) -> str:
    """A long span, roughly: `3h`."""
    for length, unit in _SPANS:
        if span >= length:
            return f"{span // length:.0f}{unit}"
    return "now"


def long_span(span: float) -> str:
    """Hours, minutes and seconds of a sum: `3h 12m`, `48.2 s`."""
    if span < 60:
        return f"{span:.1f} s"
    hours, rest = divmod(round(span), 3_600)
    return f"{hours:,}h {rest // 60}m" if hours else f"{rest // 60}m {rest % 60}s"


def moment(at: float) -> str:
    return f"{utc(at)} UTC"
