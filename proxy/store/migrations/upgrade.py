"""Bringing a store up to the newest revision."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from chatreel.store.place import REVISION


def upgrade(connection: Connection, revision: str = REVISION) -> None:
    """Upgrade inside the transaction of `connection`: all of it or nothing."""
    config = Config()
    config.set_main_option("script_location", "chatreel.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
