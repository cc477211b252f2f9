"""What to do with a request: mode and request directives against what is recorded.

Rule 1: everything that decides between the store and the network lives in this file, as the table below.
Rule 2: in `replay` no entry forwards, and no directive of a request can change that.
"""

from dataclasses import dataclass
from enum import StrEnum

from chatreel.model import Mode


class Found(StrEnum):
    """What there is for a request."""

    HIT = "hit"
    AGED = "aged"
    """A hit, though older than the session's `max_age`: it is served with a warning."""
    EXPIRED = "expired"
    """Older than the session's `max_age`, and to be recorded anew where that is possible."""
    TOO_OLD = "too-old"
    """Older than the session's `max_age`, and not to be served."""
    STALE = "stale"
    """Recorded, but older than the request's `max-age`, or the session's `ttl`, allows."""
    USED_UP = "used-up"
    """Every take has been served, and none may be served again."""
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


_MODES = (Mode.CACHE, Mode.REPLAY, Mode.RECORD, Mode.PASSTHROUGH)
_TABLE: dict[Found, tuple[Action, Action, Action, Action]] = {
    Found.HIT: (Action.REPLAY, Action.REPLAY, Action.RECORD, Action.FORWARD),
    Found.AGED: (Action.REPLAY, Action.REPLAY, Action.RECORD, Action.FORWARD),
    Found.EXPIRED: (Action.RECORD, Action.REPLAY, Action.RECORD, Action.FORWARD),
    Found.TOO_OLD: (Action.REFUSE, Action.REFUSE, Action.RECORD, Action.FORWARD),
    Found.STALE: (Action.RECORD, Action.REFUSE, Action.RECORD, Action.FORWARD),
    Found.USED_UP: (Action.RECORD, Action.REFUSE, Action.RECORD, Action.FORWARD),
    Found.MISS: (Action.RECORD, Action.REFUSE, Action.RECORD, Action.FORWARD),
    Found.UNKEYABLE: (Action.FORWARD, Action.REFUSE, Action.FORWARD, Action.FORWARD),
}
ACTIONS: dict[tuple[Mode, Found], Action] = {
    (mode, found): action for found, row in _TABLE.items() for mode, action in zip(_MODES, row, strict=True)
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


class OnMaxAge(StrEnum):
    """What happens to a recording that is older than a session's `max_age`."""

    WARN = "warn"
    FAIL = "fail"
    RECORD = "record"


_TOO_OLD = {OnMaxAge.WARN: Found.AGED, OnMaxAge.FAIL: Found.TOO_OLD, OnMaxAge.RECORD: Found.EXPIRED}


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a recording may be, in seconds since it was recorded; being served does not make it younger."""

    ttl: float | None = None
    """Older ones are stale: asked anew in `cache`."""
    max_age: float | None = None
    on_max_age: OnMaxAge = OnMaxAge.WARN


FOR_EVER = Freshness()


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


def found_of(
    age: float | None, directives: Directives, freshness: Freshness = FOR_EVER, *, used_up: bool = False
) -> Found:
    """What was found, given the age in seconds of the recording there is (`None`: there is none).

    `used_up`: it has been served, and may not be served again.
    """
    if age is None:
        return Found.MISS
    if used_up:
        return Found.USED_UP
    max_age, ttl = directives.max_age, freshness.ttl
    if (max_age is not None and age > max_age) or (ttl is not None and age > ttl):
        return Found.STALE
    if freshness.max_age is not None and age > freshness.max_age:
        return _TOO_OLD[freshness.on_max_age]
    return Found.HIT


def decide(mode: Mode, directives: Directives, found: Found) -> Action:
    """Look the action up. `mode` is a mode at start, so `once` has no row."""
    return ACTIONS[mode_for(mode, directives), found]


def may_ask(mode: Mode) -> bool:
    """Whether what is no chat completion, and so never recorded, may go upstream."""
    return mode is not Mode.REPLAY


def is_shared(mode: Mode, action: Action, *, strict: bool) -> bool:
    """Whether identical calls in flight share one answer. `mode` is the request's own, as `mode_for` gives it.

    Whoever asks to record wants an answer of their own, and `strict` counts every call.
    """
    return mode is Mode.CACHE and action is Action.RECORD and not strict


_FORWARDED: dict[Found, str] = {
    Found.HIT: "request",
    Found.AGED: "request",
    Found.EXPIRED: "stale",
    Found.TOO_OLD: "stale",
    Found.STALE: "stale",
    Found.USED_UP: "miss",
    Found.MISS: "miss",
    Found.UNKEYABLE: "bypass",
}


def why_forwarded(session_mode: Mode, action: Action, found: Found) -> str:
    """The reason in the words of RFC 9211, section 2.2. `session_mode`: what the request itself did not ask for."""
    if action is Action.FORWARD or session_mode is Mode.RECORD:
        return "bypass"
    return _FORWARDED[found]
