"""What is the same for all calls of a proxy."""

from dataclasses import dataclass

from chatreel.request import DEFAULT_KEYS, Keys


@dataclass(frozen=True, slots=True)
class Habits:
    """How calls are made and told apart, in all sessions."""

    ask_usage: bool = True
    """Ask upstreams for usage at the end of each recorded stream."""
    keys: Keys = DEFAULT_KEYS


DEFAULT_HABITS = Habits()
