"""A project to run pytest in."""

import pytest

from support.project import Project
from support.upstream import Upstream


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> Project:
    """A project whose clients are pointed at `upstream`."""
    return Project(pytester, monkeypatch, upstream.url)
