"""What only this machine can tell: versions, ports, certificates, the store, the clock."""

import http.client
import importlib.metadata
import json
import platform
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import chatreel
from chatreel.descriptors import OTHERS
from chatreel.doctor.findings import Finding, ok, warning, wrong
from chatreel.errors import StoreError
from chatreel.store.leavings import abandoned
from chatreel.store.look import Look, look

_TIGHT = 500 * 1024 * 1024
"""Bytes of free disk space below which recording may soon stop."""
_SKEW = 300.0
"""Seconds by which a row may lie in the future: clocks of several machines never agree."""
_SOON = 30 * 86_400.0
"""Seconds before its end at which a certificate is renewed better now than later."""
_ENGINE_CAP = 13


def versions() -> Finding:
    """What is installed, for whoever reads the report."""
    named = {name: _version(name) for name in ("mitmproxy", "openai")}
    parts = [f"chatreel {chatreel.__version__}", f"Python {platform.python_version()}", ssl.OPENSSL_VERSION]
    parts += [f"{name} {version}" for name, version in named.items() if version]
    return ok("versions", ", ".join(parts))


def engine() -> Finding:
    """Whether there is an engine, of the version that this one leans on."""
    version = _version("mitmproxy")
    if not version:
        return wrong(
            "engine", "mitmproxy is not installed, so no proxy can be started", "pip install 'chatreel[proxy]'"
        )
    if int(version.split(".")[0]) >= _ENGINE_CAP:
        return wrong("engine", f"mitmproxy {version} is newer than this chatreel", "pip install 'chatreel[proxy]'")
    return ok("engine", f"mitmproxy {version}")


def port(host: str, number: int, what: str) -> Finding:
    """Whether a port is free, ours, or somebody else's."""
    check = "port"
    if number == 0:
        return ok(check, f"{what}: any free port")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, number), family=family):
            return ok(check, f"{what}: {host}:{number} is free")
    except OSError as error:
        reason = error.strerror or str(error)
    if version := _chatreel_at(host, number):
        return ok(check, f"{what}: chatreel {version} listens on {host}:{number}")
    return wrong(check, f"{what}: {host}:{number} cannot be had: {reason}", "stop what has it, or choose another port")


def descriptors(connections: int, allowed: int | None) -> Finding:
    """`connections`: of clients, at most; `allowed`: open files and sockets, `None` for any number."""
    needed = 2 * connections + OTHERS
    if allowed is None or allowed >= needed:
        return ok("open files", f"{'any number' if allowed is None else f'{allowed:,}'} allowed")
    return warning(
        "open files",
        f"{allowed:,} are allowed, but {connections:,} connections may take {needed:,}",
        "raise the hard limit (ulimit -Hn), or lower --max-connections",
    )


def authority(folder: Path, now: float) -> Finding:
    """The certificate authority of the forward proxy. `now`: seconds since the epoch."""
    check, certificate, key = "certificates", folder / "mitmproxy-ca-cert.pem", folder / "mitmproxy-ca.pem"
    if not certificate.exists():
        return ok(check, f"none yet in {folder}; the first start makes them")
    try:
        text = certificate.read_bytes()
        key.read_bytes()
    except OSError as error:
        return wrong(check, f"{error.filename} cannot be read: {error.strerror}", "give yourself access to it")
    if key.stat().st_mode & 0o077:
        return wrong(check, f"{key} can be read by others, who can then pose as any server", f"chmod 600 {key}")
    try:
        from cryptography import x509
    except ImportError:
        return warning(check, f"{certificate} was not looked into", "pip install 'chatreel[proxy]'")
    try:
        left = x509.load_pem_x509_certificate(text).not_valid_after_utc.timestamp() - now
    except ValueError as error:
        return wrong(
            check, f"{certificate} is no certificate: {error}", f"remove {folder}; the next start makes new ones"
        )
    if left < _SOON:
        ends = "has expired" if left < 0 else f"expires in {left / 86_400:.0f} days"
        return wrong(check, f"{certificate} {ends}", f"remove {folder}; the next start makes new ones")
    return ok(check, f"{certificate}, valid for {left / 86_400:.0f} days")


def store(location: str, now: float) -> Iterator[Finding]:
    """Whether the store can be used, and whether the clock agrees with what is in it."""
    try:
        seen = look(location)
    except StoreError as error:
        yield wrong("store", str(error), "name another one with --store")
        return
    yield _store(seen)
    yield from _left_behind(location, seen)
    if seen.file:
        yield _disk(seen.file)
    yield clock(seen.newest, now)


def _store(seen: Look) -> Finding:
    if not seen.exists:
        return ok("store", f"none yet at {seen.name}; the first start makes one")
    if seen.file and seen.file.stat().st_mode & 0o077:
        return wrong("store", f"{seen.name} can be read by others: prompts are in it", f"chmod 600 {seen.name}")
    if seen.is_empty:
        return ok("store", f"{seen.name}, with nothing in it yet")
    if not seen.revision:
        return wrong("store", f"{seen.name} is a database, but not a chatreel store", "name another one with --store")
    if seen.is_older:
        return ok("store", f"{seen.name}, revision {seen.revision}; the next start upgrades it")
    if not seen.is_current:
        return wrong("store", f"{seen.name} is of a newer chatreel, revision {seen.revision}", "upgrade chatreel")
    return ok("store", f"{seen.name}, revision {seen.revision}")


def _left_behind(location: str, seen: Look) -> Iterator[Finding]:
    """Rows of the log that only somebody who writes to the store puts there; silent if there are none."""
    files = abandoned(location)
    if not files:
        return
    proxies = "a proxy that was killed" if len(files) == 1 else f"{len(files)} proxies that were killed"
    said = f"{proxies} left rows of the log behind, in {', '.join(map(str, files))}"
    if not seen.exists:
        yield warning("log", f"{said}, but the store they belong to is gone", "put the store back, or remove them")
    else:
        mend = "any command that reads the log puts them into the store, as chatreel stats"
        yield warning("log", said, mend)


def _disk(file: Path) -> Finding:
    folder = next(parent for parent in file.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    said = f"{free / 2**30:,.1f} GiB free at {folder}"
    return ok("disk", said) if free > _TIGHT else warning("disk", said, "make room, or prune the store")


def clock(newest: float | None, now: float) -> Finding:
    """`newest`: of the rows there are; `now`: seconds since the epoch."""
    said = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if newest is not None and newest - now > _SKEW:
        hours = (newest - now) / 3600
        return warning(
            "clock", f"it says {said}, but the store has rows that are {hours:,.1f} hours newer", "set the clock"
        )
    return ok("clock", said)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _chatreel_at(host: str, number: int) -> str:
    """The version of the chatreel that listens there; empty if it is another program, or says nothing."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where to ask, not where to listen
    try:
        with closing(http.client.HTTPConnection(reached, number, timeout=3)) as connection:
            connection.request("GET", "/_chatreel/health")
            answer = json.loads(connection.getresponse().read(100_000))
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    if not isinstance(answer, dict):
        return ""
    refused = answer.get("error")
    if isinstance(refused, dict) and str(refused.get("code", "")).startswith("chatreel_"):
        return "with a token"
    return str(answer.get("version", "")) if answer.get("status") == "ok" else ""


def seconds() -> float:
    return time.time()
