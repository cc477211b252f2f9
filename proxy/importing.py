"""`chatreel import`: recordings of other tools to cassettes, or into a store, and an account of every single one."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from chatreel import talk
from chatreel.atomic import put_into_place
from chatreel.canonical import keyed_by
from chatreel.cassette_names import SUFFIX, cassette_name
from chatreel.config import Settings
from chatreel.errors import CassetteError, ConfigError
from chatreel.formats import cassette
from chatreel.formats.converting import Imported, convert
from chatreel.formats.detecting import READERS, detect
from chatreel.formats.foreign import Found, Refused, Unreadable
from chatreel.formats.names import Format
from chatreel.model import Recording
from chatreel.request import Keys
from chatreel.server import keys_for, open_store
from chatreel.store import Store

_FOLDER = "cassettes"
"""Holds a folder for each module of tests, as pytest-recording and the plugin of chatreel have it."""
_SUFFIXES = frozenset({".yaml", ".yml", ".har", ".flow", ".flows", ".mitm", ".json"})
"""Of the files that are taken from a folder; any file can be named by itself."""


@dataclass(slots=True)
class FileReport:
    """What became of one file."""

    source: Path
    target: str = ""
    """Where its recordings are now."""
    exact: int = 0
    known: int = 0
    """Recordings that were there already."""
    converted: list[tuple[str, str]] = field(default_factory=list)
    """Place and what is different; one line each."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for."""

    paths: tuple[Path, ...]
    cassette: Path | None = None
    """One cassette for all of it. Without it, and without `into_store`, each file becomes a cassette beside it."""
    into_store: bool = False
    format: Format | None = None
    """`None`: found out for each file."""
    upstream: str = ""
    """Origin to import all of it under."""
    dry_run: bool = False


def run(settings: Settings, wanted: Wanted) -> list[FileReport]:
    """Import. Raises `ConfigError` for paths that are not there, `CassetteError` for a target that cannot be read."""
    files = _files(wanted)
    keys = keys_for(settings)
    with Progress(console=talk.console(), transient=True) as bar:
        task = bar.add_task("importing", total=len(files))
        reports = []
        for file in files:
            reports.append(_read(file, wanted, keys))
            bar.advance(task)
    write = _writer(settings, wanted, keys)
    write([report for report in reports if report.recordings])
    return reports


def _files(wanted: Wanted) -> list[Path]:
    """Every file that is meant, each once, in order."""
    found: dict[Path, None] = {}
    for path in wanted.paths:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
            found |= dict.fromkeys(file for file in sorted(inside) if wanted.into_store or not _is_cassette(file))
        elif path.is_file():
            found[path] = None
        else:
            raise ConfigError(f"{path}: there is no such file or folder")
    if not found:
        raise ConfigError("there is nothing to import: no .yaml, .har, .flow or .json in these folders")
    return [*found]


def _is_cassette(path: Path) -> bool:
    """Whether it is a cassette already: in a folder these are what earlier imports have made."""
    with path.open("rb") as file:
        return b'"chatreel_cassette"' in file.read(200)


def _read(path: Path, wanted: Wanted, keys: Keys) -> FileReport:
    report = FileReport(path)
    try:
        content = path.read_bytes()
        kind = wanted.format or detect(content)
        if kind is Format.CHATREEL:
            report.recordings = [*cassette.load(content, keys).recordings]
            report.exact = len(report.recordings)
            return report
        found = _found(kind, content)
    except OSError as error:
        report.refused.append(("the file", f"it cannot be read: {error.strerror}"))
    except (CassetteError, Unreadable) as error:
        report.refused.append(("the file", str(error)))
    else:
        _convert(report, found, wanted, keys)
    return report


def _found(kind: Format, content: bytes) -> list[Found]:
    if kind is not Format.MITMPROXY:
        return READERS[kind](content)
    try:
        from chatreel.engine import flow_files
    except ImportError as error:
        raise Unreadable(f"flow files are read with mitmproxy: pip install 'chatreel[proxy]' ({error})") from error
    return flow_files.read(content)


def _convert(report: FileReport, found: list[Found], wanted: Wanted, keys: Keys) -> None:
    if not found:
        report.refused.append(("the file", "there is no interaction in it"))
    changed_at = report.source.stat().st_mtime
    for one in convert(found, keys, fallback=changed_at, upstream=wanted.upstream):
        match one:
            case Refused(place, reason):
                report.refused.append((place, reason))
            case Imported(place, recording, note):
                report.recordings.append(recording)
                if note:
                    report.converted.append((place, note))
                else:
                    report.exact += 1


def _writer(settings: Settings, wanted: Wanted, keys: Keys) -> Callable[[list[FileReport]], None]:
    if wanted.into_store:
        return lambda reports: asyncio.run(_into_store(settings, reports, dry_run=wanted.dry_run))
    return lambda reports: _into_cassettes(reports, wanted, keys)


def _into_cassettes(reports: list[FileReport], wanted: Wanted, keys: Keys) -> None:
    by_target: dict[Path, list[FileReport]] = {}
    for report in reports:
        by_target.setdefault(wanted.cassette or _beside(report.source), []).append(report)
    for target, sources in by_target.items():
        there = _there(target, keys)
        known = set(map(_essence, there))
        for report in sources:
            report.target = str(target)
            new = [one for one in report.recordings if _essence(one) not in known]
            report.known = len(report.recordings) - len(new)
            there += new
        if not wanted.dry_run:
            _put(target, there, keys)


def _beside(source: Path) -> Path:
    """Where a test finds it: `cassettes/test_weather/test_rain.yaml` becomes `test_rain.json` in the same folder."""
    if source.suffix == SUFFIX:
        raise ConfigError(f"{source} would be overwritten by its own import: name a file with --cassette")
    known = source.suffix.lower() in _SUFFIXES
    if known and source.parent.parent.name == _FOLDER:
        return source.with_name(_name_of(source.stem))
    return source.with_suffix(SUFFIX) if known else Path(f"{source}{SUFFIX}")


def _name_of(test: str) -> str:
    """The cassette of a test that pytest-recording calls `TestOslo.test_rain[gpt-4o]`."""
    function, bracket, parameters = test.partition("[")
    *owners, name = function.split(".")
    return cassette_name(owners, name + bracket + parameters)


def _there(target: Path, keys: Keys) -> list[Recording]:
    """What the cassette holds already; it stays."""
    try:
        return [*cassette.load(target.read_bytes(), keys).recordings]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{target} cannot be read: {error.strerror}") from error
    except CassetteError as error:
        raise CassetteError(f"{target}: {error}") from error


def _put(target: Path, recordings: Iterable[Recording], keys: Keys) -> None:
    try:
        put_into_place(target, cassette.dump(recordings, keyed_by(keys.options)))
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error


async def _into_store(settings: Settings, reports: list[FileReport], *, dry_run: bool) -> None:
    with closing(open_store(settings)) as store, Progress(console=talk.console(), transient=True) as bar:
        task = bar.add_task("storing", total=sum(len(report.recordings) for report in reports))
        # All are looked up before one is added: what a suite recorded twice is two takes, though equal to the byte.
        known = [[await _is_stored(store, one) for one in report.recordings] for report in reports]
        for report, there in zip(reports, known, strict=True):
            report.target = settings.store
            report.known = sum(there)
            for one, is_there in zip(report.recordings, there, strict=True):
                if not is_there and not dry_run:
                    await store.add(one)
                bar.advance(task)


async def _is_stored(store: Store, one: Recording) -> bool:
    """Whether an earlier import has brought it."""
    for take in await store.takes("", one.identity.key):
        if _essence(await store.load(take.id)) == _essence(one):
            return True
    return False


def _essence(one: Recording) -> tuple[object, ...]:
    """What makes two recordings the same one, however its request is spelled and whatever was taken out of that."""
    return (one.identity.key, round(one.recorded_at, 6), one.status, one.headers, one.body)


def as_text(reports: Iterable[FileReport]) -> Iterator[str]:
    """Yield a line for each file, and one for everything in it that is not as it was, or not there."""
    totals = {"exact": 0, "converted": 0, "refused": 0}
    for report in reports:
        counts = {"exact": report.exact, "converted": len(report.converted), "refused": len(report.refused)}
        totals = {name: totals[name] + count for name, count in counts.items()}
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        known = f" ({report.known} of them known already)" if report.known else ""
        yield f"{report.source}: {said or 'nothing'}{known}{f' -> {report.target}' if report.target else ''}"
        yield from (f"  {place}: converted: {note}" for place, note in report.converted)
        yield from (f"  {place}: refused: {reason}" for place, reason in report.refused)
    yield ", ".join(f"{count:,} {name}" for name, count in totals.items())


def as_json(reports: Iterable[FileReport]) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "file": str(report.source),
            "target": report.target or None,
            "exact": report.exact,
            "known": report.known,
            "converted": [{"place": place, "note": note} for place, note in report.converted],
            "refused": [{"place": place, "reason": reason} for place, reason in report.refused],
        }
        for report in reports
    ]
