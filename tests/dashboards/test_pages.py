"""Every page draws what there is; `test_figures.py` counts again what it says."""

from datetime import timedelta
from pathlib import Path

import pytest

from chatreel.dashboards.source import Source
from support.dashboard import END, PAGES, arrive, charts, figures, published, said, visit
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
    assert not found.multiselect, "nobody has chosen anything"
    found.run()  # as the browser asks for by itself
    assert figures(found) == shown
    assert len(charts(found)) == 3
    assert found.dataframe
    assert len(found.multiselect) == 4
    assert not found.get("skeleton"), "once is enough"


def test_the_first_figures_are_those_of_the_filter_in_the_address(many: Source) -> None:
    found = arrive(many, outcome="refused")
    assert [one.label for one in found.multiselect if one.value] == ["Outcome"]
    assert figures(found) == figures(found.run()) != figures(arrive(many))


def test_a_first_page_without_anything_to_show_gets_its_filters_all_the_same(many_store: Path) -> None:
    found = visit(Source(many_store.with_suffix(".duckdb"), clock=lambda: END + timedelta(days=400)))
    assert "No call in the last 30 days" in said(found)
    assert len(found.multiselect) == 4


@pytest.mark.parametrize("page", [PAGES[0], *(pytest.param(page, marks=pytest.mark.long) for page in PAGES[1:])])
def test_a_page_without_calls_says_how_to_get_some(tmp_path: Path, page: str) -> None:
    logged(str(tmp_path / "store.db"), [])
    found = visit(Source(published(tmp_path / "store.db")), page)
    assert not found.exception
    assert "No calls yet" in said(found)
    assert "chatreel serve" in said(found)
    assert not found.metric
