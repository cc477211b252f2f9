"""The body that opens a session: read, and checked member by member."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from chatreel.api_errors import ApiError, Problem, Refusal
from chatreel.budget import Budget, Period, Unknown, parse_budget
from chatreel.canonical import parse_body
from chatreel.decide import Freshness, OnMaxAge, mode_named
from chatreel.durations import parse_duration
from chatreel.errors import Malformed, NotKeyable
from chatreel.model import Mode
from chatreel.pace import parse_pace
from chatreel.repeats import AtEnd
from chatreel.session import Options
from chatreel.sessions import Wish

REWRITE = "rewrite"
"""Name of a mode that only a session with a cassette can have: what it held gives way to what is recorded."""

_NAME = 500
"""Characters."""
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a session is unless it says otherwise: the flags and settings of the proxy."""

    mode: Mode
    options: Options
    record_errors: bool | None
    """`None`: in cassettes only."""
    unpriced: Unknown | Decimal = Unknown.WARN
    """What a call of unknown price counts as against a budget."""
    cassettes: Path | None = None
    """Folder that cassettes have to be in; `None`: they may be anywhere."""


def read_wish(body: bytes, defaults: Defaults) -> Wish:
    """What a session shall be. Raises `Refusal` that names the wrong member."""
    members = _members(body)
    given = {name: _checked(name, value) for name, value in members.items() if value is not None}
    cassette: Path | None = given.get("cassette")
    mode, rewrite = given.get("mode", (defaults.mode, False))
    if rewrite and cassette is None:
        raise _wrong("mode", "`rewrite` needs a `cassette`")
    if cassette and defaults.cassettes:
        _hold_to(defaults.cassettes, cassette)
    options = _options(given, cassette, defaults)
    return Wish(mode, options, given.get("name", ""), cassette, rewrite, given.get("alias", ""))


def _hold_to(folder: Path, cassette: Path) -> None:
    """Whoever has the token of an open proxy shall not write wherever its owner may."""
    if not cassette.resolve().is_relative_to(folder.resolve()):
        message = f"cassette: {cassette} is not in {folder}. Start the proxy with --cassettes to name another folder."
        raise Refusal(ApiError(Problem.FORBIDDEN, message, "cassette"))


def options_for(options: Options, cassette: Path | None, *, record_errors: bool | None) -> Options:
    """What depends on whether there is a cassette: errors are recorded into one, and nothing in it grows stale."""
    errors = cassette is not None if record_errors is None else record_errors
    ttl = options.freshness.ttl if cassette is None else None
    freshness = Freshness(ttl, options.freshness.max_age, options.freshness.on_max_age)
    return Options(options.repeats, errors, options.speed, freshness, options.budget)


def _options(given: dict[str, Any], cassette: Path | None, defaults: Defaults) -> Options:
    usual = defaults.options
    freshness = Freshness(
        ttl=usual.freshness.ttl,
        max_age=given.get("max_age", usual.freshness.max_age),
        on_max_age=given.get("on_max_age", usual.freshness.on_max_age),
    )
    repeats, speed = given.get("repeats", usual.repeats), given.get("pace", usual.speed)
    budget: Budget | None = given.get("budget_usd")
    paid = replace(budget, unpriced=defaults.unpriced) if budget else None
    options = Options(repeats, False, speed, freshness, paid)
    return options_for(options, cassette, record_errors=given.get("record_errors", defaults.record_errors))


def _members(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        members: dict[str, Any] = dict(parse_body(body))
    except (Malformed, NotKeyable) as error:
        raise Refusal(ApiError(Problem.BAD_REQUEST, f"the body is no JSON object that can be read: {error}")) from error
    for name in members.keys() - _CHECKS.keys():
        raise _wrong(name, f"there is no such member; there are {', '.join(_CHECKS)}")
    return members


def _checked(name: str, value: object) -> Any:
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise _wrong(name, str(error)) from error


def _wrong(name: str, why: str) -> Refusal:
    return Refusal(ApiError(Problem.BAD_REQUEST, f"{name}: {why}", name))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("it has to be a string")  # noqa: TRY004 - one kind of error for all that is wrong
    return value


def _name(value: object) -> str:
    return _text(value)[:_NAME]


def _alias(value: object) -> str:
    text = _text(value)
    if not _ALIAS.fullmatch(text):
        raise ValueError("give up to 64 letters, digits, - and _, a letter first")
    return text


def _path(value: object) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise ValueError("give an absolute path: the proxy has a working folder of its own")
    return path


def _mode(value: object) -> tuple[Mode, bool]:
    return (Mode.RECORD, True) if value == REWRITE else (mode_named(_text(value)), False)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it has to be true or false")  # noqa: TRY004
    return value


def _choice[T: (AtEnd, OnMaxAge)](choices: type[T]) -> Callable[[object], T]:
    def check(value: object) -> T:
        try:
            return choices(_text(value))
        except ValueError:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}") from None

    return check


def _written(parse: Callable[[str], float]) -> Callable[[object], float]:
    """A text, or a number for the same written as one."""

    def check(value: object) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return parse(f"{value}" if is_number else _text(value))

    return check


def _budget(value: object) -> Budget:
    budget = parse_budget(f"{value}/{Period.RUN}")
    if budget.tag:
        raise ValueError(f"{value!r} is not an amount in USD")
    return budget


_CHECKS: dict[str, Callable[[object], Any]] = {
    "name": _name,
    "alias": _alias,
    "cassette": _path,
    "mode": _mode,
    "repeats": _choice(AtEnd),
    "record_errors": _flag,
    "pace": _written(parse_pace),
    "max_age": _written(parse_duration),
    "on_max_age": _choice(OnMaxAge),
    "budget_usd": _budget,
}
