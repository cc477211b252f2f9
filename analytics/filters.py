"""Which calls a question is about, as SQL with its values apart."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Filter:
    """Calls that meet all of these conditions; an empty one excludes nothing. Moments are UTC, without a zone."""

    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""
    models: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    """Pairs of name and value: of one name any of the values, of different names all."""
    sessions: tuple[str, ...] = ()
    """Ids."""
    text: str = ""
    """Calls whose id or key begins with it, or whose session is named with it; case set aside."""
    recordings: tuple[int, ...] = ()
    """With `text`: also calls that these recordings answered, or that made them."""

    @property
    def before(self) -> "Filter | None":
        """The period before this one, as long; `None` if this one has no beginning or no end."""
        if self.since is None or self.until is None:
            return None
        return replace(self, since=self.since - (self.until - self.since), until=self.since)

    @property
    def where(self) -> str:
        """The condition, to stand after `WHERE`; its values are `values`."""
        parts = [
            *(["started_at >= $since"] if self.since else []),
            *(["started_at < $until"] if self.until else []),
            *(["model IN (SELECT unnest($models::VARCHAR[]))"] if self.models else []),
            *(["upstream IN (SELECT unnest($upstreams::VARCHAR[]))"] if self.upstreams else []),
            *(["outcome IN (SELECT unnest($outcomes::VARCHAR[]))"] if self.outcomes else []),
            *(["session IN (SELECT unnest($sessions::VARCHAR[]))"] if self.sessions else []),
            *([_NAMED] if self.text else []),
            *(_TAGGED.format(number=number) for number, _ in enumerate(self._by_name())),
        ]
        return " AND ".join(parts) or "true"

    @property
    def values(self) -> dict[str, Any]:
        """Of the parameters in `where`, by name."""
        lists = {"models": self.models, "upstreams": self.upstreams, "outcomes": self.outcomes}
        lists["sessions"] = self.sessions
        found: dict[str, Any] = {name: [*texts] for name, texts in lists.items() if texts}
        if self.text:
            found |= {"text": self.text.lower(), "recordings": [*self.recordings]}
        moments = {"since": self.since, "until": self.until}
        found |= {name: moment for name, moment in moments.items() if moment}
        for number, (name, texts) in enumerate(self._by_name().items()):
            found |= {f"tag{number}": name, f"tagged{number}": texts}
        return found

    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.tags:
            found.setdefault(name, []).append(value)
        return found


_NAMED = (
    "(starts_with(call_id, $text) OR starts_with(cache_key, $text) OR contains(lower(session_name), $text)"
    " OR recording_id IN (SELECT unnest($recordings::BIGINT[])))"
)
_TAGGED = (
    "tags IN (SELECT tags FROM tags WHERE name = $tag{number} AND value IN (SELECT unnest($tagged{number}::VARCHAR[])))"
)

EVERYTHING = Filter()
