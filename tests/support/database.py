"""A look into a store from outside, through the standard library."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def rows(store: Path | str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a statement finds; what it changes is committed."""
    with closing(sqlite3.connect(store)) as database, database:
        return database.execute(statement, values).fetchall()
