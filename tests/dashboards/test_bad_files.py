"""Whatever is wrong with a file or a store is said on the page, with what to do."""

from pathlib import Path

import duckdb
import pytest

from chatreel.config import load_settings
from chatreel.dashboards.source import Source
from support.dashboard import PAGES, published, said, visit
from support.log import answered, logged


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A published file with one call."""
    logged(str(tmp_path / "store.db"), [answered("a")])
    return published(tmp_path / "store.db")


@pytest.mark.parametrize("page", [PAGES[0], *(pytest.param(page, marks=pytest.mark.long) for page in PAGES[1:])])
def test_no_file_says_how_to_make_one(tmp_path: Path, page: str) -> None:
    found = visit(Source(tmp_path / "none.duckdb"), page)
    assert not found.exception
    assert "chatreel export --to" in said(found).replace("\\", "")


@pytest.mark.long
@pytest.mark.parametrize("content", [b"", b"x" * 9_000])
def test_a_file_that_is_no_database_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.duckdb").write_bytes(content)
    found = visit(Source(tmp_path / "bad.duckdb"))
    assert not found.exception
    [error] = found.error
    assert "cannot be read" in error.value or "is no export of chatreel" in error.value.replace("\\", "")


def test_a_file_of_another_version_says_so(file: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS log")
        connection.execute("UPDATE log._sync SET layout = 7")
    found = visit(Source(file))
    assert not found.exception
    assert "made by another version of chatreel" in found.error[0].value


@pytest.mark.long
def test_a_file_that_somebody_writes_to_says_so(file: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS log")
        found = visit(Source(file))
    assert not found.exception
    assert "cannot be read" in found.error[0].value


def test_a_store_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    settings = load_settings(store=str(tmp_path / "store.db"))
    found = visit(Source(tmp_path / "store.duckdb", settings, follows=True))
    assert not found.exception
    assert not found.error
    assert "There is no store at" in said(found)
    assert "chatreel serve" in said(found)


@pytest.mark.long
def test_the_first_export_is_waited_for(tmp_path: Path) -> None:
    logged(str(tmp_path / "store.db"), [answered("a")])
    found = visit(Source(tmp_path / "store.duckdb", load_settings(store=str(tmp_path / "store.db")), follows=True))
    assert "being exported for the first time" in said(found)


def test_an_export_that_has_ended_is_said_beside_the_figures(file: Path) -> None:
    source = Source(file, load_settings(store=str(file.with_suffix(".db"))), follows=True)
    source.trouble = "the disk is full"
    found = visit(source, range="all")
    assert not found.exception
    assert "No longer kept fresh: the disk is full" in said(found)
    assert found.metric


@pytest.mark.long
def test_a_file_that_goes_while_it_is_looked_at_is_missed_with_the_next_look(file: Path) -> None:
    source = Source(file)
    assert visit(source, range="all").metric
    file.unlink()
    found = visit(source, range="all")
    assert not found.exception
    assert "there is no" in said(found).replace("\\", "")
