"""A cassette: a named set of recordings as one text, made to be read in a diff, merged by git and edited by hand.

The same recordings are the same bytes, in whatever order they were made: interactions stand in the order of what was
said, so that the turns of a conversation follow each other and a new interaction lands among its likes, not at the end
where every branch puts its own. The takes of one key keep the order of their recording. Every interaction ends in a
comma and the list in a word of its own, so that adding one changes no other line.

Keys are made anew when a cassette is loaded: a changed request, or changed rules, can cost a hit but never make a wrong
one. The one exception is a request from which a secret was taken out: its key is kept, and holds as long as a digest
says that nothing of what it was made from has changed.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import orjson

from chatreel import canonical
from chatreel.errors import CassetteError, ChatreelError
from chatreel.formats.answers import Answer, answer_members, answer_of
from chatreel.formats.editing import amended
from chatreel.formats.layout import Members, fold_exactly, lines, members, render, unfold_object, visible
from chatreel.formats.strict import Places, parse
from chatreel.model import Identity, Json, JsonObject, Recording, WireForm
from chatreel.request import Keys, Route
from chatreel.secret_patterns import replace
from chatreel.wire.asking import asks_for_usage
from chatreel.wire.codec import dumps

VERSION: Final = 1
"""Of the format. A reader refuses what it does not know: it would lose what it does not understand."""

_HEADER: Final = "chatreel_cassette"
_ITEMS: Final = "interactions"
_END: Final = b'"end"'
_KNOWN: Final = frozenset(
    {"key", "recorded_at", "upstream", "path", "query", "tenant", "model", "request", "response", "sha256"}
)
_DEPTH: Final = 3
"""Levels that the members of an interaction stand in."""

type Redact = Callable[[str], str]
"""Takes the secrets out of a text."""


@dataclass(frozen=True, slots=True)
class Cassette:
    """What a file holds."""

    recordings: tuple[Recording, ...]
    """In the order of the file. `id` is 0 and `cassette` empty: they have no place in a store yet."""
    keyed_by: str
    """How the keys were made that were current when it was written: see `chatreel.canonical.keyed_by`."""


@dataclass(frozen=True, slots=True)
class Block:
    """One interaction, written: who writes a cassette again and again keeps these."""

    order: tuple[str, str, str, str, bytes, bytes]
    key: str
    recorded_at: float
    text: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """What counts of a request besides its body."""

    upstream: str
    path: str
    query: str
    tenant: str | None


def load(data: bytes, keys: Keys) -> Cassette:
    """Read a cassette. Raises `CassetteError`: it says the line, and what to do about it."""
    document = parse(data)
    version = document.get(_HEADER)
    if version != VERSION:
        raise CassetteError(_wrong_version(version), 1)
    keyed_by = document.get("keyed_by")
    kept = keyed_by if isinstance(keyed_by, str) else json.dumps(keyed_by)
    entries = document.get(_ITEMS)
    if not isinstance(entries, list):
        raise CassetteError(f"`{_ITEMS}` has to be a list", 1)
    reader = _Reader(keys, kept)
    recordings = []
    for place, entry in enumerate(entries):
        try:
            if isinstance(entry, dict):
                recordings.append(reader.recording(entry))
            elif entry != "end":
                raise CassetteError("an interaction has to be an object")
        except (ChatreelError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise CassetteError(_explain(error), _line(data, place)) from error
    return Cassette(tuple(recordings), kept)


def dump(recordings: Iterable[Recording], keyed_by: str, redact: Redact = replace) -> bytes:
    """Write a cassette. `keyed_by`: how the keys of the recordings were made. `redact` takes secrets out of requests.

    Times are kept to the microsecond, of response headers those that may be stored. Raises `NotKeyable` or `Malformed`
    for a request that is no JSON object.
    """
    return assemble([block(recording, keyed_by, redact) for recording in recordings], keyed_by)


def assemble(blocks: Iterable[Block], keyed_by: str) -> bytes:
    """The text of a cassette of these interactions."""
    header: Members = [(_HEADER, orjson.dumps(VERSION)), ("keyed_by", orjson.dumps(_keyed_by(keyed_by)))]
    items = [block.text for block in _in_order(blocks)]
    return members([*header, (_ITEMS, lines([*items, _END], 1))], 0) + b"\n"


def block(recording: Recording, keyed_by: str, redact: Redact = replace) -> Block:
    """One interaction as it stands in the text. `keyed_by` and `redact` as for `dump`."""
    original = canonical.parse_body(recording.request)
    request = _redacted_object(original, redact)
    own_key = request is original and canonical.cache_key(recording.identity.document) == recording.identity.key
    answer, apart = answer_members(recording, _DEPTH + 1)
    digests: JsonObject = {"body": _digest(recording.body)}
    if apart:
        digests["completion"] = _digest(recording.completion)
    if not own_key:
        digests["request"] = _seal(keyed_by, recording.identity.key, recording, dumps(request))
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
        text=visible(members(pairs, _DEPTH - 1)),
    )


class _Reader:
    """Interactions of one file to recordings."""

    def __init__(self, keys: Keys, kept: str) -> None:
        self._keys = keys
        self._kept = kept
        self._kept_is_current = kept == canonical.keyed_by(keys.options)

    def recording(self, entry: JsonObject) -> Recording:
        """Raises `CassetteError`, `TypeError`, `KeyError` or `NotKeyable` if it says none."""
        if unknown := entry.keys() - _KNOWN - {"request|"}:
            raise CassetteError(f"an interaction has no member {min(unknown)!r}")
        request = _request_of(entry)
        route = _Asked(_text(entry, "upstream"), _text(entry, "path"), _text(entry, "query"), _tenant(entry))
        digests = _object(entry, "sha256") if "sha256" in entry else {}
        written = dumps(request)
        identity = self._identity(entry, digests, route, request, written)
        answer = _answer(_object(entry, "response"), digests, identity.key, request)
        model = entry.get("model", request.get("model"))
        return Recording(
            identity=identity,
            upstream=route.upstream,
            path=route.path,
            query=route.query,
            tenant=route.tenant,
            model=model if isinstance(model, str) else "",
            recorded_at=_seconds(entry.get("recorded_at")),
            request=written,
            status=answer.status,
            headers=answer.headers,
            form=answer.form or WireForm.JSON,
            body=answer.body or b"",
            pieces=answer.pieces,
            completion=answer.completion,
            usage_added=answer.usage_added,
            edited=answer.edited,
        )

    def _identity(
        self, entry: JsonObject, digests: JsonObject, route: _Asked, request: JsonObject, written: bytes
    ) -> Identity:
        """The key made anew; the kept one if the request lost a secret, and nothing else has changed since."""
        identity = self._keys.identify(route, request)
        seal, key = digests.get("request"), entry.get("key")
        if seal is None or not isinstance(key, str) or not self._kept_is_current:
            return identity
        return Identity(key, identity.document) if seal == _seal(self._kept, key, route, written) else identity


def _answer(response: JsonObject, digests: JsonObject, seed: str, request: JsonObject) -> Answer:
    answer = answer_of(response)
    if answer.body is not None and digests.get("body") == _digest(answer.body):
        wanted = digests.get("completion")
        if wanted is None or wanted == _digest(answer.completion):
            return answer
    return amended(answer, digests, seed=seed, asked=asks_for_usage(request))


def _request_of(entry: JsonObject) -> JsonObject:
    request = unfold_object({name: entry[name] for name in ("request", "request|") if name in entry}).get("request")
    if isinstance(request, str):
        return canonical.parse_body(request.encode())
    if not isinstance(request, dict):
        raise CassetteError("`request` has to be an object, or a text of JSON")
    return request


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


def _in_order(blocks: Iterable[Block]) -> list[Block]:
    """Takes of one key together, at the place of the first of them in the order of what was said."""
    by_key: dict[str, list[Block]] = {}
    for one in blocks:
        by_key.setdefault(one.key, []).append(one)
    groups = sorted(by_key.items(), key=lambda group: (min(one.order for one in group[1]), group[0]))
    return [one for _, takes in groups for one in sorted(takes, key=lambda one: one.recorded_at)]


def _seal(keyed_by: str, key: str, route: Route, request: bytes) -> str:
    """The digest of all that a kept key was made from, and of itself."""
    said = [keyed_by, key, route.upstream, route.path, route.query, route.tenant or ""]
    return _digest(orjson.dumps(said) + request)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _keyed_by(kept: str) -> Json:
    """As an object, if it is one and would be the same text again."""
    try:
        value: Json = orjson.loads(kept)
    except ValueError:
        return kept
    return value if isinstance(value, dict) and json.dumps(value) == kept else kept


def _moment(seconds: float) -> str:
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06}Z"


def _seconds(moment: Json) -> float:
    if not isinstance(moment, str):
        raise CassetteError("`recorded_at` has to be a time, as in 2026-07-28T08:30:00Z")
    found = datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _text(entry: JsonObject, name: str) -> str:
    value = entry.get(name, "") if name == "query" else entry[name]
    if not isinstance(value, str):
        raise CassetteError(f"{name!r} has to be a text")
    return value


def _tenant(entry: JsonObject) -> str | None:
    tenant = entry.get("tenant")
    if not isinstance(tenant, str | None):
        raise CassetteError("'tenant' has to be a text")
    return tenant


def _object(entry: JsonObject, name: str) -> JsonObject:
    value = entry[name]
    if not isinstance(value, dict):
        raise CassetteError(f"{name!r} has to be an object")
    return value


def _wrong_version(version: Json) -> str:
    if isinstance(version, int) and version > VERSION:
        return f"this cassette has format {version}, this chatreel reads format {VERSION}: use a newer chatreel"
    return f"this is no cassette of chatreel (it has no `{_HEADER}: {VERSION}`); `chatreel import` reads other formats"


def _explain(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing in this interaction"
    if isinstance(error, CassetteError):
        return f"this interaction cannot be used: {error.reason}"
    return f"this interaction cannot be used: {error}"


def _line(data: bytes, place: int) -> int:
    starts = Places(data).items(_ITEMS)
    return starts[place] if place < len(starts) else 0
