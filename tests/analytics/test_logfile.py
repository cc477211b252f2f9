"""A published file that cannot be read says what is wrong with it and what to do."""

import threading
from pathlib import Path

import duckdb
import pytest

from chatreel.analytics.columns import COLUMNS, STORED
from chatreel.analytics.export import export
from chatreel.analytics.logfile import LogFile, generation
from chatreel.errors import ExportError
from support.log import answered, ask, logged
from support.resources import REPOSITORY

PAGE = (REPOSITORY / "docs" / "analytics.md").read_text(encoding="utf-8")


@pytest.fixture
def out(store: str, tmp_path: Path) -> Path:
    """A published file with one call."""
    logged(store, [answered("a")])
    export(store, tmp_path / "calls.duckdb")
    return tmp_path / "calls.duckdb"


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"there is no .*none.duckdb yet. Make it: chatreel export --to"):
        LogFile(tmp_path / "none.duckdb")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"x" * 9_000])
def test_a_file_that_is_no_database_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.duckdb").write_bytes(content)
    with pytest.raises(ExportError, match=r"cannot be read|is no export of chatreel") as raised:
        LogFile(tmp_path / "bad.duckdb")
    assert "download" not in str(raised.value)


def test_somebody_elses_database_says_so(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "other.duckdb") as connection:
        connection.execute("CREATE TABLE calls AS SELECT 1 AS mine")
    with pytest.raises(ExportError, match="is no export of chatreel"):
        LogFile(tmp_path / "other.duckdb")


def test_a_file_of_another_version_says_so(out: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{out}' AS log")
        connection.execute("UPDATE log._sync SET layout = 7")
    with pytest.raises(ExportError, match=r"made by another version of chatreel. Run chatreel export"):
        LogFile(out)


def test_a_file_that_is_being_written_by_somebody_says_so(out: Path) -> None:
    """Nobody of ours does: it is replaced as a whole."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{out}' AS log")
        with pytest.raises(ExportError, match="cannot be read"):
            LogFile(out)


def test_a_new_file_is_seen_by_who_opens_it_though_the_old_one_is_still_open(store: str, out: Path) -> None:
    with LogFile(out) as old:
        before = generation(out)
        logged(store, [answered("b")])
        export(store, out)
        assert generation(out) != before
        with LogFile(out) as new:
            assert (old.rows("SELECT count(*) FROM calls"), new.rows("SELECT count(*) FROM calls")) == ([(1,)], [(2,)])


def test_several_threads_may_ask_at_once(out: Path) -> None:
    found: list[object] = []
    with LogFile(out) as log:
        threads = [
            threading.Thread(target=lambda: found.extend(log.rows("SELECT sum(range) FROM range(300_000)")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == [(44999850000,)] * 8


def test_the_page_describes_every_column_of_the_view_in_order(out: Path) -> None:
    described = [
        (name.strip("`"), kind, meaning)
        for line in PAGE.splitlines()
        if line.startswith("| `") and line.count(" | ") == 2
        for name, kind, meaning in [line.strip("| ").split(" | ", 2)]
    ]
    found = ask(out, "SELECT column_name, column_type FROM (DESCRIBE calls)")
    assert [column[:2] for column in described] == found
    assert described == [(column.name, column.type, column.meaning) for column in COLUMNS]


def test_every_query_of_the_page_runs(out: Path) -> None:
    blocks = [part.partition("```")[0] for part in PAGE.split("```sql\n")[1:]]
    assert len(blocks) >= 3
    for block in blocks:
        ask(out, block.replace("read_parquet('calls/*/*.parquet', hive_partitioning = true)", "calls"))


def test_the_columns_are_described_in_the_file_itself(out: Path) -> None:
    comments = dict(ask(out, "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'call_log'"))
    assert comments == {column.name: column.meaning for column in STORED}
