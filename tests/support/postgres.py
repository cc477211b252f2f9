"""A real PostgreSQL for the tests: one server for a run, however many workers it has, and a schema for each store.

The server runs until the last worker has ended, in whatever way: each holds a shared lock on a file, and a watcher, the
main program of this module, ends the server when it can have that lock alone.
"""

import fcntl
import itertools
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from support.sockets import port_of, reserve

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
}
"""Nothing of it has to outlive the tests."""

PATIENCE = 60.0
"""Seconds that the server may take to start."""


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; `None` where there is no PostgreSQL."""
    folders = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    if shutil.which("pg_config"):
        asked = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(asked.stdout.strip()))
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(
        (folder for folder in folders if {"initdb", "postgres"} <= {file.name for file in folder.glob("*")}), None
    )


@dataclass(slots=True)
class Server:
    """A PostgreSQL of its own, which can be stopped and started again on the same port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the server, without a database."""
        return url_of(self.port)

    def start(self) -> None:
        """Start it and wait until it answers. Raises `RuntimeError` with its log if it does not."""
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        arguments = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self.process = _run(["postgres", *arguments], self.folder, log.fileno())
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(psycopg.OperationalError):
                psycopg.connect(f"{self.url}/postgres", connect_timeout=5).close()
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start.\n{(self.folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: its clients are thrown out."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None


def url_of(port: int) -> str:
    """Of a server on this machine."""
    return f"postgresql://chatreel@127.0.0.1:{port}"


@contextmanager
def running_server() -> Iterator[Server]:
    """A server of its own in a new folder, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="chatreel-pg-"))
    with reserve() as reserved:
        server = Server(folder, port_of(reserved))
    try:
        if owner := _owner():
            shutil.chown(folder, *owner)
        with (folder / "log").open("ab") as log:
            made = [
                "initdb",
                "-D",
                str(folder / "data"),
                "-U",
                "chatreel",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ]
            if _run(made, folder, log.fileno()).wait(PATIENCE):
                raise RuntimeError(f"initdb failed.\n{(folder / 'log').read_text()}")
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def shared_server(folder: Path) -> Iterator[str]:
    """The URL of the server that all who name the same folder share."""
    with (folder / "postgres.users").open("wb") as users, (folder / "postgres.start").open("wb") as turn:
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_EX)
        ready = folder / "postgres.json"
        watcher = None if ready.exists() else _watched(folder, ready)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield str(json.loads(ready.read_text())["url"])
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            if watcher:
                watcher.wait()


def _watched(folder: Path, ready: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "support.postgres", str(folder)]
    with (folder / "postgres.log").open("wb") as log:
        watcher = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    while not ready.exists():
        if watcher.poll() is not None:
            raise RuntimeError(f"PostgreSQL does not start.\n{(folder / 'postgres.log').read_text()}")
        time.sleep(0.02)
    return watcher


_NUMBERS = itertools.count(1)


def fresh(database: str) -> str:
    """A new, empty place for a store in that database: a schema of its own."""
    schema = f"s{next(_NUMBERS)}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{database}?options={quote(f'-csearch_path={schema}')}"


def new_database(server: str, name: str) -> str:
    """The URL of a new, empty database."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


def _owner() -> tuple[str, int] | None:
    """Who runs the server where we are root, which PostgreSQL refuses to be run by."""
    if os.getuid():
        return None
    found = [user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody")]
    chosen = min(found, key=lambda user: user.pw_name != "postgres")
    return chosen.pw_name, chosen.pw_gid


def _run(command: list[str], folder: Path, log: int) -> subprocess.Popen[bytes]:
    found = programs()
    assert found
    user, group = _owner() or (None, None)
    arguments = [str(found / command[0]), *command[1:]]
    extra: list[str] | None = [] if user else None
    return subprocess.Popen(
        arguments,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        user=user,
        group=group,
        extra_groups=extra,
        start_new_session=True,  # an interrupt of the tests is theirs alone
    )


def watch(folder: Path) -> None:
    """Run a server until nobody is left who uses it."""
    ready = folder / "postgres.json"
    with running_server() as server, (folder / "postgres.users").open("wb") as users:
        partial = ready.with_suffix(".partial")
        partial.write_text(json.dumps({"url": server.url}))
        partial.replace(ready)
        fcntl.flock(users, fcntl.LOCK_EX)
        ready.unlink()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(Path(sys.argv[1]))
