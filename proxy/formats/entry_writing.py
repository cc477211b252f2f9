"""An interaction as it stands in a cassette, and where: the writer's half of the format."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from chatreel import canonical
from chatreel.formats.answers import answer_members
from chatreel.formats.layout import Members, fold_exactly, members, render, visible
from chatreel.formats.sealed import seal
from chatreel.formats.seals import digest_of, seal_of
from chatreel.model import Json, JsonObject, Recording
from chatreel.secret_patterns import replace
from chatreel.wire.codec import dumps

_DEPTH: Final = 3
"""Levels that the members of an interaction stand in."""

type Redact = Callable[[str], str]
"""Takes the secrets out of a text: the very same object if there are none."""


@dataclass(frozen=True, slots=True)
class Block:
    """One interaction, written: who writes a cassette again and again keeps these."""

    order: tuple[str, str, str, str, bytes, bytes]
    key: str
    recorded_at: float
    text: bytes


def block(recording: Recording, keyed_by: str, redact: Redact = replace) -> Block:
    """One interaction as it stands in the text. `keyed_by` and `redact` as for `dump`."""
    original = canonical.parse_body(recording.request)
    request = _redacted_object(original, redact)
    own_key = request is original and canonical.cache_key(recording.identity.document) == recording.identity.key
    answer, apart = answer_members(recording, _DEPTH + 1)
    digests: JsonObject = {"body": digest_of(recording.body)}
    if apart:
        digests["completion"] = digest_of(recording.completion)
    if not own_key:
        digests["request"] = seal_of(keyed_by, recording.identity.key, recording, dumps(request))
    pairs = [
        *_route_members(recording, request),
        ("request", _request(request)),
        ("response", members(answer, _DEPTH)),
        ("sha256", render(digests, _DEPTH)),
    ]
    return Block(
        order=_order(recording, request),
        key=recording.identity.key,
        recorded_at=recording.recorded_at,
        text=seal(visible(members(pairs, _DEPTH - 1))),
    )


def _request(request: JsonObject) -> bytes:
    folded = fold_exactly(request)
    return render(dumps(request).decode() if folded is None else folded, _DEPTH)


def _route_members(recording: Recording, request: JsonObject) -> Members:
    found: JsonObject = {
        "key": recording.identity.key,
        "recorded_at": _moment(recording.recorded_at),
        "upstream": recording.upstream,
        "path": recording.path,
    }
    model = request.get("model")
    optional: JsonObject = {
        "query": recording.query or None,
        "tenant": recording.tenant,
        "model": None if recording.model == (model if isinstance(model, str) else "") else recording.model,
    }
    found |= {name: value for name, value in optional.items() if value is not None}
    return [(name, orjson.dumps(value)) for name, value in found.items()]


def _redacted(value: Json, redact: Redact) -> Json:
    """The value without secrets: the very same object if there are none."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return _redacted_object(value, redact)
    if isinstance(value, list):
        items = [_redacted(item, redact) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _redacted_object(value: JsonObject, redact: Redact) -> JsonObject:
    found = {name: _redacted(child, redact) for name, child in value.items()}
    return found if any(found[name] is not child for name, child in value.items()) else value


def _order(recording: Recording, request: JsonObject) -> tuple[str, str, str, str, bytes, bytes]:
    """By what was said: a conversation stands before what continues it, as its messages are a prefix of the other's."""
    messages = dumps(request.get("messages", [])).removesuffix(b"]")
    others = dumps({name: request[name] for name in sorted(request) if name != "messages"})
    return (recording.upstream, recording.path, recording.query, recording.tenant or "", messages, others)


def in_order(blocks: Iterable[Block]) -> list[Block]:
    """Takes of one key together, at the place of the first of them in the order of what was said."""
    by_key: dict[str, list[Block]] = {}
    for one in blocks:
        by_key.setdefault(one.key, []).append(one)
    groups = sorted(by_key.items(), key=lambda group: (min(one.order for one in group[1]), group[0]))
    return [one for _, takes in groups for one in sorted(takes, key=lambda one: one.recorded_at)]


def _moment(seconds: float) -> str:
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06}Z"
