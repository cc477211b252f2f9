"""Every page draws what there is; `test_figures.py` counts again what it says."""

from pathlib import Path

import pytest

from chatreel.dashboards.source import Source
from support.dashboard import PAGES, arrive, charts, figures, published, said, visit
from support.log import logged


@pytest.mark.parametrize("page", PAGES)
def test_a_page_draws_many_calls(many: Source, page: str) -> None:
    found = visit(many, page)
    assert not found.exception
    assert found.title[0].value.lower() == page
    assert found.metric or page == "explorer"
    assert not found.error


def test_the_first_page_shows_its_figures_without_waiting_for_its_charts(many: Source) -> None:
    found = arrive(many)
    shown = figures(found)
    assert len(shown) == 5
    assert not charts(found)
    assert not found.dataframe
    found.run()  # as the browser asks for by itself
    assert figures(found) == shown
    assert len(charts(found)) == 3
    assert found.dataframe
    assert not found.get("skeleton"), "once is enough"


@pytest.mark.parametrize("page", [PAGES[0], *(pytest.param(page, marks=pytest.mark.long) for page in PAGES[1:])])
def test_a_page_without_calls_says_how_to_get_some(tmp_path: Path, page: str) -> None:
    logged(str(tmp_path / "store.db"), [])
    found = visit(Source(published(tmp_path / "store.db")), page)
    assert not found.exception
    assert "No calls yet" in said(found)
    assert "chatreel serve" in said(found)
    assert not found.metric
