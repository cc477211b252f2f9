"""`chatreel explain`: what a request is to chatreel, and which recordings are nearest to it."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from chatreel.config import Settings
from chatreel.errors import ConfigError
from chatreel.explain import CANDIDATES, Difference, Missing, difference_line, differences, rank
from chatreel.model import Identity, Neighbour
from chatreel.recovery import require_recovered
from chatreel.request import Keys, Route, read_request
from chatreel.server import keys_for, open_store
from chatreel.store import Call, Store
from chatreel.textdiff import changed_words
from chatreel.upstreams import Upstreams

SHOWN = 3
"""Recordings that a request is compared with in the answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request from outside the log: nobody's, as it brings no credentials."""

    upstream: str
    path: str
    query: str
    tenant: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say about a request."""

    identity: Identity
    call: Call | None
    """Of the log, if it is one of it."""
    takes: tuple[int, ...]
    """Recordings that answer it."""
    nearest: tuple[tuple[Neighbour, tuple[Difference, ...]], ...]
    """Others, the nearest first, and what differs."""
    recorded: int
    """Recordings in all."""


async def explain(settings: Settings, subject: str, path: str) -> Explanation:
    """Explain the call of that id, or the request body in the file of that name, or on standard input (`-`).

    Raises `ConfigError` if there is no such thing, `StoreError`, and `Malformed` or `NotKeyable` as the proxy would.
    """
    require_recovered(settings.store)
    keys = keys_for(settings)
    with closing(open_store(settings)) as store:
        if call_id := _call_id(subject):
            call = await store.calls.find(call_id)
            if call is None:
                raise ConfigError(f"there is no call {call_id} in the log of this store")
            return await _explain(store, keys, call, await _request(store, call), call)
        raw = _read(subject)
        return await _explain(store, keys, _route(settings, keys, path, raw), raw, None)


def _call_id(subject: str) -> str | None:
    """The id that `subject` is; `None` if it is a file, or standard input."""
    if subject == "-" or Path(subject).exists():
        return None
    try:
        return str(UUID(subject))
    except ValueError:
        raise ConfigError(f"{subject!r} is neither a file nor the id of a call") from None


async def _request(store: Store, call: Call) -> bytes:
    if call.request is not None:
        return call.request
    if call.recording_id is None:
        raise ConfigError(f"the request of call {call.call_id} was not kept: it was {call.outcome}. {call.reason}")
    return (await store.load(call.recording_id)).request


def _read(subject: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if subject == "-" else Path(subject).read_bytes()
    except OSError as error:
        raise ConfigError(f"{subject} cannot be read: {error.strerror}") from error


def _route(settings: Settings, keys: Keys, path: str, raw: bytes) -> Asked:
    target = Upstreams.parse(settings.upstream).target(path)
    if target is None or not target.is_chat:
        raise ConfigError(f"{path} is not where chat completions are served: give --path /v1/chat/completions")
    tenant = keys.tenant((), target.query, read_request(raw))
    return Asked(target.upstream.origin, target.path, target.query, tenant)


async def _explain(store: Store, keys: Keys, route: Route, raw: bytes, call: Call | None) -> Explanation:
    body = read_request(raw)
    identity = keys.identify(route, body)
    cassette = call.cassette if call else ""
    if not await store.takes(cassette, identity.key):
        identity = keys.keep(route, body, raw).identity
    found = [one for one in await store.near(cassette, identity.document, CANDIDATES) if one.key != identity.key]
    ranking = rank(identity.document, [one.document for one in found])[:SHOWN]
    return Explanation(
        identity=identity,
        call=call,
        takes=tuple(take.id for take in await store.takes(cassette, identity.key)),
        nearest=tuple((found[place], differences(identity.document, found[place].document)) for place in ranking),
        recorded=await store.count(cassette),
    )


def as_text(explanation: Explanation) -> Iterator[str]:
    """Yield the lines that a person reads."""
    if call := explanation.call:
        yield f"call      {call.call_id}, {call.outcome} at {_when(call.started_at)}"
    yield f"key       {explanation.identity.key}"
    yield f"recorded  {_numbers(explanation.takes) if explanation.takes else 'no'}"
    yield "document"
    yield json.dumps(json.loads(explanation.identity.document), indent=2, ensure_ascii=False)
    yield f"nearest of {explanation.recorded:,} recordings{'' if explanation.nearest else ': none is like it'}"
    for neighbour, found in explanation.nearest:
        yield f"  recording {neighbour.id}, {neighbour.model or 'no model'}, {_when(neighbour.recorded_at)}:"
        yield from (f"    {difference_line(difference)}" for difference in found)


def as_json(explanation: Explanation) -> dict[str, Any]:
    """The same for programs."""
    call = explanation.call
    return {
        "key": explanation.identity.key,
        "document": json.loads(explanation.identity.document),
        "call": {"id": call.call_id, "outcome": call.outcome, "reason": call.reason} if call else None,
        "recorded": list(explanation.takes),
        "nearest": [
            {
                "recording": neighbour.id,
                "key": neighbour.key,
                "model": neighbour.model,
                "recorded_at": neighbour.recorded_at,
                "differences": [_members(difference) for difference in found],
            }
            for neighbour, found in explanation.nearest
        ],
    }


def _members(difference: Difference) -> dict[str, Any]:
    """A side that has nothing there has no member here."""
    asked, recorded = difference.asked, difference.recorded
    sides = {"asked": asked, "recorded": recorded}
    members = {name: side for name, side in sides.items() if not isinstance(side, Missing)}
    if isinstance(asked, str) and isinstance(recorded, str):
        members["words"] = changed_words(asked, recorded)
    return {"pointer": difference.pointer, **members}


def _numbers(ids: tuple[int, ...]) -> str:
    return f"as recording {', '.join(map(str, ids))}"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
