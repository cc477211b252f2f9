"""Fixtures that everything shares: an upstream that counts, and a store that is new."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream on a free port, which echoes what it is asked until it is told otherwise."""
    with Upstream() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Where a store may be made."""
    return str(tmp_path / "store.db")
