"""Every test of the export is run on each engine, unless it is about files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support import postgres

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="module", params=ENGINES)
def new_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Gives places where stores may be made, another one each time."""
    if request.param == "sqlite":
        return lambda: str(tmp_path_factory.mktemp("stores") / "store.db")
    database: str = request.getfixturevalue("postgres_database")
    return lambda: postgres.fresh(database)


@pytest.fixture
def store(new_store: Callable[[], str]) -> str:
    """Where a store may be made."""
    return new_store()


@pytest.fixture
def file_store(tmp_path: Path) -> str:
    """Where a store may be made in a file."""
    return str(tmp_path / "store.db")
