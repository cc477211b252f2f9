"""An interaction of a cassette to a recording: the reader's half of the format."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chatreel import canonical
from chatreel.errors import CassetteError
from chatreel.formats.answers import Answer, answer_of
from chatreel.formats.editing import amended
from chatreel.formats.intact import NotIntact
from chatreel.formats.layout import unfold_object
from chatreel.formats.seals import digest_of, seal_of
from chatreel.model import Identity, Json, JsonObject, Piece, Recording, WireForm
from chatreel.request import Keys
from chatreel.wire.asking import asks_for_usage
from chatreel.wire.codec import dumps

_KNOWN: Final = frozenset(
    {"key", "recorded_at", "upstream", "path", "query", "tenant", "model", "request", "response", "sha256"}
)
_ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER: Final = b"0" * 19
"""With all digits made zeros: a shorter one fits 64 bits. Much faster than an expression."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What counts of a request besides its body."""

    upstream: str
    path: str
    query: str
    tenant: str | None


class Reader:
    """Interactions of one file, texts unfolded, to recordings."""

    def __init__(
        self, keys: Keys, kept: str, stream: Callable[[JsonObject], tuple[bytes, tuple[Piece, ...]]], *, intact: bool
    ) -> None:
        """`stream` makes the body of a response that has events. `intact`: refuse what does not have its digest."""
        self.kept = kept
        self._keys = keys
        self._stream = stream
        self._intact = intact
        self._kept_is_current = kept == canonical.keyed_by(keys.options)

    def recording(self, entry: JsonObject) -> Recording:
        """Raises `CassetteError`, `ValueError`, `TypeError`, `KeyError` or `NotKeyable` if it says none."""
        if not entry.keys() <= _KNOWN:
            raise CassetteError(f"an interaction has no member {min(entry.keys() - _KNOWN)!r}")
        request = _request_of(entry["request"])
        route = _Route(_text(entry, "upstream"), _text(entry, "path"), _text(entry, "query"), _tenant(entry))
        digests = as_object(entry.get("sha256", {}))
        written = dumps(request)
        identity = self._identity(entry, digests, route, request, written)
        answer = self._answer(as_object(entry["response"]), digests, identity.key, request)
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
        self, entry: JsonObject, digests: JsonObject, route: _Route, request: JsonObject, written: bytes
    ) -> Identity:
        """The key made anew; the kept one if the request lost a secret, and nothing else has changed since."""
        identity = self._keys.identify(route, request)
        if self._intact and _LONG_INTEGER in identity.document.translate(_ZEROS):
            raise NotIntact  # orjson may have rounded it: the long way looks closer
        seal, key = digests.get("request"), entry.get("key")
        if seal is None or not isinstance(key, str) or not self._kept_is_current:
            return identity
        return Identity(key, identity.document) if seal == seal_of(self.kept, key, route, written) else identity

    def _answer(self, response: JsonObject, digests: JsonObject, seed: str, request: JsonObject) -> Answer:
        answer = answer_of(response, self._stream)
        if answer.body is not None and digests.get("body") == digest_of(answer.body):
            wanted = digests.get("completion")
            if wanted is None or wanted == digest_of(answer.completion):
                return answer
        if self._intact:
            raise NotIntact
        return amended(answer, digests, seed=seed, asked=asks_for_usage(request))


def _request_of(request: Json) -> JsonObject:
    if isinstance(request, str):
        return canonical.parse_body(request.encode())
    if not isinstance(request, dict):
        raise CassetteError("`request` has to be an object, or a text of JSON")
    return request


def unfolded(entry: JsonObject) -> JsonObject:
    """The interaction, all texts joined but those of events, which are never in lines."""
    response = entry.get("response")
    if not isinstance(response, dict) or "events" not in response:
        return unfold_object(entry)
    plain = unfold_object({**entry, "response": {name: response[name] for name in response if name != "events"}})
    return {**plain, "response": {**as_object(plain["response"]), "events": response["events"]}}


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


def as_object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise CassetteError("an interaction, its `response` and its `sha256` have to be objects")
    return value
