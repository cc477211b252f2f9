"""Where settings come from: flags > environment (`CHATREEL_*`) > `chatreel.toml` > `[tool.chatreel]` > defaults."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chatreel.clients import BASE_URL_VARIABLE
from chatreel.config.conflicts import conflicts
from chatreel.config.settings import READERS, Settings
from chatreel.errors import ConfigError
from chatreel.upstreams import parse_upstream

_PREFIX = "CHATREEL_"


@dataclass(frozen=True, slots=True)
class _Given:
    """What somebody has said that a setting is."""

    value: Any
    source: str
    """As they know it: a flag, a variable of the environment, a file."""


def load_settings(**flags: Any) -> Settings:
    """Settings with the flags that were given (`None`: not given). Raises `ConfigError` naming each wrong setting."""
    given = _from_file(Path("pyproject.toml"), "tool", "chatreel") | _from_file(Path("chatreel.toml"))
    given |= _from_environment() | _from_flags(flags)
    known: dict[str, Any] = {}
    wrong: list[str] = []
    for name, one in given.items():
        if name not in READERS:
            wrong.append(f"there is no setting {name!r}; the settings are {', '.join(READERS)} ({one.source})")
            continue
        try:
            known[name] = READERS[name](one.value)
        except ValueError as error:
            wrong.append(f"setting {name!r}: {error} ({one.source})")
    if wrong:
        raise ConfigError("; ".join(wrong))
    settings = Settings(**known, given=frozenset(known))
    if wrong := list(conflicts(settings)):
        raise ConfigError("; ".join(wrong))
    return settings


def with_fallback(settings: Settings, url: str) -> Settings:
    """The settings with this upstream, if there is a URL and they name none. Raises `ConfigError`."""
    if not url or "upstream" in settings.given:
        return settings
    parse_upstream(url)
    return replace(settings, upstream=(url,))


def _from_flags(flags: dict[str, Any]) -> dict[str, _Given]:
    told = {name: value for name, value in flags.items() if value not in (None, ())}
    return {name: _Given(value, f"--{name.replace('_', '-')}") for name, value in told.items()}


def _from_environment() -> dict[str, _Given]:
    known = {f"{_PREFIX}{name.upper()}": name for name in READERS}
    said = {name: value for name, value in os.environ.items() if name.upper().startswith(_PREFIX)}
    if unknown := sorted(name for name in said if name.upper() not in {*known, BASE_URL_VARIABLE}):
        names = ", ".join(sorted([*known, BASE_URL_VARIABLE]))
        raise ConfigError(f"there is no setting {', '.join(unknown)}; the settings are {names}")
    return {known[name.upper()]: _Given(value, name) for name, value in said.items() if name.upper() in known}


def _from_file(path: Path, *tables: str) -> dict[str, _Given]:
    """What a file has in a table of a table; nothing if there is no such file or table. Raises `ConfigError`."""
    if not path.is_file():
        return {}
    import tomllib  # most have no file

    try:
        found: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    for table in tables:
        found = found.get(table, {})
        if not isinstance(found, dict):
            raise ConfigError(f"{path}: {table} is no table; settings stand in [{'.'.join(tables)}]")
    return {name: _Given(value, str(path)) for name, value in found.items()}
