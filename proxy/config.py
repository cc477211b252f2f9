"""Settings: flags > environment (`CHATREEL_*`) > `chatreel.toml` > `[tool.chatreel]` in `pyproject.toml` > defaults."""

import json
import os
import sys
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    InstanceOf,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from chatreel.access import parse_token
from chatreel.budget import Budget, Period, Unknown, parse_budget, parse_unpriced
from chatreel.canonical import KeyOptions, Rule, shipped_rules
from chatreel.canonical.pointers import parse_pointer
from chatreel.clients import BASE_URL_VARIABLE
from chatreel.decide import OnMaxAge, mode_named
from chatreel.durations import parse_duration
from chatreel.errors import ConfigError
from chatreel.model import Mode
from chatreel.pace import INSTANT, parse_pace
from chatreel.rates import PriceOverride, parse_override
from chatreel.redact import Redactor
from chatreel.repeats import AtEnd
from chatreel.secret_patterns import Shapes
from chatreel.secret_shapes import PATTERNS, Pattern, own_pattern
from chatreel.tags import parse_tag
from chatreel.upstreams import DEFAULT_URL, parse_host, parse_upstream


def _default_mode() -> Mode:
    """A build server must not spend money or depend on the network because somebody forgot a flag."""
    return Mode.CACHE if os.environ.get("CI", "").lower() in ("", "0", "false", "no") else Mode.REPLAY


def _default_store() -> str:
    return str(user_data_path("chatreel") / "store.db")


def _words(value: object) -> object:
    """An environment variable holds several values separated by spaces or commas."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _rules(value: object) -> object:
    """Names of shipped rules, and tables: a rule of one's own, or `name` alone for a shipped one."""
    entries = _words(value)
    if not isinstance(entries, list | tuple):
        raise ValueError("give a list of rules: names of shipped ones, or tables with name, pointer and pattern")  # noqa: TRY004 - pydantic wants a ValueError
    return tuple(rule for entry in entries for rule in _rules_of(entry))


def _rules_of(entry: object) -> tuple[Rule, ...]:
    match entry:
        case Rule():
            return (entry,)
        case str(name):
            return shipped_rules(name)
        case {"name": str(name), **others} if not others:
            return shipped_rules(name)
        case {"name": str(name), "pointer": str(pointer), "pattern": str(pattern), **others} if not others:
            return (Rule(name, pointer, pattern),)
    raise ValueError(f"{entry!r} is no rule: give the name of a shipped one, or name, pointer and pattern")


def _tables(value: object, name: str, what: str) -> list[object]:
    """Tables of a file; a variable of the environment holds them as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(
                f"{value!r} is not JSON: give a list of objects, or [[{name}]] tables in a file"
            ) from error
    if not isinstance(value, list | tuple):
        raise ValueError(f"give a list of {what}, or [[{name}]] tables in a file")  # noqa: TRY004 - as above
    return [*value]


def _prices(value: object) -> object:
    tables = _tables(value, "price", "prices")
    return tuple(entry if isinstance(entry, PriceOverride) else parse_override(entry) for entry in tables)


def _patterns(value: object) -> object:
    return tuple(map(_pattern_of, _tables(value, "redact", "shapes")))


def _pattern_of(entry: object) -> Pattern:
    match entry:
        case Pattern():
            return entry
        case {"name": str(name), "pattern": str(pattern), **others} if not others:
            return own_pattern(name, pattern)
    raise ValueError(f"{entry!r} is no shape of a secret: give name and pattern")


def _pointer(text: str) -> str:
    parse_pointer(text)
    return text


def _pace(value: object) -> object:
    return parse_pace(str(value)) if isinstance(value, str | int | float) and value != INSTANT else value


def _duration(value: object) -> object:
    return parse_duration(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


def _mode(value: object) -> object:
    return mode_named(value) if isinstance(value, str) else value


def _token(value: object) -> object:
    return SecretStr(parse_token(value.get_secret_value() if isinstance(value, SecretStr) else str(value)))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _tag(text: str) -> str:
    parse_tag(text)
    return text


def _upstream(text: str) -> str:
    parse_upstream(text)
    return text


def _budget(text: str) -> str:
    parse_budget(text)
    return text


def _unpriced(value: object) -> str:
    text = str(value)  # a file may have a number
    parse_unpriced(text)
    return text


type HostText = Annotated[str, AfterValidator(parse_host)]
type UpstreamText = Annotated[str, BeforeValidator(_upstream)]
type Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds; written as in `30s`, `12h` or `7d`."""
type TagText = Annotated[str, AfterValidator(_tag)]
type BudgetText = Annotated[str, AfterValidator(_budget)]
type PointerText = Annotated[str, AfterValidator(_pointer)]


class Settings(BaseSettings):
    """Everything `serve` and `run` can be told. Unknown names are refused: a typo must not pass silently."""

    model_config = SettingsConfigDict(
        env_prefix="CHATREEL_",
        toml_file="chatreel.toml",
        pyproject_toml_table_header=("tool", "chatreel"),
        extra="forbid",
        frozen=True,
    )

    upstream: Annotated[tuple[UpstreamText, ...], NoDecode, BeforeValidator(_words)] = (DEFAULT_URL,)
    mode: Annotated[Mode, BeforeValidator(_mode)] = Field(default_factory=_default_mode)
    host: str = "127.0.0.1"
    """Any other than a loopback address needs a token."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0: any free port."""
    proxy_port: int | None = Field(default=None, ge=0, le=65535)
    """Of the forward proxy; 0: any free port, `None`: there is none."""
    intercept: Annotated[tuple[HostText, ...], NoDecode, BeforeValidator(_words)] = ()
    """Hosts that the forward proxy intercepts besides upstreams and known providers; one `*` stands for any text."""
    block_others: bool = False
    """Whether the forward proxy refuses all other hosts, in place of tunnelling to them."""
    store: str = Field(default_factory=_default_store)
    secret_file: Path | None = None
    """Holds what credentials are hashed with, if `scope` says so; `None`: beside the store, or in the data folder.

    If it is given, digests of redacted secrets are made with it, too.
    """
    ready_file: Path | None = None
    token: Annotated[SecretStr, BeforeValidator(_token)] | None = None
    """What clients have to show. See `chatreel.access`."""
    token_file: Path | None = None
    """File that holds it, in place of `token`."""
    max_body: ByteSize = ByteSize(64 * 1024 * 1024)
    """Largest request body; beyond it 413."""
    max_bodies: ByteSize = ByteSize(64 * 1024 * 1024)
    """Of large request bodies, those over 1 MiB, held at a time; beyond it they wait."""
    max_connections: int = Field(default=2_000, ge=1)
    """Of clients, at a time; of each worker, if there are several."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that serve one port and one store. See `chatreel.workers`."""
    pace: Annotated[float, BeforeValidator(_pace)] = INSTANT
    """How many times faster than recorded a stream is replayed; `INSTANT` for at once."""
    ask_usage: bool = True
    """Ask upstreams for usage at the end of each recorded stream; a client that did not ask does not get any."""
    normalize: Annotated[tuple[InstanceOf[Rule], ...], NoDecode, BeforeValidator(_rules)] = ()
    """Volatile text that does not count: names of shipped rules, and tables with name, pointer and pattern."""
    ignore: Annotated[tuple[PointerText, ...], NoDecode, BeforeValidator(_words)] = ()
    """More members of the body that do not count: JSON pointers."""
    sampling_defaults: Literal["server", "spec"] = "server"
    """Whether `temperature` and `top_p` of 1 equal their absence: `spec` says yes, as the specification does."""
    scope: Literal["shared", "credential"] = "shared"
    """Who shares recordings: everybody, or only those who send the same credentials."""
    redact: Annotated[tuple[InstanceOf[Pattern], ...], NoDecode, BeforeValidator(_patterns)] = ()
    """Shapes of secrets of one's own, tables with name and pattern: what has them is not written anywhere."""
    redact_known: bool = True
    """Whether keys and passwords of well-known shapes are written nowhere, too."""
    record_errors: bool | None = None
    """Store errors of the upstream, too, and replay them: retries are part of a test. `None`: in cassettes only."""
    cassette: Path | None = None
    """File to record into and replay from, instead of the store."""
    cassettes: Path | None = None
    """Folder that cassettes of sessions have to be in; `None`: the working folder if there is a token, else any."""
    repeats: AtEnd = AtEnd.LAST
    """What comes after the last take of a call, where takes are replayed in order."""
    tag: Annotated[tuple[TagText, ...], NoDecode, BeforeValidator(_words)] = ()
    """On every call, as `name=value`."""
    ttl: Duration | None = None
    """Seconds after which `cache` asks anew what is in the store."""
    max_age: Duration | None = None
    """Seconds after which a recording is too old; see `on_max_age`."""
    on_max_age: OnMaxAge = OnMaxAge.WARN
    drain: Duration = 30.0
    """Seconds for which an answer is still recorded whose client has left; 0: not at all."""
    price: Annotated[tuple[InstanceOf[PriceOverride], ...], NoDecode, BeforeValidator(_prices)] = ()
    """What models cost that the list of prices does not know, or gets wrong; the first that fits a call counts."""
    budget: Annotated[tuple[BudgetText, ...], NoDecode, BeforeValidator(_words)] = ()
    """What may be spent upstream, as in `5.00/day` or `team=search:2.00/week`; see `chatreel.budget`."""
    unpriced: Annotated[str, BeforeValidator(_unpriced)] = Unknown.WARN.value
    """What a call of unknown price counts as against a budget: `warn`, `refuse`, or USD."""
    max_size: ByteSize | None = None
    """Of the store: beyond it, the least recently used recordings go. `None`: it may grow."""
    fast_path: bool = True
    """Whether hits are answered without the engine where they can be; the same answers, several times faster."""
    memory: ByteSize = ByteSize(256 * 1024 * 1024)
    """Recordings kept in memory, at most."""

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.port and self.port == self.proxy_port:
            raise ValueError(f"port and proxy_port are both {self.port}; the two proxies need a port each")
        return self

    @model_validator(mode="after")
    def _open_to_others(self) -> Self:
        """Whoever reaches the proxy reads every prompt in it and spends with the keys that pass through it."""
        if self.token and self.token_file:
            raise ValueError("token and token_file are both given; one is enough")
        token = self.secret_token
        if not token and not _is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached by others, so it needs a token that clients have to show: --token, "
                "--token-file or CHATREEL_TOKEN. Without one only loopback addresses are served (127.0.0.1, ::1, "
                "localhost)"
            )
        return self

    @model_validator(mode="after")
    def _several_workers(self) -> Self:
        """What lies in one process cannot be had from several: rather refused than half of it."""
        reasons = {
            "give a store: a cassette is written by one process": self.cassette is not None,
            "give repeats = last: nobody counts the turns of all of them": self.repeats is AtEnd.STRICT,
            "give cache or replay: the store is not the same when each of them starts": self.mode is Mode.ONCE,
            "give a budget per day, week or month: a run is that of one process": any(
                budget.period is Period.RUN for budget in self.budgets
            ),
            "connections are spread over processes on Linux alone": sys.platform != "linux",
        }
        why = [reason for reason, applies in reasons.items() if applies]
        if self.workers > 1 and why:
            raise ValueError(
                f"with {self.workers} workers this is not possible; {'; '.join(why)}; or leave out --workers"
            )
        return self

    @cached_property
    def secret_token(self) -> str:
        """The token that clients have to show; empty if there is none. Raises `ValueError` if its file is unusable."""
        if self.token:
            return self.token.get_secret_value()
        if self.token_file is None:
            return ""
        try:
            return parse_token(self.token_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"token_file {self.token_file} cannot be read: {error}") from error

    @cached_property
    def redactor(self) -> Redactor:
        """What takes secrets out of whatever is written."""
        return Redactor(Shapes((*(PATTERNS if self.redact_known else ()), *self.redact)))

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Of all sessions together."""
        return tuple(parse_budget(text, self.unpriced) for text in self.budget)

    @property
    def key_options(self) -> KeyOptions:
        """What of these settings decides which requests are the same call."""
        return KeyOptions(
            sampling_defaults=self.sampling_defaults, ignore=self.ignore, normalize=self.normalize, scope=self.scope
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = (TomlConfigSettingsSource(settings_cls), PyprojectTomlConfigSettingsSource(settings_cls))
        return (init_settings, env_settings, *files)


def load_settings(**flags: Any) -> Settings:
    """Settings with the flags that were given (`None`: not given). Raises `ConfigError` naming each wrong setting."""
    _refuse_unknown_variables()
    try:
        return Settings(**{name: value for name, value in flags.items() if value not in (None, ())})
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(dict(fault)) for fault in error.errors())) from error
    except ValueError as error:  # a TOML file that is none
        raise ConfigError(f"chatreel.toml or pyproject.toml cannot be read: {error}") from error


def _refuse_unknown_variables() -> None:
    known = {f"CHATREEL_{name.upper()}" for name in Settings.model_fields} | {BASE_URL_VARIABLE}
    given = {name for name in os.environ if name.upper().startswith("CHATREEL_")}
    if unknown := sorted(name for name in given if name.upper() not in known):
        raise ConfigError(f"there is no setting {', '.join(unknown)}; the settings are {', '.join(sorted(known))}")


def _explain(fault: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in fault["loc"] if not isinstance(part, int))
    if fault["type"] == "extra_forbidden":
        return f"there is no setting {name!r}; the settings are {', '.join(Settings.model_fields)}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"setting {name!r}: {message}" if name else str(message)
