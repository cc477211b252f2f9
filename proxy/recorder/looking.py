"""What the recordings of a session hold for a call: the take whose turn it is, and whether it will do."""

import time
from collections.abc import Callable
from typing import NamedTuple

from chatreel.decide import Directives, Found, found_of
from chatreel.exchange import Exchange
from chatreel.model import Identity, Mode, Replayable, Take
from chatreel.repeats import Choice


class Lookup(NamedTuple):
    """What there is. A take that was chosen has had its turn: see `give_back`."""

    found: Found
    recording: Replayable | None = None
    choice: Choice | None = None
    takes: int = 0


async def look_up(exchange: Exchange, identity: Identity, directives: Directives) -> Lookup:
    """Raises `StoreError`."""
    session = exchange.session
    if exchange.mode is session.mode is Mode.RECORD and not session.cassette:
        return Lookup(Found.MISS)  # a store takes one more, whatever it holds; in a cassette it may replace another
    takes = await session.recordings.takes(identity.key)
    if not takes:
        return Lookup(Found.MISS)
    choice = session.repeats.take_turn(identity.key, takes, exchange.form)
    try:
        recording = await session.recordings.replayable(choice.take.id)
    except BaseException:
        session.repeats.give_back(identity.key, exchange.form)
        raise
    return _judged(exchange, directives, takes, choice, recording)


def look_up_at_once(
    exchange: Exchange,
    identity: Identity,
    directives: Directives,
    takes: tuple[Take, ...],
    will_do: Callable[[Exchange, Replayable], bool],
) -> Lookup | None:
    """The same without waiting for anybody; `None` if it is not at hand, or will not do. `takes`: all, not empty."""
    session = exchange.session
    choice = session.repeats.take_turn(identity.key, takes, exchange.form)
    does = False
    try:
        recording = session.recordings.replayable_at_once(choice.take.id)
        does = recording is not None and will_do(exchange, recording)
    finally:
        if not does:
            session.repeats.give_back(identity.key, exchange.form)
    return _judged(exchange, directives, takes, choice, recording) if recording and does else None


def give_back(exchange: Exchange, identity: Identity, lookup: Lookup) -> None:
    """What was chosen is not served: it keeps its turn."""
    if lookup.choice:
        exchange.session.repeats.give_back(identity.key, exchange.form)


def _judged(
    exchange: Exchange, directives: Directives, takes: tuple[Take, ...], choice: Choice, recording: Replayable
) -> Lookup:
    session = exchange.session
    # An error is repeated where nobody can be asked; else the retry that follows it has to reach the upstream.
    is_error = not recording.completion and session.mode is Mode.CACHE
    used_up = choice.is_repeat and (session.is_strict or is_error)
    age = time.time() - recording.recorded_at
    found = found_of(age, directives, session.options.freshness, used_up=used_up)
    return Lookup(found, recording, choice, len(takes))
