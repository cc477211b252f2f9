"""Which cassette belongs to which test, and which to none."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from chatreel.cassette_names import SUFFIX, cassette_name
from chatreel.testing.options import RunOptions, marker_arguments

MARK = b'"chatreel_cassette"'
"""Stands at the start of every cassette."""


class Cassettes:
    """The cassettes of the tests that were collected."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._root = options.config.rootpath
        self.orphans: list[str] | None = None
        """Paths of cassettes without a test, as shown to people; `None` until a whole folder has been collected."""

    def of(self, item: pytest.Item, marker: Mapping[str, object]) -> Path:
        """The file of a test. Raises `pytest.UsageError` for a marker that names none."""
        named = marker.get("cassette")
        if named is None:
            return self.folder(item.path) / self._name(item)
        path = item.path.parent / str(named)
        if path.suffix != SUFFIX:
            raise pytest.UsageError(f"chatreel: marker argument cassette: {str(named)!r} does not end in {SUFFIX}")
        return path

    def folder(self, module: Path) -> Path:
        """Of a test module: `cassettes/test_weather` beside `test_weather.py`, unless told otherwise."""
        folder = Path(str(self._options.value("cassettes")).replace("{rootdir}", str(self._root)))
        if not folder.is_absolute():
            return module.parent / folder / module.stem
        # One folder for all: modules of one name in two folders must not share cassettes in it.
        place = module.relative_to(self._root) if module.is_relative_to(self._root) else Path(*module.parts[1:])
        return folder / place.with_suffix("")

    def shown(self, path: Path) -> str:
        """As short as it is clear."""
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)

    def collected(self, items: Sequence[pytest.Item], unread: Iterable[str]) -> None:
        """All tests of the run have been collected; `items` holds those as well that will not run.

        `unread`: node ids of modules that cannot be imported or are skipped as a whole; their cassettes stay theirs.
        """
        if not self._is_whole():
            return
        owned = set()
        for item in items:
            if item.get_closest_marker("chatreel") or "chatreel" in getattr(item, "fixturenames", ()):
                owned.add(self._owned_by(item).resolve())
        kept = {self.folder(self._root / node.partition("::")[0]).resolve() for node in unread}
        found = {path.resolve() for path in self._files({item.path.parent for item in items})}
        lost = sorted(path for path in found - owned if path.parent not in kept and _is_cassette(path))
        self.orphans = [self.shown(path) for path in lost]

    def _owned_by(self, item: pytest.Item) -> Path:
        """The file of a test. What is wrong with its marker, it says when it runs."""
        try:
            return self.of(item, marker_arguments(item))
        except pytest.UsageError:
            return self.of(item, {})

    def _files(self, folders: Iterable[Path]) -> Iterable[Path]:
        for folder in folders:
            cassettes = self.folder(folder / "test.py").parent
            yield from cassettes.glob(f"*{SUFFIX}")
            yield from cassettes.glob(f"*/*{SUFFIX}")

    def _is_whole(self) -> bool:
        """Whether everything was asked for that there is in some folders."""
        config = self._options.config
        choices = ("keyword", "markexpr", "lf", "deselect", "ignore", "ignore_glob", "stepwise")
        if any(config.getoption(choice, None) for choice in choices):
            return False
        return all("::" not in arg and (config.invocation_params.dir / arg).is_dir() for arg in config.args)

    def _name(self, item: pytest.Item) -> str:
        chain = [node for node in item.listchain() if isinstance(node, pytest.Class)]
        names = [*((node.parent, node.name) for node in chain), (item.parent, item.name.partition("[")[0])]
        ambiguous = any(_has_namesake(getattr(parent, "obj", None), name) for parent, name in names)
        return cassette_name([node.name for node in chain], item.name, ambiguous=ambiguous)


def _has_namesake(namespace: object, name: str) -> bool:
    """Whether something else is defined there that only differs in case."""
    folded = name.casefold()
    return any(other.casefold() == folded and other != name for other in dir(namespace))


def _is_cassette(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return MARK in file.read(200)
    except OSError:
        return False
