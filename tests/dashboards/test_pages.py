"""Every page draws what there is; `test_figures.py` counts again what it says."""

from pathlib import Path

import pytest

from chatreel.dashboards.source import Source
from support.dashboard import PAGES, published, said, visit
from support.log import logged


@pytest.mark.parametrize("page", PAGES)
def test_a_page_draws_many_calls(many: Source, page: str) -> None:
    found = visit(many, page)
    assert not found.exception
    assert found.title[0].value.lower() == page
    assert found.metric or page == "explorer"
    assert not found.error


@pytest.mark.parametrize("page", [PAGES[0], *(pytest.param(page, marks=pytest.mark.long) for page in PAGES[1:])])
def test_a_page_without_calls_says_how_to_get_some(tmp_path: Path, page: str) -> None:
    logged(str(tmp_path / "store.db"), [])
    found = visit(Source(published(tmp_path / "store.db")), page)
    assert not found.exception
    assert "No calls yet" in said(found)
    assert "chatreel serve" in said(found)
    assert not found.metric
