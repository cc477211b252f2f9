"""A running proxy, from its store being opened to its last row being written."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from platformdirs import user_data_path

from chatreel.canonical import keyed_by
from chatreel.config import Settings
from chatreel.decide import mode_at_start
from chatreel.errors import ServeError
from chatreel.explain import STALE
from chatreel.recorder import Habits, Recorder
from chatreel.request import Keys
from chatreel.session import Session
from chatreel.store import Store
from chatreel.store.database import store_name
from chatreel.store.secret import load_secret
from chatreel.upstreams import Upstreams

_AUTHORITY = "mitmproxy-ca-cert.pem"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is listening."""

    base_url: str
    """Of the default upstream, as clients want it: it ends in `/v1`."""
    proxy_url: str | None
    """Of the forward proxy, if there is one."""
    authority: Path
    """Certificate that clients of the forward proxy have to trust, PEM."""
    session: Session


@asynccontextmanager
async def running_proxy(settings: Settings) -> AsyncIterator[Proxy]:
    """Run a proxy on this event loop. Raises `ServeError`, `StoreError` or `ConfigError` if it cannot start."""
    try:
        from chatreel.engine.addon import ChatreelAddon
        from chatreel.engine.firewall import Firewall
        from chatreel.engine.master import Listen, ProxyMaster
    except ImportError as error:
        raise ServeError(f"the proxy needs its extra: pip install 'chatreel[proxy]' ({error})") from error

    upstreams = Upstreams.parse(settings.upstream)
    store = open_store(settings)
    try:
        if await store.keyed_otherwise():
            logger.warning("%s: %s", store_name(settings.store), STALE)
        keys = keys_for(settings)
        session = Session(mode_at_start(settings.mode, recorded_before=await store.count("") > 0))
        habits = Habits(
            speed=settings.pace, ask_usage=settings.ask_usage, record_errors=settings.record_errors, keys=keys
        )
        addon = ChatreelAddon(Recorder(store, session, habits), upstreams, max_body=int(settings.max_body))
        certificates = _private_folder(user_data_path("chatreel") / "certificates")
        listen = Listen(settings.host, settings.port, settings.proxy_port, upstreams.addresses)
        master = ProxyMaster(addon, Firewall(session, upstreams), listen, certificates)
        origin, *forward = await master.start()
        try:
            yield Proxy(f"{origin}/v1", next(iter(forward), None), certificates / _AUTHORITY, session)
        finally:
            await master.stop()
    finally:
        store.close()


def open_store(settings: Settings) -> Store:
    """The store of `settings`, made if there is none. Raises `StoreError`."""
    return Store(settings.store, memory_limit=int(settings.memory), keyed_by=keyed_by(settings.key_options))


def keys_for(settings: Settings) -> Keys:
    """How keys are made by `settings`; the store exists. Raises `StoreError` if its secret cannot be used."""
    options = settings.key_options
    return Keys(options, load_secret(settings.store, settings.secret_file) if options.scope == "credential" else b"")


def write_ready_file(path: Path, proxy: Proxy) -> None:
    """Tell whoever started us where we listen, all at once: a reader never sees half a file. Raises `ServeError`."""
    document = {"base_url": proxy.base_url, "proxy_url": proxy.proxy_url, "pid": os.getpid()}
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(orjson.dumps(document))
        partial.replace(path)
    except OSError as error:
        raise ServeError(f"the ready file {path} cannot be written: {error.strerror}") from error


def _private_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
