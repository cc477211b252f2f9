"""Ids are given in order and committed in any: an export never passes by a row that is still to come."""

import threading
import time
from pathlib import Path

from chatreel.analytics.export import export
from chatreel.store import log
from chatreel.store.database import open_engine, store_url, writing
from support.database import rows
from support.log import answered, ask, logged

PATIENCE = 30.0
WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""


def test_a_row_that_is_committed_after_a_later_one_is_not_lost(postgres_store: str, tmp_path: Path) -> None:
    out = tmp_path / "calls.duckdb"
    logged(postgres_store, [])
    engine = open_engine(store_url(postgres_store))
    exporting = threading.Thread(target=export, args=(postgres_store, out))
    try:
        with writing(engine) as first:
            log.insert(first, answered("first"))
            with writing(engine) as second:
                log.insert(second, answered("second"))
            exporting.start()
            deadline = time.monotonic() + PATIENCE
            while not rows(postgres_store, WAITING)[0][0]:
                assert time.monotonic() < deadline, "the export does not wait"
                time.sleep(0.02)
            assert not out.exists()
        exporting.join(PATIENCE)
    finally:
        engine.dispose()
    assert ask(out, "SELECT id, call_id FROM calls ORDER BY id") == [(1, "first"), (2, "second")]
    export(postgres_store, out)
    assert ask(out, "SELECT count(*) FROM calls") == [(2,)]
