"""Partitions by day say what the view says, are changed where something is new and nowhere else, and appear whole."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from chatreel.analytics import parquet
from chatreel.analytics.export import export
from chatreel.errors import ExportError
from support.database import rows
from support.log import DAY, NOON, answered, ask, logged


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "calls.duckdb"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Where partitions may be written."""
    return tmp_path / "it's parts"


def written(parts: Path) -> dict[str, int]:
    """The files, and when each was made."""
    return {str(file.relative_to(parts)): file.stat().st_mtime_ns for file in sorted(parts.rglob("*.parquet"))}


def read(parts: Path, asked: str) -> list[tuple[object, ...]]:
    source = f"read_parquet('{str(parts).replace("'", "''")}/*/*.parquet', hive_partitioning=true)"
    with duckdb.connect() as connection:
        return connection.execute(asked.replace("PARTS", source)).fetchall()


def days(*counts: int) -> list[tuple[str, int]]:
    return [(f"{day}.{number}", day) for day, count in enumerate(counts) for number in range(count)]


def test_the_partitions_say_what_the_view_says(store: str, out: Path, parts: Path) -> None:
    logged(store, [answered(name, started_at=NOON + day * DAY, tags='{"a":"b"}') for name, day in days(2, 0, 3)])
    export(store, out, parquet=parts)
    assert [*written(parts)] == ["day=2026-09-21/calls-0000.parquet", "day=2026-09-23/calls-0000.parquet"]
    assert read(parts, "SELECT * EXCLUDE (day) FROM PARTS ORDER BY id") == ask(out, "SELECT * FROM calls ORDER BY id")
    kinds = read(parts, "SELECT column_name, column_type FROM (DESCRIBE SELECT * EXCLUDE (day) FROM PARTS)")
    assert kinds == ask(out, "SELECT column_name, column_type FROM (DESCRIBE calls)")


def test_only_the_day_that_has_something_new_is_written_again(store: str, out: Path, parts: Path) -> None:
    logged(store, [answered(name, started_at=NOON + day * DAY) for name, day in days(2, 2)])
    assert export(store, out, parquet=parts).files == 2
    before = written(parts)
    logged(store, [answered("late", started_at=NOON + DAY)])
    assert export(store, out, parquet=parts).files == 1
    after = written(parts)
    assert [name for name in after if after[name] != before[name]] == ["day=2026-09-22/calls-0000.parquet"]
    assert read(parts, "SELECT count(*), count(DISTINCT id) FROM PARTS") == [(5, 5)]


def test_without_news_nothing_is_written(store: str, out: Path, parts: Path) -> None:
    logged(store, [answered("a")])
    export(store, out, parquet=parts)
    before = written(parts)
    assert export(store, out, parquet=parts).files == 0
    assert written(parts) == before


def test_a_file_holds_so_many_rows_and_no_more(
    store: str, out: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS", 2)
    logged(store, [answered(str(number)) for number in range(5)])
    assert export(store, out, parquet=parts).files == 3
    before = written(parts)
    logged(store, [answered(str(number)) for number in range(5, 8)])
    assert export(store, out, parquet=parts).files == 2
    after = written(parts)
    assert [name for name in before if after[name] == before[name]] == [*before][:2]
    assert [file.name for file in sorted((parts / "day=2026-09-21").iterdir())] == [
        f"calls-000{number}.parquet" for number in range(4)
    ]
    assert read(parts, "SELECT list(call_id ORDER BY id) FROM PARTS") == [([str(number) for number in range(8)],)]


def test_an_export_that_was_killed_before_it_could_say_what_it_wrote_writes_it_again(
    store: str, out: Path, parts: Path
) -> None:
    logged(store, [answered("a")])
    export(store, out, parquet=parts)
    (parts / parquet.MANIFEST).unlink()
    (parts / "day=2026-09-21" / "_calls-0001.parquet.partial").write_bytes(b"half of it")
    assert export(store, out, parquet=parts).files == 1
    assert read(parts, "SELECT count(*) FROM PARTS") == [(1,)]
    assert export(store, out, parquet=parts).files == 0


def test_prices_made_anew_reach_every_partition(store: str, out: Path, parts: Path) -> None:
    logged(store, [answered(name, started_at=NOON + day * DAY) for name, day in days(1, 1)])
    export(store, out, parquet=parts)
    rows(store, "UPDATE calls SET cost = 5")
    rows(store, "INSERT INTO meta VALUES ('repriced', '1')")
    assert export(store, out, parquet=parts).files == 2
    assert read(parts, "SELECT cost_nusd FROM PARTS") == [(5,), (5,)]


def test_a_folder_of_somebody_elses_is_left_as_it_is(store: str, out: Path, parts: Path) -> None:
    parts.mkdir()
    (parts / "novel.txt").write_text("mine")
    logged(store, [answered("a")])
    with pytest.raises(ExportError, match=r"holds other files \(novel.txt\): name an empty folder"):
        export(store, out, parquet=parts)
    assert [file.name for file in parts.iterdir()] == ["novel.txt"]


def test_a_folder_that_cannot_be_written_is_named(store: str, out: Path, tmp_path: Path) -> None:
    logged(store, [replace(answered("a"))])
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"the partitions in .*file/parts cannot be written"):
        export(store, out, parquet=tmp_path / "file" / "parts")
