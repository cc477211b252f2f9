"""Which revision of the schema a database has: none yet, today's, an older one that is upgraded, or none of ours."""

import logging
from collections.abc import Callable

from sqlalchemy import Connection, Engine, inspect, select

from chatreel.errors import StoreError
from chatreel.store.place import OLDER, REVISION
from chatreel.store.schema import metadata, version

logger = logging.getLogger(__name__)


def ensure_schema(engine: Engine, name: str, take_turns: Callable[[Connection], None]) -> None:
    """Make the tables of a new store, or upgrade an older one; all of it or nothing, and only if it is needed.

    `name`: of the store, for messages. `take_turns` begins a transaction that others wait for who want the same.
    Raises `StoreError` if the database holds something else; then nothing of it has changed.
    """
    with engine.connect() as connection:
        if _is_current(connection, name):
            return
    with engine.begin() as connection:
        take_turns(connection)
        if not inspect(connection).get_table_names():
            metadata.create_all(connection)
            connection.execute(version.insert().values(version_num=REVISION))
        elif not _is_current(connection, name):  # somebody else may have come first
            from chatreel.store.migrations.upgrade import upgrade

            logger.warning("bringing the store %s up to revision %s: a large one takes a while", name, REVISION)
            upgrade(connection)


def is_store(connection: Connection) -> bool:
    """Whether anybody has ever made a store there."""
    return inspect(connection).has_table(version.name)


def _is_current(connection: Connection, name: str) -> bool:
    """Whether nothing has to be done. Raises `StoreError` if nothing can be done."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return False
    if version.name not in tables:
        raise StoreError(f"{name} is a database, but not a chatreel store. Name another one with --store.")
    found = connection.execute(select(version.c.version_num)).scalar()
    if found not in (REVISION, *OLDER):
        raise StoreError(
            f"the store {name} has revision {found}, this chatreel reads revision {REVISION}: it was written by "
            "another version. Upgrade chatreel, or name another store with --store."
        )
    return bool(found == REVISION)
