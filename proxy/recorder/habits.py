"""What is the same for all calls of a proxy."""

from dataclasses import dataclass

from chatreel.prices import Prices
from chatreel.request import DEFAULT_KEYS, Keys

LISTED = Prices()
"""As the list has them, without tables of one's own."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How calls are made and told apart, in all sessions."""

    ask_usage: bool = True
    """Ask upstreams for usage at the end of each recorded stream."""
    keys: Keys = DEFAULT_KEYS
    prices: Prices = LISTED
    memory: int = 64 * 1024 * 1024
    """Bytes of answers that are kept ready to go out; half as much again of requests as they were read."""
    tags: tuple[tuple[str, str], ...] = ()
    """Of every call; its own come on top."""


DEFAULT_HABITS = Habits()
