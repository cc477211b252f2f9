"""What was typed -> which recordings are meant. Every error names the option."""

from collections.abc import Callable
from dataclasses import dataclass

from chatreel.config import Settings
from chatreel.errors import ConfigError
from chatreel.selection import Selection, origins
from chatreel.sizes import parse_size
from chatreel.spans import parse_moment
from chatreel.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class Typed:
    """Conditions as they were typed; `None`: not given."""

    model: str | None = None
    upstream: str | None = None
    cassette: str | None = None
    since: str | None = None
    until: str | None = None
    older_than: str | None = None

    @property
    def any(self) -> bool:
        """Whether there is a condition at all."""
        return self != Typed()


def selection(typed: Typed, settings: Settings, now: float) -> Selection:
    """The recordings that are meant. Raises `ConfigError`."""
    if typed.until is not None and typed.older_than is not None:
        raise ConfigError("--until and --older-than say the same: give one of them")
    named = {name: upstream.origin for name, upstream in Upstreams.parse(settings.upstream).named.items()}
    end = typed.until if typed.until is not None else typed.older_than
    return Selection(
        model=typed.model,
        upstreams=origins(typed.upstream, named) if typed.upstream is not None else (),
        cassette=typed.cassette,
        since=moment("--since", typed.since, now),
        until=moment("--until" if typed.until is not None else "--older-than", end, now),
    )


def moment(option: str, text: str | None, now: float) -> float | None:
    """A moment, or so long before now; `None` if it was not given. Raises `ConfigError`."""
    return _read(option, text, lambda given: parse_moment(given, now))


def byte_size(option: str, text: str | None) -> int | None:
    """A size as in `2GB`; `None` if it was not given. Raises `ConfigError`."""
    return _read(option, text, parse_size)


def _read[T](option: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
