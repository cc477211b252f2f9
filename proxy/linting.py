"""`chatreel lint`: the cassettes of a project, read and judged."""

import time
from collections.abc import Collection, Iterator
from pathlib import Path

from rich.progress import Progress

from chatreel import talk
from chatreel.config import Settings
from chatreel.errors import ConfigError
from chatreel.findings import Finding
from chatreel.lint import findings
from chatreel.server import keys_for

_MARK = b'"chatreel_cassette"'
_PASSED_OVER = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages"})


def lint(
    settings: Settings, paths: Collection[Path], *, max_age: float | None = None, live: Collection[str] | None = None
) -> list[Finding]:
    """What is wrong with the cassettes in these files and folders. `max_age`: seconds.

    `live`: paths of the cassettes that tests have. Raises `ConfigError` for a path that is not there.
    """
    files = _files(paths)
    keys = keys_for(settings)
    known = None if live is None else {Path(name).resolve() for name in live}
    found: list[Finding] = []
    with Progress(console=talk.console(), transient=True) as bar:
        for path in bar.track(files, description="reading"):
            name = str(path)
            alive = None if known is None else {name} if path.resolve() in known else set()
            found += findings({name: _read(path)}, keys, now=time.time(), max_age=max_age, live=alive)
    return found


def _files(paths: Collection[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(sorted(_inside(path)))
        elif path.is_file():
            found[path] = None
        else:
            raise ConfigError(f"{path}: there is no such file or folder")
    return [*found]


def _inside(folder: Path) -> Iterator[Path]:
    """Cassettes below a folder, by their first bytes; none in hidden folders, or in those of other tools."""
    for parent, folders, names in folder.walk():
        folders[:] = [name for name in folders if name not in _PASSED_OVER and not name.startswith(".")]
        for name in names:
            path = parent / name
            if path.suffix == ".json" and path.is_file() and _MARK in _read(path, 4_096):
                yield path


def _read(path: Path, most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
