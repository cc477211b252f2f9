"""What may be opened as a store, and what is refused and left as it was."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chatreel.errors import StoreError
from chatreel.store import Store
from chatreel.store.database import store_url
from chatreel.store.look import look
from chatreel.store.place import REVISION
from support.database import rows
from support.stores import add, take


@pytest.mark.parametrize(
    ("statements", "complaint"),
    [
        (["CREATE TABLE photographs (id INTEGER)"], "not a chatreel store"),
        (["CREATE TABLE recordings (id INTEGER)"], "not a chatreel store"),
        (["CREATE TABLE alembic_version (version_num TEXT)"], "revision None"),
        (
            ["CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('9999')"],
            "revision 9999.*written by another version",
        ),
    ],
)
def test_a_file_that_is_no_store_of_this_version_is_refused_and_left_as_it_was(
    file_store: str, statements: list[str], complaint: str
) -> None:
    for statement in statements:
        rows(file_store, statement)
    before = Path(file_store).read_bytes()
    with pytest.raises(StoreError, match=complaint) as raised:
        Store(file_store, memory_limit=0)
    assert file_store in str(raised.value)
    assert Path(file_store).read_bytes() == before
    assert [path.name for path in Path(file_store).parent.iterdir()] == ["store.db"]


@pytest.mark.parametrize(
    ("location", "complaint"),
    [
        (":memory:", "has to be a file"),
        ("sqlite://", "has to be a file"),
        ("sqlite:///:memory:", "has to be a file"),
        ("postgresql://u:hunter2@h", "names no database"),
        ("postgresql://u:hunter2@h:port/db", "is not a store"),
        ("mysql://u:hunter2@h/db", "mysql is not supported"),
        ("sqlite+aiosqlite:///x.db", "not supported"),
        ("http://h/x.db", "not supported"),
        ("://", "is not a store"),
        ("~nobody-has-this-name/x.db", "is not a store"),
    ],
)
def test_a_location_that_cannot_be_a_store_is_refused_before_anything_is_made(
    location: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=complaint) as raised:
        Store(location, memory_limit=0)
    assert "hunter2" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_there_is_opened_by_whoever_first_needs_more_than_a_hit_does(file_store: str) -> None:
    add(file_store, take("k"))
    with closing(Store(file_store, memory_limit=0)) as store:
        [found] = store.takes_at_once("", "k")
        assert store.replayable_at_once(found.id)
        assert store._database._engine is None
        assert asyncio.run(store.count("")) == 1
        assert store._database._engine is not None


def test_a_store_without_a_write_ahead_log_gets_one_when_it_is_opened(file_store: str) -> None:
    add(file_store, take("k"))
    rows(file_store, "PRAGMA journal_mode=DELETE")
    Store(file_store, memory_limit=0).close()
    assert rows(file_store, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "there"])
@pytest.mark.parametrize(("other", "said"), [(b"", "replaced by another file"), (None, "was deleted")])
def test_a_store_that_goes_before_it_is_needed_is_neither_made_anew_nor_taken_for_another(
    file_store: str, is_new: bool, other: bytes | None, said: str
) -> None:
    if not is_new:
        add(file_store, take("k"))
    path = Path(file_store)
    with closing(Store(file_store, memory_limit=0)) as store:
        path.rename(path.with_name("elsewhere"))
        if other is not None:
            path.write_bytes(other)
        with pytest.raises(StoreError, match=said):
            asyncio.run(store.add(take("l")))
    assert (path.read_bytes() if path.exists() else None) == other


def test_a_new_store_that_nobody_has_needed_is_an_empty_file_and_a_new_store_to_whoever_comes(file_store: str) -> None:
    Store(file_store, memory_limit=0).close()
    assert Path(file_store).stat().st_size == 0
    assert stat.S_IMODE(Path(file_store).stat().st_mode) == 0o600
    assert (look(file_store).is_empty, look(file_store).revision) == (True, "")
    with closing(Store(file_store, memory_limit=0)) as store:
        assert not asyncio.run(store.keyed_otherwise())
        assert asyncio.run(store.count("")) == 0
    assert look(file_store).is_current


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("calls.db", "calls.db"),
        ("~/calls.db", "HOME/calls.db"),
        ("sqlite:///calls.db", "calls.db"),
        ("sqlite:////srv/calls.db", "/srv/calls.db"),
        ("sqlite+pysqlite:///calls.db", "calls.db"),
        ("a?b=c#d.db", "a?b=c#d.db"),
    ],
)
def test_a_path_or_a_url_names_the_file(location: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "HOME")
    assert store_url(location).database == path


def test_a_file_name_with_the_signs_of_a_url_is_that_file(tmp_path: Path) -> None:
    location = str(tmp_path / "a?mode=memory&b%20c#d.db")
    assert add(location, take())[0].id == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a?mode=memory&b%20c#d.db"]


@pytest.mark.parametrize("name", ["store.db", "a?mode=memory&b%20c#d.db"])
def test_a_look_at_a_store_leaves_no_log_beside_it_and_sees_what_one_holds(tmp_path: Path, name: str) -> None:
    location = str(tmp_path / name)
    add(location, take(recorded_at=1.7e9))
    before = (tmp_path / name).read_bytes()
    assert look(location).newest == 1.7e9
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: before}
    with closing(sqlite3.connect(location)) as reader:  # keeps what comes in the log
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM recordings").fetchall()
        add(location, take(recorded_at=1.8e9))
        assert look(location).newest == 1.8e9


OPENING = """
import asyncio
import sys
from chatreel.store import Store

print("ready", flush=True)
sys.stdin.readline()
store = Store(sys.argv[1], memory_limit=0)
asyncio.run(store.warm_up())
store.close()
"""


def test_processes_that_open_a_new_store_at_once_make_it_once(store: str) -> None:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    openers = [subprocess.Popen([sys.executable, "-c", OPENING, store], **pipes) for _ in range(4)]
    assert [opener.stdout.readline() for opener in openers if opener.stdout] == ["ready\n"] * 4
    for opener in openers:
        assert opener.stdin
        opener.stdin.write("\n")
        opener.stdin.flush()
    said = [opener.communicate(timeout=60)[1] for opener in openers]
    assert [opener.returncode for opener in openers] == [0, 0, 0, 0], "".join(said)
    assert rows(store, "SELECT version_num FROM alembic_version") == [(REVISION,)]
