"""The settings: each with its default, and how it is read. Frozen once they are loaded."""

import os
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path

from chatreel.access import parse_token
from chatreel.budget import Budget, Unknown, parse_budget, parse_unpriced
from chatreel.canonical import KeyOptions, Rule
from chatreel.canonical.pointers import parse_pointer
from chatreel.config import readers, tables
from chatreel.config.readers import Reader, checked, one_of, whole, words
from chatreel.decide import OnMaxAge, mode_named
from chatreel.model import Mode
from chatreel.pace import INSTANT, parse_pace
from chatreel.rates import PriceOverride
from chatreel.redact import Redactor
from chatreel.repeats import AtEnd
from chatreel.secret_patterns import Shapes
from chatreel.secret_shapes import PATTERNS, Pattern
from chatreel.tags import parse_tag
from chatreel.upstreams import DEFAULT_URL, parse_host, parse_upstream

_PORT = whole(0, 65_535)
_MANY = 10**9
_READ = "read"


def _default_mode() -> Mode:
    """A build server must not spend money or depend on the network because somebody forgot a flag."""
    return Mode.CACHE if os.environ.get("CI", "").lower() in ("", "0", "false", "no") else Mode.REPLAY


def _default_store() -> str:
    return str(user_data_path("chatreel") / "store.db")


def _read_by(read: Reader[Any]) -> dict[str, Reader[Any]]:
    """Metadata of a field that is a setting."""
    return {_READ: read}


@dataclass(frozen=True, repr=False)  # a token, or the URL of a store, may be among them
class Settings:
    """Everything `serve` and `run` can be told."""

    upstream: tuple[str, ...] = field(default=(DEFAULT_URL,), metadata=_read_by(words(checked(parse_upstream))))
    mode: Mode = field(default_factory=_default_mode, metadata=_read_by(lambda given: mode_named(readers.text(given))))
    host: str = field(default="127.0.0.1", metadata=_read_by(readers.text))
    """Any other than a loopback address needs a token."""
    port: int = field(default=8080, metadata=_read_by(_PORT))
    """0: any free port."""
    proxy_port: int | None = field(default=None, metadata=_read_by(_PORT))
    """Of the forward proxy; 0: any free port, `None`: there is none."""
    intercept: tuple[str, ...] = field(
        default=(), metadata=_read_by(words(lambda given: parse_host(readers.text(given))))
    )
    """Hosts that the forward proxy intercepts besides upstreams and known providers; one `*` stands for any text."""
    block_others: bool = field(default=False, metadata=_read_by(readers.yes_or_no))
    """Whether the forward proxy refuses all other hosts, in place of tunnelling to them."""
    store: str = field(default_factory=_default_store, metadata=_read_by(readers.text))
    secret_file: Path | None = field(default=None, metadata=_read_by(readers.path))
    """Holds what credentials are hashed with, if `scope` says so; `None`: beside the store, or in the data folder.

    If it is given, digests of redacted secrets are made with it, too.
    """
    ready_file: Path | None = field(default=None, metadata=_read_by(readers.path))
    token: str | None = field(default=None, metadata=_read_by(lambda given: parse_token(readers.text(given))))
    """What clients have to show. See `chatreel.access`."""
    token_file: Path | None = field(default=None, metadata=_read_by(readers.path))
    """File that holds it, in place of `token`."""
    max_body: int = field(default=64 * 1024 * 1024, metadata=_read_by(readers.size))
    """Largest request body; beyond it 413."""
    max_bodies: int = field(default=64 * 1024 * 1024, metadata=_read_by(readers.size))
    """Of large request bodies, those over 1 MiB, held at a time; beyond it they wait."""
    max_connections: int = field(default=2_000, metadata=_read_by(whole(1, _MANY)))
    """Of clients, at a time; of each worker, if there are several."""
    workers: int = field(default=1, metadata=_read_by(whole(1, 64)))
    """Processes that serve one port and one store. See `chatreel.workers`."""
    pace: float = field(default=INSTANT, metadata=_read_by(lambda given: parse_pace(readers.number(given))))
    """How many times faster than recorded a stream is replayed; `INSTANT` for at once."""
    ask_usage: bool = field(default=True, metadata=_read_by(readers.yes_or_no))
    """Ask upstreams for usage at the end of each recorded stream; a client that did not ask does not get any."""
    normalize: tuple[Rule, ...] = field(default=(), metadata=_read_by(tables.rules))
    """Volatile text that does not count: names of shipped rules, and tables with name, pointer and pattern."""
    ignore: tuple[str, ...] = field(default=(), metadata=_read_by(words(checked(parse_pointer))))
    """More members of the body that do not count: JSON pointers."""
    sampling_defaults: Literal["server", "spec"] = field(default="server", metadata=_read_by(one_of("server", "spec")))
    """Whether `temperature` and `top_p` of 1 equal their absence: `spec` says yes, as the specification does."""
    scope: Literal["shared", "credential"] = field(default="shared", metadata=_read_by(one_of("shared", "credential")))
    """Who shares recordings: everybody, or only those who send the same credentials."""
    redact: tuple[Pattern, ...] = field(default=(), metadata=_read_by(tables.patterns))
    """Shapes of secrets of one's own, tables with name and pattern: what has them is not written anywhere."""
    redact_known: bool = field(default=True, metadata=_read_by(readers.yes_or_no))
    """Whether keys and passwords of well-known shapes are written nowhere, too."""
    record_errors: bool | None = field(default=None, metadata=_read_by(readers.yes_or_no))
    """Store errors of the upstream, too, and replay them: retries are part of a test. `None`: in cassettes only."""
    cassette: Path | None = field(default=None, metadata=_read_by(readers.path))
    """File to record into and replay from, instead of the store."""
    cassettes: Path | None = field(default=None, metadata=_read_by(readers.path))
    """Folder that cassettes of sessions have to be in; `None`: the working folder if there is a token, else any."""
    repeats: AtEnd = field(default=AtEnd.LAST, metadata=_read_by(one_of(*AtEnd)))
    """What comes after the last take of a call, where takes are replayed in order."""
    tag: tuple[str, ...] = field(default=(), metadata=_read_by(words(checked(parse_tag))))
    """On every call, as `name=value`."""
    ttl: float | None = field(default=None, metadata=_read_by(readers.duration))
    """Seconds after which `cache` asks anew what is in the store."""
    max_age: float | None = field(default=None, metadata=_read_by(readers.duration))
    """Seconds after which a recording is too old; see `on_max_age`."""
    on_max_age: OnMaxAge = field(default=OnMaxAge.WARN, metadata=_read_by(one_of(*OnMaxAge)))
    drain: float = field(default=30.0, metadata=_read_by(readers.duration))
    """Seconds for which an answer is still recorded whose client has left; 0: not at all."""
    price: tuple[PriceOverride, ...] = field(default=(), metadata=_read_by(tables.prices))
    """What models cost that the list of prices does not know, or gets wrong; the first that fits a call counts."""
    budget: tuple[str, ...] = field(default=(), metadata=_read_by(words(checked(parse_budget))))
    """What may be spent upstream, as in `5.00/day` or `team=search:2.00/week`; see `chatreel.budget`."""
    unpriced: str = field(default=Unknown.WARN.value, metadata=_read_by(checked(parse_unpriced, readers.number)))
    """What a call of unknown price counts as against a budget: `warn`, `refuse`, or USD."""
    max_size: int | None = field(default=None, metadata=_read_by(readers.size))
    """Of the store: beyond it, the least recently used recordings go. `None`: it may grow."""
    fast_path: bool = field(default=True, metadata=_read_by(readers.yes_or_no))
    """Whether hits are answered without the engine where they can be; the same answers, several times faster."""
    memory: int = field(default=256 * 1024 * 1024, metadata=_read_by(readers.size))
    """Bytes of recordings kept in memory, at most."""

    given: frozenset[str] = frozenset()
    """Names of those that somebody has given; all others have their defaults."""

    @cached_property
    def secret_token(self) -> str:
        """The token that clients have to show; empty if there is none. Raises `ValueError` if its file is unusable."""
        if self.token:
            return self.token
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


READERS: dict[str, Reader[Any]] = {one.name: one.metadata[_READ] for one in fields(Settings) if _READ in one.metadata}
"""How each setting is read, by its name."""
