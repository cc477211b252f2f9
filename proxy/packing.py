"""`chatreel pack`, recordings to a file of ours or of another tool; `chatreel merge`, two versions of one to one."""

from collections.abc import Callable, Iterable, Iterator
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
from chatreel.request import Keys
from chatreel.server import keys_for
from chatreel.store.selecting import Wanted, select_recordings


def pack(
    settings: Settings, target: Path, wanted: Wanted, *, source: Path | None, kind: Written, overwrite: bool
) -> int:
    """Write recordings of the store, or of the cassette `source`, to a file; how many there were.

    Raises `ConfigError` if the file is there already and may not be replaced, or if there is nothing to write.
    """
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} is there already: give --overwrite to replace it, or another name")
    keys = keys_for(settings)
    with Progress(console=talk.console, transient=True) as bar:
        recordings = select_recordings(settings.store, wanted) if source is None else _of_cassette(source, keys, wanted)
        chosen = [*bar.track(recordings, description="reading")]
    if not chosen:
        raise ConfigError(
            "no recording is like that, so nothing was written: `chatreel pack` takes all without options"
        )
    _put(target, _WRITERS[kind](chosen, keys))
    return len(chosen)


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


def _of_cassette(source: Path, keys: Keys, wanted: Wanted) -> Iterator[Recording]:
    """The recordings of a cassette that meet the conditions: the same ones as of a store."""
    for one in _load(source, keys):
        name = wanted.model.removesuffix("*") if wanted.model else ""
        fits = (
            wanted.model is None or (one.model.startswith(name) if wanted.model.endswith("*") else one.model == name),
            wanted.upstream is None or one.upstream == wanted.upstream,
            wanted.since is None or one.recorded_at >= wanted.since,
            wanted.key is None or one.identity.key.startswith(wanted.key),
        )
        if all(fits):
            yield one


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
