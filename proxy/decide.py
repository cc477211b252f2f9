"""What to do with a request: mode and request directives against what is recorded.

Rule 1: everything that decides between the store and the network lives in this file, as the table below.
Rule 2: in `replay` no entry forwards, and no directive of a request can change that.
"""

from dataclasses import dataclass
from enum import StrEnum

from chatreel.model import Mode


class Found(StrEnum):
    """What the store holds for a request."""

    HIT = "hit"
    STALE = "stale"
    """Recorded, but older than the request's `max-age` allows."""
    MISS = "miss"
    UNKEYABLE = "unkeyable"
    """The body has no safe key, so nothing can be looked up and nothing may be stored."""


class Action(StrEnum):
    """What happens to the request."""

    REPLAY = "replay"
    RECORD = "record"
    """Forward, and store the answer if it is complete."""
    FORWARD = "forward"
    """Forward and log, store nothing."""
    REFUSE = "refuse"


ACTIONS: dict[tuple[Mode, Found], Action] = {
    (Mode.CACHE, Found.HIT): Action.REPLAY,
    (Mode.CACHE, Found.STALE): Action.RECORD,
    (Mode.CACHE, Found.MISS): Action.RECORD,
    (Mode.CACHE, Found.UNKEYABLE): Action.FORWARD,
    (Mode.REPLAY, Found.HIT): Action.REPLAY,
    (Mode.REPLAY, Found.STALE): Action.REFUSE,
    (Mode.REPLAY, Found.MISS): Action.REFUSE,
    (Mode.REPLAY, Found.UNKEYABLE): Action.REFUSE,
    (Mode.RECORD, Found.HIT): Action.RECORD,
    (Mode.RECORD, Found.STALE): Action.RECORD,
    (Mode.RECORD, Found.MISS): Action.RECORD,
    (Mode.RECORD, Found.UNKEYABLE): Action.FORWARD,
    (Mode.PASSTHROUGH, Found.HIT): Action.FORWARD,
    (Mode.PASSTHROUGH, Found.STALE): Action.FORWARD,
    (Mode.PASSTHROUGH, Found.MISS): Action.FORWARD,
    (Mode.PASSTHROUGH, Found.UNKEYABLE): Action.FORWARD,
}

VCR_NAMES: dict[str, Mode] = {
    "new_episodes": Mode.CACHE,
    "none": Mode.REPLAY,
    "all": Mode.RECORD,
    "once": Mode.ONCE,
}


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of a request's `Cache-Control` that chatreel obeys (RFC 9111, section 5.2.1)."""

    only_if_cached: bool = False
    no_cache: bool = False
    no_store: bool = False
    max_age: int | None = None
    """Seconds."""


def mode_named(name: str) -> Mode:
    """The mode of that name, VCR's names included. Raises `ValueError` listing the names there are."""
    try:
        return VCR_NAMES.get(name) or Mode(name)
    except ValueError:
        known = ", ".join(dict.fromkeys([*Mode, *VCR_NAMES]))
        raise ValueError(f"{name!r} is not a mode; choose one of {known}") from None


def mode_at_start(mode: Mode, *, recorded_before: bool) -> Mode:
    """`once` is decided when a session starts: it records a cassette that did not exist, and replays one that did."""
    if mode is not Mode.ONCE:
        return mode
    return Mode.REPLAY if recorded_before else Mode.CACHE


def mode_for(mode: Mode, directives: Directives) -> Mode:
    """A request's own treatment. `only-if-cached` wins over the others; `replay` can be tightened, never loosened.

    Nor does a directive make `passthrough` store anything.
    """
    if mode is Mode.REPLAY or directives.only_if_cached:
        return Mode.REPLAY
    if directives.no_store or mode is Mode.PASSTHROUGH:
        return Mode.PASSTHROUGH
    if directives.no_cache:
        return Mode.RECORD
    return mode


def found_of(age: float | None, directives: Directives) -> Found:
    """What was found, given the age in seconds of the recording there is (`None`: there is none)."""
    if age is None:
        return Found.MISS
    if directives.max_age is not None and age > directives.max_age:
        return Found.STALE
    return Found.HIT


def decide(mode: Mode, directives: Directives, found: Found) -> Action:
    """Look the action up. `mode` is a mode at start, so `once` has no row."""
    return ACTIONS[mode_for(mode, directives), found]
