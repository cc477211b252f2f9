"""Fixtures that everything shares: an upstream that counts, a store that is new, a PostgreSQL."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import forked, postgres
from support.upstream import Upstream

pytest_plugins = ["pytester"]  # only the topmost file may say so

forked.allow()


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where platforms keep data of programs: not where the programs of whoever runs the tests have theirs."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream on a free port, which echoes what it is asked until it is told otherwise."""
    with Upstream() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Where a store may be made."""
    return str(tmp_path / "store.db")


@pytest.fixture(scope="session")
def postgres_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of this worker's own, on the server that all workers share. Skips where there is no PostgreSQL."""
    if postgres.programs() is None:
        said = "needs PostgreSQL (initdb and postgres), which is not here"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    folder = tmp_path_factory.getbasetemp()
    with postgres.shared_server(folder.parent if worker else folder) as server:
        yield postgres.new_database(server, f"tests-{worker or 'alone'}")


@pytest.fixture
def postgres_store(postgres_database: str) -> str:
    """Where a store may be made on PostgreSQL."""
    return postgres.fresh(postgres_database)
