"""What a writer has lately stored, and what it next stores as a difference to that.

Each request of an agent repeats all that was said before, and so does each canonical document. So a request is a
difference to the pair before it, request and document, of the same conversation, and its document to itself and the
document of that pair: the dictionary has two parts. A conversation begins with a difference to another of the same
application, an answer is one to another of the same model, and a completion to the answer that it was made of.

What others may have deleted meanwhile is the concern of `chatreel.store.payloads`: only what is there becomes a base.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
from cachetools import LRUCache

from chatreel.model import Recording
from chatreel.store.later import adding as adding_to
from chatreel.store.later import payloads
from chatreel.store.series import Base, Series, based_on

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MEMORY = 16_000_000
"""Bytes of contents that are remembered, of conversations and as much again of what they began with."""

_LARGEST = 8_000_000
"""Bytes of a request that is looked through for where it belongs."""

_LEAST = 2_000_000
"""The same, however little memory there shall be: without it the store would grow all the faster."""

type Route = tuple[str, str, str | None]
"""Upstream, path and tenant."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a content belongs, by digests."""

    series: bytes
    """Of the conversation."""
    root: bytes
    """Of the application: what the first one of a conversation may be a difference to."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a recording is made of."""

    document: Base
    request: Base
    body: Base
    completion: Base
    place: _Place
    """Of the request."""
    alike: bytes
    """What answers have in common of which one may be a difference to another."""

    @classmethod
    def of(cls, recording: Recording) -> "_Parts":
        route = (recording.upstream, recording.path, recording.tenant)
        return cls(
            document=based_on(recording.identity.document),
            request=based_on(recording.request),
            body=based_on(recording.body),
            completion=based_on(recording.completion),
            place=_place_of(route, recording.request),
            alike=_digest("body", *route, recording.model, recording.form.value),
        )

    @property
    def contents(self) -> tuple[Base, ...]:
        return self.document, self.request, self.body, self.completion


class Bases:
    """Used by one thread at a time."""

    def __init__(self, memory: int = _MEMORY) -> None:
        memory = max(memory, _LEAST)
        self._series: LRUCache[bytes, Series] = LRUCache(memory, getsizeof=lambda series: series.size)
        self._roots: LRUCache[bytes, Base] = LRUCache(
            memory, getsizeof=lambda base: 500 + len(base.content) + len(base.below.content if base.below else b"")
        )

    def put(self, connection: "Connection", recordings: Sequence[Recording]) -> list[list[int]]:
        """Store what recordings are made of; the ids of document, request, body and completion of each."""
        several = [_Parts.of(recording) for recording in recordings]
        adding = adding_to.Adding(connection, {digest for parts in several for digest in self._digests(parts)})
        for parts in several:
            self._put(adding, parts)
        ids = adding.write()
        return [[ids[one.digest] for one in parts.contents] for parts in several]

    def _digests(self, parts: "_Parts") -> Iterator[bytes]:
        """Of all that has to be known to be there, or not."""
        yield from (content.digest for content in parts.contents)
        for root in (self._roots.get(parts.place.root), self._roots.get(parts.alike)):
            if root:
                yield root.digest
        if series := self._series.get(parts.place.series):
            yield from (base.digest for base in series.last)

    def _put(self, adding: "adding_to.Adding", parts: "_Parts") -> None:
        asked, answered = parts.request, parts.body
        request = adding.put(asked, self._base_at(parts.place))
        document = adding.put(parts.document, asked)
        body = adding.put(answered, self._roots.get(parts.alike))
        adding.put(parts.completion, answered)
        if request.added and document.added:
            self._follow(parts.place, document.base, anew=request.base.below is None)
        if body.added and body.base.below is None:
            self._keep(self._roots, parts.alike, body.base)

    def put_alone(self, connection: "Connection", kind: str, route: Route, request: bytes, content: bytes) -> int:
        """Store something of a request that has, or gets, no recording of its own; its id.

        `kind`: what it is; the next one of the same kind, in the same conversation, is a difference to it.
        """
        place = _place_of((*route, kind), request)
        [stored] = payloads.add(connection, [payloads.New(content, self._base_at(place))])
        if stored.added:
            self._follow(place, stored.base, anew=stored.base.below is None)
        return stored.id

    def _base_at(self, place: _Place) -> Base | None:
        series = self._series.get(place.series)
        return series.next_base() if series else self._roots.get(place.root)

    def _follow(self, place: _Place, base: Base, *, anew: bool) -> None:
        """Remember what was stored here just now; of other contents it is not known how many steps they take.

        `anew`: it is a difference to nothing, since there was nothing, or nothing any more.
        """
        base = Base(base.digest, base.content, base.below and Base(base.below.digest, base.below.content))
        known = None if anew else self._series.get(place.series)
        if anew:
            self._keep(self._roots, place.root, base)
        self._keep(self._series, place.series, known.followed_by(base) if known else Series.beginning_with(base))

    def _keep[T](self, cache: LRUCache[bytes, T], name: bytes, value: T) -> None:
        with suppress(ValueError):  # larger than all of the memory
            cache[name] = value


def _place_of(route: tuple[str | None, ...], request: bytes) -> _Place:
    """Where a request belongs, by what it begins with; one that is too large to be remembered belongs nowhere."""
    if len(request) > _LARGEST:
        alone = sha256(request).digest()
        return _Place(alone, alone)
    try:
        body = orjson.loads(request)
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    messages = body.get("messages")
    said = messages if isinstance(messages, list) else []
    first = next((n for n, one in enumerate(said) if isinstance(one, dict) and one.get("role") == "user"), len(said))
    application = [*route, body.get("model"), body.get("tools"), said[:first]]
    return _Place(_digest("conversation", *application, said[first : first + 1]), _digest("application", *application))


def _digest(*parts: Any) -> bytes:
    return sha256(orjson.dumps(parts)).digest()
