"""A running proxy, from its store being opened to its last row being written."""

import gc
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
from platformdirs import user_data_path

from chatreel.allocation import give_back_large
from chatreel.budget import Allowance, parse_unpriced
from chatreel.canonical import keyed_by
from chatreel.config import Settings
from chatreel.control import Control
from chatreel.control.wishes import Defaults, options_for
from chatreel.decide import Freshness
from chatreel.descriptors import allow_more
from chatreel.errors import ServeError
from chatreel.explain import STALE
from chatreel.housekeeping import housekeeping
from chatreel.model import Mode
from chatreel.prices import Prices
from chatreel.recorder import Habits, Recorder
from chatreel.recovery import recover
from chatreel.request import Keys
from chatreel.session import Options
from chatreel.sessions import Sessions, Wish
from chatreel.spending import Spending
from chatreel.store import Store
from chatreel.store.place import store_name
from chatreel.store.secret import load_secret
from chatreel.tags import parse_tag
from chatreel.tally import Tally
from chatreel.upstreams import Upstreams

_AUTHORITY = "mitmproxy-ca-cert.pem"

_READY, _READ = 4, 8
"""Of the memory for recordings, the fourth part is for answers kept ready, each of which keeps its recording, too, and
the eighth for requests as they were read."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listening:
    """What those want to know who wait for a proxy."""

    base_url: str
    proxy_url: str | None
    authority: str
    budgets: tuple[str, ...]
    """What may be spent, and is."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is listening."""

    base_url: str
    """Of the default upstream, as clients want it: it ends in `/v1`."""
    proxy_url: str | None
    """Of the forward proxy, if there is one."""
    authority: Path
    """Certificate that clients of the forward proxy have to trust, PEM."""
    hosts: tuple[str, ...]
    """Patterns of the hosts that the forward proxy intercepts."""
    sessions: Sessions

    @property
    def mode(self) -> Mode:
        """Of the default session, as it is at the start."""
        return self.sessions.default.mode

    @property
    def listening(self) -> Listening:
        budgets = tuple(map(str, self.sessions.default.allowances))
        return Listening(self.base_url, self.proxy_url, str(self.authority), budgets)

    @property
    def tally(self) -> Tally:
        """Of all sessions."""
        return self.sessions.tally


def import_engine() -> None:
    """It takes most of a start. Raises `ServeError` if it is not there."""
    try:
        import chatreel.engine.assembly  # noqa: F401
    except ImportError as error:
        raise ServeError(f"the proxy needs its extra: pip install 'chatreel[proxy]' ({error})") from error


@asynccontextmanager
async def running_proxy(settings: Settings, worker: str = "", run: str = "") -> AsyncIterator[Proxy]:
    """Run a proxy on this event loop. Raises `ServeError`, `StoreError` or `ConfigError` if it cannot start.

    `worker`: its name among the processes that serve the port of `settings` together; empty if it is the only one.
    `run`: name of the run that its calls belong to; empty if they are of nobody in particular.
    """
    import_engine()
    from chatreel.engine.assembly import Limits, assemble
    from chatreel.engine.gate import Policy
    from chatreel.engine.master import Listen

    allow_more()
    give_back_large()
    upstreams = Upstreams.parse(settings.upstream, settings.intercept)
    async with _open_sessions(settings, worker, run) as (store, sessions, spending):
        habits = habits_of(settings, sessions.keys)
        certificates = _private_folder(user_data_path("chatreel") / "certificates")
        master = assemble(
            sessions,
            Recorder(store, habits),
            Control(sessions, defaults_of(settings), host=settings.host, has_token=bool(settings.secret_token)),
            upstreams,
            limits=Limits(settings.max_body, settings.max_bodies, settings.drain),
            listen=Listen(
                settings.host,
                settings.port,
                settings.proxy_port,
                intercepted=upstreams.intercepted_addresses,
                policy=Policy(settings.secret_token, settings.block_others),
                max_connections=settings.max_connections,
                shared=bool(worker),
            ),
            certificates=certificates,
            fast_path=settings.fast_path,
        )
        origin, *forward = await master.start()
        # What is loaded by now stays: to look through it for garbage keeps all calls waiting for tenths of a second.
        gc.freeze()
        gc.enable()  # which whoever starts in a hurry has switched off
        try:
            async with housekeeping(store, settings.max_size, spending):
                yield Proxy(
                    f"{origin}/v1", next(iter(forward), None), certificates / _AUTHORITY, upstreams.hosts, sessions
                )
        finally:
            await master.stop()


@asynccontextmanager
async def _open_sessions(settings: Settings, worker: str, run: str) -> AsyncIterator[tuple[Store, Sessions, Spending]]:
    """The store and the sessions on it, until all that was recorded is on disk; and what they may spend."""
    store = open_store(settings, worker)
    try:
        await store.take_over()
        recover(settings.store)
        now = time.time()
        allowances = tuple(Allowance(budget, now=now) for budget in settings.budgets)
        spending = Spending(store, allowances)
        await spending.look(now)
        if await store.keyed_otherwise():
            logger.warning("%s: %s", store_name(settings.store), STALE)
        sessions = Sessions(store, keys_for(settings), allowances, workers=settings.workers)
        defaults = defaults_of(settings)
        options = options_for(defaults.options, settings.cassette, record_errors=defaults.record_errors)
        await sessions.open_default(Wish(settings.mode, options, run, settings.cassette))
        try:
            yield store, sessions, spending
        finally:
            await sessions.close_all()
    finally:
        store.close()


def habits_of(settings: Settings, keys: Keys) -> Habits:
    """What is the same for all calls."""
    tags = tuple(map(parse_tag, settings.tag))
    return Habits(
        ask_usage=settings.ask_usage,
        keys=keys,
        prices=Prices(settings.price),
        memory=_memory(settings) // _READY,
        tags=tags,
    )


def defaults_of(settings: Settings) -> Defaults:
    """What a session is unless it says otherwise."""
    freshness = Freshness(settings.ttl, settings.max_age, settings.on_max_age)
    options = Options(repeats=settings.repeats, speed=settings.pace, freshness=freshness)
    anywhere = not settings.secret_token  # who may use a proxy without a token is at home on its machine
    folder = settings.cassettes or (None if anywhere else Path.cwd())
    return Defaults(settings.mode, options, settings.record_errors, parse_unpriced(settings.unpriced), folder)


def open_store(settings: Settings, worker: str = "") -> Store:
    """The store of `settings`, made if there is none. Raises `StoreError`."""
    memory = _memory(settings)
    return Store(
        settings.store,
        memory_limit=memory - memory // _READY - memory // _READ,
        keyed_by=keyed_by(settings.key_options),
        rates=settings.price,
        worker=worker,
    )


def _memory(settings: Settings) -> int:
    """Bytes of recordings that this process may keep: all workers together as many as one alone."""
    return settings.memory // settings.workers


def keys_for(settings: Settings) -> Keys:
    """How keys are made by `settings`; the store exists. Raises `StoreError` if its secret cannot be used."""
    options = settings.key_options
    has_secret = options.scope == "credential" or settings.secret_file is not None
    secret = load_secret(settings.store, settings.secret_file) if has_secret else b""
    return Keys(options, secret, replace(settings.redactor, key=secret))


def write_ready_file(path: Path, listening: Listening) -> None:
    """Tell whoever started us where we listen, all at once: a reader never sees half a file. Raises `ServeError`."""
    document = {"base_url": listening.base_url, "proxy_url": listening.proxy_url, "pid": os.getpid()}
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(orjson.dumps(document))
        partial.replace(path)
    except OSError as error:
        raise ServeError(f"the ready file {path} cannot be written: {error.strerror}") from error


def _private_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
