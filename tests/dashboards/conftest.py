"""Logs to draw pages from."""

from pathlib import Path

import pytest
from synthetic_log import make_store

from chatreel.dashboards.source import Source
from support.dashboard import COUNT, END, published


@pytest.fixture(scope="session")
def many_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three months of calls of all kinds."""
    store = tmp_path_factory.mktemp("many") / "store.db"
    make_store(store, COUNT)
    return store


@pytest.fixture(scope="session")
def many(many_store: Path) -> Source:
    """A dashboard on them, at the end of these months."""
    return Source(published(many_store), clock=lambda: END)
