"""What the plugin can be told, where, and what wins: command line, then marker, then ini file, then the default.

One table: each entry is an option of the command line and an ini setting, and some are arguments of the marker. Every
test run of every environment with chatreel in it imports this module, so it makes do without dataclasses, which cost a
millisecond each.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import pytest

REWRITE = "rewrite"
"""A mode of the plugin's own: empty the cassette, then record."""


class Finding(StrEnum):
    """What can be wrong with a run although its tests pass; each can be made to fail it."""

    UNUSED = "unused"
    """A recording that nothing asked for, in the cassette of a test that passed."""
    ORPHANS = "orphans"
    """A cassette that belongs to no test."""
    EDITED = "edited"
    """A recording whose answer was changed by hand."""
    OLD = "old"
    """A recording older than `max_age`."""
    BYPASSED = "bypassed"
    """A call to a model API that went around the proxy."""


BLOCKING = ("marked", "all", "off")
"""Whose calls around the proxy are blocked: those of tests that replay, of all tests, or nobody's."""


class Option(NamedTuple):
    """One thing that can be told."""

    name: str
    metavar: str
    help: str
    read: Callable[[str], object] = str
    """Text -> value. Raises `ValueError`."""
    default: object = None
    flag: str = ""
    """On the command line, if it is not named after `name`."""
    marked: bool = False
    """Whether the marker takes it, too."""
    constants: tuple[tuple[str, str], ...] = ()
    """Flags that stand for a value, in place of one that takes it."""
    several: bool = False
    """Whether the ini setting has a value a line, and the flag can be repeated."""

    @property
    def ini(self) -> str:
        return f"chatreel_{self.name}"

    @property
    def long(self) -> str:
        return self.flag or f"--chatreel-{self.name.replace('_', '-')}"


def _mode(text: str) -> str:
    from chatreel.decide import mode_named

    if text == REWRITE:
        return text
    try:
        return mode_named(text).value
    except ValueError as error:
        raise ValueError(f"{error}, {REWRITE}") from None


def _among(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return read


def _truth(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError(f"{text!r} is neither true nor false")
    return known[text.lower()]


def _dollars(text: str) -> float:
    amount = float(text.removeprefix("$"))
    if not 0 <= amount < float("inf"):
        raise ValueError(f"{text!r} is not an amount of US dollars")
    return amount


def _findings(text: str) -> frozenset[Finding]:
    return frozenset(Finding(_among(*Finding)(word)) for word in text.replace(",", " ").split())


OPTIONS: tuple[Option, ...] = (
    Option("mode", "MODE", "cache, replay, record, once, passthrough or rewrite, or VCR's names (default: replay)",
           _mode, "replay", flag="--chatreel", marked=True),
    Option("cassettes", "DIR", "folder of the cassettes: beside each test file, or one for all, as in {rootdir}/tapes",
           default="cassettes"),
    Option("upstream", "[NAME=]URL", "the real API; repeatable (default: what OPENAI_BASE_URL says)", several=True),
    Option("repeats", "WHAT", "when a call comes again and its takes are used up: last (default) repeats the last one, "
           "strict refuses", _among("last", "strict"), marked=True),
    Option("record_errors", "BOOL", "whether errors of the upstream are recorded, too (default: true)", _truth,
           marked=True),
    Option("pace", "PACE", "of replayed streams: instant (default), recorded, or N times faster", marked=True),
    Option("max_age", "AGE", "how old a recording may be, as in 30d", marked=True),
    Option("on_max_age", "WHAT", "what becomes of one that is older: warn (default), fail or record",
           _among("warn", "fail", "record"), marked=True),
    Option("budget", "USD", "stop recording when the run has spent as much upstream", _dollars),
    Option("block_network", "WHOSE", "calls around the proxy to model APIs are blocked in tests that replay "
           "(marked, the default), in all tests (all), or in none (off)", _among(*BLOCKING), "marked",
           constants=(("--chatreel-block-network", "all"), ("--chatreel-allow-network", "off"))),
    Option("at_import", "BOOL", "clients that are made while modules are imported find the proxy too (default: false)",
           _truth, False),
    Option("hosts", "HOST", "a further host of a model API, as in llm.example.com or *.example.com; repeatable",
           several=True),
    Option("fail_on", "WHAT", f"what fails the run besides tests: {', '.join(Finding)}", _findings, frozenset()),
    Option("report", "FILE", "write all that the summary counts as JSON"),
)  # fmt: skip
"""All of it, in the order of `--help`."""

BY_NAME = {option.name: option for option in OPTIONS}
MARKED = {option.name for option in OPTIONS if option.marked} | {"cassette"}


def declare(parser: pytest.Parser) -> None:
    """Make every entry of the table known to pytest."""
    group = parser.getgroup("chatreel", "record and replay chat completions")
    for option in OPTIONS:
        for flag, value in option.constants:
            meaning = f"{option.ini} = {value}: {option.help}"
            group.addoption(flag, dest=option.ini, action="store_const", const=value, help=meaning)
        if not option.constants:
            action = "append" if option.several else "store"
            group.addoption(option.long, dest=option.ini, metavar=option.metavar, action=action, help=option.help)
        kind: Literal["linelist", "string"] = "linelist" if option.several else "string"
        parser.addini(option.ini, option.help, type=kind, default=None)


def anything_said(config: pytest.Config) -> bool:
    """Whether the command line or the ini file says anything at all."""
    return any(config.getoption(option.ini) or config.getini(option.ini) for option in OPTIONS)


def early(config: pytest.Config, name: str) -> Any:
    """What an option says before any conftest is loaded; the default if it cannot be read, as will be said later."""
    option = BY_NAME[name]
    said = getattr(config.known_args_namespace, option.ini, None) or config.getini(option.ini)
    try:
        return option.read(str(said)) if said else option.default
    except ValueError:
        return option.default


class RunOptions:
    """What holds for the whole run."""

    def __init__(self, config: pytest.Config) -> None:
        """Raises `pytest.UsageError` naming what cannot be used, and where it stands."""
        self.config = config
        for option in OPTIONS:
            self.value(option.name)

    def value(self, name: str, marker: Mapping[str, object] | None = None) -> Any:
        """The value that wins, read; the default if nobody said anything."""
        option = BY_NAME[name]
        flag = self.config.getoption(option.ini)
        given = [(option.long, flag), (f"marker argument {name}", (marker or {}).get(name))]
        for where, said in [*given, (f"ini setting {option.ini}", self.config.getini(option.ini))]:
            if said is None or said in ([], ""):
                continue
            if option.several:
                return tuple(said)
            try:
                return option.read(str(said))
            except ValueError as error:
                raise pytest.UsageError(f"chatreel: {where}: {error}") from error
        return () if option.several else option.default

    def wishes(self, marker: Mapping[str, object]) -> dict[str, object]:
        """What to ask for when a session is opened, as the control API spells it; left out what nobody asked for."""
        names = ("mode", "repeats", "record_errors", "pace", "max_age", "on_max_age")
        found = {name: self.value(name, marker) for name in names}
        return {name: value for name, value in found.items() if value is not None}


def marker_arguments(item: pytest.Item) -> dict[str, object]:
    """The arguments of all `chatreel` markers of a test, the nearest first. Raises `pytest.UsageError`."""
    arguments: dict[str, object] = {}
    for marker in item.iter_markers("chatreel"):
        if marker.args:
            raise pytest.UsageError(f"chatreel: the marker takes arguments by name only: {', '.join(sorted(MARKED))}")
        if unknown := sorted(set(marker.kwargs) - MARKED):
            raise pytest.UsageError(
                f"chatreel: the marker takes no {', '.join(unknown)}; it takes {', '.join(sorted(MARKED))}"
            )
        arguments = {**marker.kwargs, **arguments}
    return arguments
