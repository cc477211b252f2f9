"""`chatreel pack`, recordings to a file of ours or of another tool; `chatreel merge`, two versions of one to one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.progress import Progress

import chatreel
from chatreel import talk
from chatreel.atomic import put_into_place
from chatreel.canonical import keyed_by
from chatreel.config import Settings
from chatreel.errors import CassetteError, ConfigError
from chatreel.formats import cassette, har, vcr_writing
from chatreel.formats.merging import merged
from chatreel.formats.names import Written
from chatreel.model import Recording
from chatreel.recovery import require_recovered
from chatreel.request import Keys
from chatreel.selection import Selection, parse_subject
from chatreel.server import keys_for
from chatreel.store.archive import Archive


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which recordings, and from where."""

    selection: Selection
    key: str | None = None
    """The beginning of a key."""
    source: Path | None = None
    """A cassette; `None`: the store."""


def pack(settings: Settings, target: Path, chosen: Chosen, *, kind: Written, overwrite: bool) -> int:
    """Write recordings to a file; how many there were.

    Raises `ConfigError` if the file is there already and may not be replaced, or if there is nothing to write.
    """
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} is there already: give --overwrite to replace it, or another name")
    keys = keys_for(settings)
    with Progress(console=talk.console(), transient=True) as bar:
        if chosen.source is None:
            found = _of_store(settings, chosen, bar)
        else:
            found = [one for one in _load(chosen.source, keys) if _is_meant(one, chosen)]
    if not found:
        raise ConfigError("no recording is like that, so nothing was written: without conditions all are taken")
    _put(target, _WRITERS[kind](found, keys))
    return len(found)


def merge(settings: Settings, base: Path, ours: Path, theirs: Path) -> int:
    """Put what both sides have recorded into `ours`; how many recordings it has then.

    This is what git asks of a merge driver. Raises `CassetteError` or `ConfigError`; then `ours` is as it was.
    """
    keys = keys_for(settings)
    found = merged(*(_load(path, keys) for path in (base, ours, theirs)))
    _put(ours, _cassette(found, keys))
    return len(found)


def _cassette(recordings: Iterable[Recording], keys: Keys) -> bytes:
    return cassette.dump(recordings, keyed_by(keys.options))


_WRITERS: dict[Written, Callable[[Iterable[Recording], Keys], bytes]] = {
    Written.CHATREEL: _cassette,
    Written.VCR: lambda recordings, _: vcr_writing.write(recordings),
    Written.HAR: lambda recordings, _: har.write(recordings, creator=chatreel.__version__),
}


def _of_store(settings: Settings, chosen: Chosen, bar: Progress) -> list[Recording]:
    """The oldest first: takes keep their order."""
    require_recovered(settings.store)
    with Archive(settings.store) as archive:
        wanted = chosen.selection
        if chosen.key is not None:
            wanted = replace(wanted, ids=frozenset(archive.find(parse_subject(chosen.key))))
        ids = [listed.id for page in archive.pages(wanted) for listed, _ in page]
        return [archive.load(one)[0] for one in bar.track(ids[::-1], description="reading")]


def _is_meant(one: Recording, chosen: Chosen) -> bool:
    """Whether a recording of a cassette meets the conditions, as the store would see it."""
    wanted = chosen.selection
    name = (wanted.model or "*").removesuffix("*")
    checks = (
        one.model.startswith(name) if (wanted.model or "*").endswith("*") else one.model == name,
        not wanted.upstreams or one.upstream in wanted.upstreams,
        wanted.since is None or one.recorded_at >= wanted.since,
        wanted.until is None or one.recorded_at < wanted.until,
        chosen.key is None or one.identity.key.partition(":")[2].startswith(chosen.key.partition(":")[2] or chosen.key),
    )
    return all(checks)


def _load(path: Path, keys: Keys) -> tuple[Recording, ...]:
    """An empty file is a cassette without recordings: git hands over one where a side had none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return cassette.load(content, keys).recordings if content.strip() else ()
    except CassetteError as error:
        raise CassetteError(f"{path}: {error}") from error


def _put(target: Path, content: bytes) -> None:
    try:
        put_into_place(target, content)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error
