"""The secret that credentials are hashed with: 32 random bytes in a file, for its owner alone.

It lies beside the store if that is a file; if it is on a server, which may be anybody's, in the platform's data folder.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from platformdirs import user_data_path

from chatreel.errors import StoreError
from chatreel.store.later import database
from chatreel.store.place import path_of

SIZE = 32
"""Bytes."""

_FOLDER = "secrets"
"""Of the platform's data folder: the secrets of stores that are on a server."""


def load_secret(store: str, path: Path | None = None) -> bytes:
    """The secret of a store that exists, made at the first time. Raises `StoreError` if it cannot be trusted.

    `path`: where it lies if not where it would by itself, for several machines that share it.
    """
    path = path or secret_path(store)
    try:
        if path.parent.name == _FOLDER:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"the secret of the store cannot be used: {error}") from error
    if mode & 0o077:
        raise StoreError(f"{path} can be read by others (mode {mode:04o}), so it is no secret: chmod 600 {path}")
    if len(content) != SIZE:
        raise StoreError(f"{path} is not a secret of chatreel: it has {len(content)} bytes instead of {SIZE}")
    return content


def secret_path(store: str) -> Path:
    """Where the secret of a store lies by itself."""
    path = path_of(store)
    if path is not None:
        return Path(f"{path}.secret")
    return user_data_path("chatreel") / _FOLDER / database.server_id(database.store_url(store))


def _create(path: Path) -> None:
    """All of it or nothing, once: of several that make it at the same moment, one wins."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()
