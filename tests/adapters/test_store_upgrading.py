"""A store of an older version is brought up to date when it is opened, whole or not at all, and loses nothing."""

import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import zstandard
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, inspect

from chatreel.errors import StoreError
from chatreel.model import Piece, Replayable
from chatreel.replay import replay
from chatreel.store import Store
from chatreel.store.archive import Archive
from chatreel.store.database import store_url
from chatreel.store.migrations.upgrade import upgrade
from chatreel.store.place import OLDER, REVISION
from chatreel.store.schema import metadata
from support.calls import ask, question
from support.database import rows
from support.program import running_chatreel
from support.replies import USAGE
from support.stores import add, call, load, opened, take, use

OLD = Path(__file__).with_name("store_0001.sql")
"""A store that revision 0001 of the program has written: four recordings, a hit, a refusal."""

ASKED: list[dict[str, Any]] = [
    question("JSON"),
    question("stream", stream=True),
    question("asking stream", stream=True, stream_options={"include_usage": True}),
    question(" ".join(f"word{number}" for number in range(300))),
]
"""What it has recordings of."""


@pytest.fixture
def old(file_store: str) -> str:
    with closing(sqlite3.connect(file_store)) as database:
        database.executescript(OLD.read_text(encoding="utf-8"))
    return file_store


def origin(store: str) -> str:
    """The upstream that was recorded; it is long gone."""
    return str(rows(store, "SELECT DISTINCT upstream FROM recordings")[0][0])


def test_every_recording_of_an_older_store_is_replayed(old: str) -> None:
    with running_chatreel("--upstream", origin(old), "--store", old, "--mode", "replay") as proxy:
        for body in ASKED:
            answer = ask(proxy.base_url, body)
            assert answer.headers["cache-status"].startswith("chatreel; hit"), answer.text
            assert ('"usage":{' in answer.text) == ("stream" not in body or "stream_options" in body)
    assert rows(old, "SELECT version_num FROM alembic_version") == [(REVISION,)]


def by_digest(store: str, statement: str) -> Any:
    """As older revisions have it: what refers to a payload names its digest, and payloads have no numbers to count."""
    for column in ("document", "request", "body", "completion"):
        named = f'(SELECT digest FROM payloads named WHERE named.id = "{column}")'
        statement = statement.replace(f'"{column}"', named)
    statement = statement.replace('"headers"', 'CAST("headers" AS TEXT)')
    return [row for row in rows(store, statement) if row[0] != "payloads"]


def test_nothing_that_an_older_store_says_is_changed(old: str) -> None:
    said = {}
    for table in ("recordings", "payloads", "marks", "calls", "meta", "sqlite_sequence"):
        names = ", ".join(f'"{name}"' for _, name, *_ in rows(old, f"PRAGMA table_info({table})"))
        said[f"SELECT {names} FROM {table}"] = rows(old, f"SELECT {names} FROM {table}")
    Store(old, memory_limit=0).close()
    assert {statement: by_digest(old, statement) for statement in said} == said
    assert all(said.values())
    assert rows(old, "PRAGMA integrity_check") == [("ok",)]
    assert rows(old, "PRAGMA foreign_key_check") == []


def test_an_older_store_knows_which_streams_have_usage_that_somebody_asked_for(old: str) -> None:
    """Else a client that asks would not get it, or one that does not ask would."""

    async def work(store: Store) -> list[Replayable]:
        return [await store.replayable(number) for number in range(1, 5)]

    found = use(old, work)
    assert [recording.asked_usage for recording in found] == [False, True, True, False]
    for recording in found[1:3]:
        assert str(USAGE["total_tokens"]) in replay(recording, recording.form, include_usage=True).body.decode()


def test_a_request_that_is_damaged_does_not_stop_an_upgrade(old: str) -> None:
    rows(old, "UPDATE payloads SET data = x'00' WHERE digest IN (SELECT request FROM recordings)")
    assert use(old, lambda store: store.count("")) == 4


def test_an_upgraded_store_is_added_to(old: str) -> None:
    assert add(old, take())[0].id == 5
    with opened(old) as store:
        store.calls.add(call("new", session="s", take=2))
    assert rows(old, "SELECT session, take FROM calls ORDER BY id")[-1] == ("s", 2)


KILLED = """
import os, sys
import alembic.op
from chatreel.store import Store
from chatreel.store.archive import Archive
alembic.op.drop_index = lambda *_: os._exit(9)
Store(sys.argv[1], memory_limit=0)
"""


def test_an_upgrade_that_is_killed_leaves_the_older_store(old: str) -> None:
    before = rows(old, "SELECT sql FROM sqlite_master")
    ended = subprocess.run([sys.executable, "-c", KILLED, old], capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    assert rows(old, "SELECT sql FROM sqlite_master") == before
    assert rows(old, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert use(old, lambda store: store.count("")) == 4


def test_an_upgrade_that_fails_changes_nothing_and_says_what_is_wrong(old: str) -> None:
    rows(old, "CREATE TABLE leases (something INTEGER)")
    before = Path(old).read_bytes()
    with pytest.raises(StoreError, match=f"{old} cannot be used.*leases already exists"):
        Store(old, memory_limit=0)
    assert Path(old).read_bytes() == before


OPENING = """
import sys
from chatreel.store import Store
from chatreel.store.archive import Archive
print("ready", flush=True)
sys.stdin.readline()
Store(sys.argv[1], memory_limit=0).close()
print("alembic" in sys.modules)
"""


def test_several_that_open_an_older_store_at_once_upgrade_it_once(old: str) -> None:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    openers = [subprocess.Popen([sys.executable, "-c", OPENING, old], **pipes) for _ in range(3)]
    assert [opener.stdout.readline() for opener in openers if opener.stdout] == ["ready\n"] * 3
    ended = [opener.communicate("\n", timeout=60) for opener in openers]
    assert [opener.returncode for opener in openers] == [0, 0, 0], ended
    assert rows(old, "SELECT version_num FROM alembic_version") == [(REVISION,)]


def test_alembic_is_loaded_for_an_upgrade_only(old: str, tmp_path: Path) -> None:
    new = str(tmp_path / "new.db")
    loaded = []
    for location in (new, new, old, old):
        ended = subprocess.run(
            [sys.executable, "-c", OPENING, location], input="\n", capture_output=True, text=True, check=True
        )
        loaded.append(ended.stdout.split()[-1])
    assert loaded == ["False", "False", "True", "False"]


def schema_of(connection: Connection) -> dict[str, Any]:
    """What the engine says it has, in an order that does not matter."""
    found = inspect(connection)
    return {
        table: (
            sorted(str({**column, "type": str(column["type"])}) for column in found.get_columns(table)),
            sorted(map(str, found.get_indexes(table))),
            sorted(map(str, found.get_foreign_keys(table))),
            found.get_pk_constraint(table)["constrained_columns"],
        )
        for table in sorted(found.get_table_names())
    }


def test_a_store_that_was_upgraded_has_the_schema_of_one_that_was_made(store: str) -> None:
    engine = create_engine(store_url(store))
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        connection = undo.enter_context(engine.begin())
        upgrade(connection)
        upgraded = schema_of(connection)
        options = {"include_object": lambda _object, _name, kind, *_: kind != "foreign_key_constraint"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        metadata.drop_all(connection)
        metadata.create_all(connection)
        assert schema_of(connection) == upgraded


def at_0003(connection: Connection, headers: str, usage: str) -> None:
    """A recording and a row of the log as revision 0003 had them."""
    upgrade(connection, "0003")
    made = MetaData()
    made.reflect(connection)
    tables = made.tables
    base, body, empty = (f"{name} of a recording".encode() * 9 for name in ("base", "body", "nothing"))
    digests = [sha256(content).digest() for content in (base, body, empty)]
    data = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(base)).compress(body)
    for digest, content, codec, stored, below in (
        (digests[1], body, "zstd", data, digests[0]),
        (digests[0], base, "raw", base, None),
        (digests[2], empty, "raw", empty, None),
    ):
        row = {"digest": digest, "size": len(content), "codec": codec, "data": stored, "base": below}
        connection.execute(tables["payloads"].insert(), row)
    slash = "\\\\" if connection.dialect.name == "postgresql" else "\\"  # see chatreel.store.text
    of_all = {"cassette": "", "key": "k", "upstream": "https://h", "path": "/v1", "query": "", "model": "m"}
    recording = {
        **of_all,
        "recorded_at": 1.5,
        "status": 200,
        "form": "json",
        "usage_added": False,
        "headers": headers.replace("\\", slash),
        "document": digests[0],
        "request": digests[1],
        "body": digests[1],
        "completion": digests[2],
        "pieces": zstandard.compress(b"[[250000,36],[1500,3]]"),
    }
    connection.execute(tables["recordings"].insert(), recording)
    row = {
        **of_all,
        "call_id": "c",
        "started_at": 1.0,
        "outcome": "refused",
        "reason": "",
        "mode": "replay",
        "stream": False,
        "latency": 0.5,
        "request": digests[1],
        "usage": usage.replace("\\", slash),
    }
    connection.execute(tables["calls"].insert(), row)


def test_what_revision_0003_has_stored_is_read(store: str) -> None:
    headers, usage = '[["x-request-id","a\\"b\\\\c"]]', '{"note":"a\\"b"}'
    engine = create_engine(store_url(store))
    with engine.begin() as connection:
        at_0003(connection, headers, usage)
    engine.dispose()
    found = load(store, 1)
    assert (found.headers, found.body) == ((("x-request-id", 'a"b\\c'),), b"body of a recording" * 9)
    assert (found.identity.document, found.request) == (b"base of a recording" * 9, found.body)
    assert found.pieces == (Piece(0.25, 36), Piece(0.2515, 3))
    with Archive(store) as archive:
        logged = archive.call("c")
    assert logged is not None
    assert (logged.facts.usage, logged.request) == (usage, found.body)


def test_the_revisions_are_those_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", "chatreel.store:migrations")
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert found == [REVISION, *reversed(OLDER)]
