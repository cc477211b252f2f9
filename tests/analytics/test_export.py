"""The log arrives in DuckDB whole, exact, once, and in one step, whatever happens on the way."""

import os
import pty
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chatreel.analytics import export as exporting
from chatreel.analytics import follow as following
from chatreel.analytics.export import Exported, default_file, export
from chatreel.analytics.follow import follow
from chatreel.analytics.workfile import Busy, beside, turn
from chatreel.errors import ExportError, StoreError
from chatreel.facts import Facts
from chatreel.model import Outcome
from chatreel.store.call import Charge
from support.database import rows
from support.log import NOON, answered, ask, logged
from support.program import clean_environment
from support.stores import call


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where a file may be published."""
    return tmp_path / "out" / "calls.duckdb"


def ids(out: Path) -> list[str]:
    return [row[0] for row in ask(out, "SELECT call_id FROM calls ORDER BY id")]


def test_every_call_arrives_with_all_that_was_logged_of_it(store: str, out: Path) -> None:
    made = answered(
        "a", upstream="https://api.openai.com", path="/v1/chat/completions", stream=True, tags='{"team":"x"}'
    )
    streamed = replace(made.facts, chunks=5, first_content=0.25, last_content=1.25)
    logged(store, [replace(made, facts=streamed, session="s", session_name="test_a", prompt="0f", take=2)])
    assert export(store, out).added == 1
    shown = "outcome, model, model_served, upstream, status, stream, latency_ms, upstream_ms, overhead_ms, ttft_ms"
    [row] = ask(out, f"SELECT {shown} FROM calls")
    assert row == ("recorded", "m", "m-2026", "https://api.openai.com", 200, True, 2000.0, 1900.0, 100.0, 250.0)
    shown = "session, session_name, prompt_digest, take, tags, cost_usd, saved_usd, prompt_tokens, finish_reason"
    [row] = ask(out, f"SELECT {shown} FROM calls")
    assert row == ("s", "test_a", "0f", 2, '{"team":"x"}', 3e-6, 0.0, 100, "stop")
    assert ask(out, "SELECT tokens_per_second FROM calls") == [(20 * 4 / 5 / 1.0,)]


def test_what_is_not_known_is_null_and_never_0(store: str, out: Path) -> None:
    unknown = Charge(cost=None, saved=0, unpriced="nobody knows")
    logged(store, [answered("a", charge=unknown), call("b", outcome=Outcome.FAILED)])
    export(store, out)
    asked = "SELECT cost_nusd, cost_usd, unpriced, prompt_tokens, tokens_per_second, cassette FROM calls ORDER BY id"
    assert ask(out, asked) == [(None, None, "nobody knows", 100, None, None), (None, None, None, None, None, None)]


def test_who_answered_follows_from_what_became_of_the_call(store: str, out: Path) -> None:
    logged(store, [call(outcome.value, outcome=outcome) for outcome in Outcome])
    export(store, out)
    found = ask(out, "SELECT outcome, answered_by, served, looked_up FROM calls")
    assert {outcome: rest for outcome, *rest in found} == {
        "hit": ["recording", True, True],
        "coalesced": ["call", True, True],
        "recorded": ["upstream", False, True],
        "passed": ["upstream", False, False],
        "refused": [None, False, True],
        "failed": [None, False, False],
    }


EDGES: list[Any] = [0, 1, -1, 2**31 - 1, 2**53 + 1, 2**63 - 1, -(2**63)]
TIMES = [0.0, 1.5, NOON + 0.123456, 253402300799.0, -62135596800.0]
TEXTS = ["", "x", "é 🙂 \u2028 '\"", "null", "a" * 200_000]
FLOATS = [0.0, 5e-324, 1e300, 1 / 3, 2.0**53 + 2]


def test_values_at_the_edge_of_their_type_are_exact_even_after_thousands_without_any(store: str, out: Path) -> None:
    """Types are those of the columns: nothing is guessed from the first rows."""
    plain = [call(str(number), charge=Charge()) for number in range(50)]
    edges = [
        call(
            f"edge{number}",
            started_at=TIMES[number % len(TIMES)],
            recording_id=value,
            session_name=TEXTS[number % len(TEXTS)],
            spared=FLOATS[number % len(FLOATS)],
            charge=Charge(cost=value),
            facts=Facts(chunks=2**31 - 1),
        )
        for number, value in enumerate(EDGES)
    ]
    logged(store, plain + edges)
    export(store, out)
    shown = "started_at, recording_id, session_name, spared_ms, cost_nusd, chunks"
    found = ask(out, f"SELECT {shown} FROM calls WHERE id > 50 ORDER BY id")
    epoch = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    for number, (row, value) in enumerate(zip(found, EDGES, strict=True)):
        moment = epoch + timedelta(microseconds=round(TIMES[number % len(TIMES)] * 1e6))
        spared = FLOATS[number % len(FLOATS)] * 1000
        assert row == (moment, value, TEXTS[number % len(TEXTS)], spared, value, 2**31 - 1)


def test_an_export_adds_what_is_new_and_nothing_twice(store: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "BATCH", 3)
    logged(store, [answered(str(number)) for number in range(7)])
    assert export(store, out).added == 7
    logged(store, [answered(str(number)) for number in range(7, 11)])
    assert export(store, out).added == 4
    assert ids(out) == [str(number) for number in range(11)]


def test_an_export_without_news_leaves_the_file_alone(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    export(store, out)
    before = out.stat()
    assert export(store, out) == Exported(0, 1, False, 1, 0)
    assert (out.stat().st_ino, out.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_store_without_calls_makes_a_file_without_calls(store: str, out: Path) -> None:
    logged(store, [])
    assert export(store, out).published
    assert ask(out, "SELECT count(*), sum(cost_usd) FROM calls") == [(0, None)]


def test_rows_that_were_removed_from_the_store_stay_in_the_file(store: str, out: Path) -> None:
    logged(store, [answered(str(number)) for number in range(3)])
    export(store, out)
    rows(store, "DELETE FROM calls")
    assert export(store, out).rows == 3
    logged(store, [answered("new")])
    export(store, out)
    assert ids(out) == ["0", "1", "2", "new"]


def test_a_reader_keeps_what_it_has_opened_and_the_next_one_sees_the_new_file(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    export(store, out)
    with duckdb.connect() as reader:
        reader.execute(f"ATTACH '{out}' AS log (READ_ONLY)")
        logged(store, [answered("b")])
        export(store, out)
        assert reader.execute("SELECT count(*) FROM log.calls").fetchall() == [(1,)]
        assert ids(out) == ["a", "b"]


def test_the_file_is_its_owners_alone(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    export(store, out)
    assert {file.stat().st_mode & 0o777 for file in out.parent.iterdir()} == {0o600}
    assert out.parent.stat().st_mode & 0o777 == 0o700


def test_tags_can_be_joined_one_by_one(store: str, out: Path) -> None:
    tags = ['{"env":"ci","team":"a \\"b\\""}', None, '{"team":"c"}', '{"team":"c"}']
    logged(store, [answered(str(number), tags=text) for number, text in enumerate(tags)])
    export(store, out)
    asked = "SELECT value, count(*) FROM calls JOIN tags USING (tags) WHERE name = 'team' GROUP BY 1 ORDER BY 1"
    assert ask(out, asked) == [('a "b"', 1), ("c", 2)]


def test_prices_made_anew_reach_rows_that_were_exported_before(store: str, out: Path) -> None:
    logged(store, [answered("a"), answered("b")])
    export(store, out)
    rows(store, "UPDATE calls SET cost = 5")
    rows(store, "INSERT INTO meta VALUES ('repriced', '1')")
    assert export(store, out).added == 2
    assert ask(out, "SELECT cost_nusd FROM calls") == [(5,), (5,)]
    assert export(store, out).added == 0


# What may lie where the file shall be.


def test_a_file_that_is_no_database_is_left_as_it_is(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    out.parent.mkdir()
    out.write_text("my novel")
    with pytest.raises(ExportError, match=r"cannot be read as a DuckDB file, and was left as it is.*--to"):
        export(store, out)
    assert out.read_text() == "my novel"


def test_a_store_is_not_taken_for_an_export_and_nothing_is_downloaded_to_read_it(file_store: str) -> None:
    logged(file_store, [answered("a")])
    before = Path(file_store).read_bytes()
    with pytest.raises(ExportError, match="was left as it is") as raised:
        export(file_store, Path(file_store))
    assert "download" not in str(raised.value)
    assert Path(file_store).read_bytes() == before


def test_somebody_elses_duckdb_file_is_left_as_it_is(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    out.parent.mkdir()
    with duckdb.connect(out) as connection:
        connection.execute("CREATE TABLE calls AS SELECT 1 AS mine")
    with pytest.raises(ExportError, match="no export of chatreel; it was left as it is"):
        export(store, out)
    with duckdb.connect(out, read_only=True) as connection:
        assert connection.execute("SELECT * FROM calls").fetchall() == [(1,)]


def test_the_log_of_another_store_is_not_mixed_in(store: str, out: Path, tmp_path: Path) -> None:
    logged(store, [answered("a")])
    export(store, out)
    for name, calls in (("shorter", []), ("other", [answered("x"), answered("y")])):
        other = str(tmp_path / f"{name}.db")
        logged(other, calls)
        with pytest.raises(ExportError, match="holds the log of another store"):
            export(other, out)
    assert ids(out) == ["a"]


def changed(out: Path, statement: str) -> None:
    """Change a published file, as nobody should."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{out}' AS log")
        connection.execute("USE log")
        connection.execute(statement)


def test_a_file_of_a_newer_version_is_left_as_it_is(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    export(store, out)
    changed(out, "UPDATE _sync SET layout = 99")
    before = out.read_bytes()
    with pytest.raises(ExportError, match="written by a newer chatreel"):
        export(store, out)
    assert out.read_bytes() == before


def test_a_file_of_an_older_layout_is_made_anew(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    export(store, out)
    beside(out, "work").unlink()
    changed(out, "ALTER TABLE _sync DROP COLUMN repriced; UPDATE _sync SET layout = 0")
    logged(store, [answered("b")])
    assert export(store, out).added == 2
    assert ids(out) == ["a", "b"]


@pytest.mark.parametrize("damage", [b"", b"no database", None], ids=["emptied", "overwritten", "gone"])
def test_a_workfile_that_is_damaged_or_gone_is_made_anew_of_what_was_published(
    store: str, out: Path, damage: bytes | None
) -> None:
    logged(store, [answered("a")])
    export(store, out)
    work = beside(out, "work")
    work.unlink()
    if damage is not None:
        work.write_bytes(damage)
    logged(store, [answered("b")])
    export(store, out)
    assert ids(out) == ["a", "b"]
    rows(store, "DELETE FROM calls")
    assert export(store, out).rows == 2


def test_one_export_at_a_time_works_on_a_file(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    with turn(out), pytest.raises(Busy, match=r"another export to .* is running"):
        export(store, out)
    assert export(store, out).added == 1


def test_without_a_store_there_is_nothing_to_export(out: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        export(str(tmp_path / "none.db"), out)
    assert not out.parent.exists()


def test_a_store_of_a_newer_version_is_left_alone(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    rows(store, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="written by another version"):
        export(store, out)
    assert not out.exists()


def exporting_process(
    store: str, out: Path, *args: str, limit: int | None = None, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "chatreel", "export", "--store", store, "--to", str(out), *args],
        env=clean_environment() | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        preexec_fn=restrict,
    )


@pytest.mark.long
def test_a_disk_that_is_full_leaves_the_old_file_and_the_next_export_goes_on(store: str, out: Path) -> None:
    """No file may grow beyond a limit, which is what writing to a full disk looks like."""
    logged(store, [answered("a")])
    export(store, out)
    before = out.read_bytes()
    logged(store, [answered(str(number), session_name=f"{number}" * 500) for number in range(2_000)])
    process = exporting_process(store, out, limit=len(before) + 100_000)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "cannot be written" in said
    assert "Traceback" not in said
    assert out.read_bytes() == before
    assert export(store, out).rows == 2_001


def test_a_store_is_followed_until_somebody_says_stop(store: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "REST", 0)
    logged(store, [answered("0")])
    stop, fresh = threading.Event(), threading.Semaphore(0)
    follower = threading.Thread(
        target=lambda: follow(store, out, every=0.01, stop=stop, report=lambda _done: fresh.release())
    )
    follower.start()
    try:
        for number in range(1, 4):
            assert fresh.acquire(timeout=30)
            assert ids(out) == [str(earlier) for earlier in range(number)]
            logged(store, [answered(str(number))])
        assert fresh.acquire(timeout=30)
    finally:
        stop.set()
        follower.join(30)
    assert ids(out) == ["0", "1", "2", "3"]


class Rests(threading.Event):
    """Nobody rests: for how long it would have been is kept, and as many calls are logged as the rests go on."""

    def __init__(self, store: str, number: int) -> None:
        super().__init__()
        self.store = store
        self.number = number
        self.lengths: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.lengths.append(timeout)
        if len(self.lengths) == self.number:
            self.set()
        logged(self.store, [answered(str(len(self.lengths)))])
        return self.is_set()


def test_a_long_export_is_rested_from_for_a_minute_at_most_and_from_the_first_one_not_at_all(
    store: str, out: Path
) -> None:
    logged(store, [answered("0")])
    rests = Rests(store, 3)
    moments = iter([0.0, 100.0, 200.0, 200.5, 300.0, 400.0])  # a first export, a short one, a long one
    follow(store, out, every=0.1, stop=rests, clock=moments.__next__)
    assert rests.lengths == [0.1, 10.0, 60.0]
    assert ids(out) == ["0", "1", "2"]


def test_the_command_says_what_it_did_and_where(store: str, out: Path) -> None:
    logged(store, [answered("a"), answered("b")])
    process = exporting_process(store, out, "--parquet", str(out.parent / "parts"))
    told, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert told == f"2 new calls, 2 in {out}\n1 files of Parquet written in {out.parent / 'parts'}\n"
    assert not said, "how far it is, a terminal is told"


def test_on_a_terminal_an_export_shows_how_far_it_is(store: str, out: Path) -> None:
    logged(store, [answered("a"), answered("b")])
    ours, terminal = pty.openpty()
    process = exporting_process(store, out, stderr=terminal)
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # how a terminal says on Linux that nobody writes to it any more
        while some := os.read(ours, 65_536):
            shown += some
    os.close(ours)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told == f"2 new calls, 2 in {out}\n"
    assert b"exporting" in shown
    assert b"100%" in shown
    assert shown.rstrip().endswith(b"\x1b[2K"), "the bar is gone when the work is done"


@pytest.mark.long
def test_the_command_follows_until_it_is_interrupted(store: str, out: Path) -> None:
    logged(store, [answered("a")])
    process = exporting_process(store, out, "--follow", "--every", "0.1")
    assert process.stdout
    try:
        assert process.stdout.readline().startswith("1 new calls")
        logged(store, [answered("b")])
        assert process.stdout.readline().startswith("1 new calls, 2 in")
    finally:
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


def test_the_file_lies_beside_the_store_unless_somebody_says_otherwise(file_store: str) -> None:
    assert default_file(file_store) == Path(file_store).with_suffix(".duckdb")
    assert default_file("postgresql://h/d").name == "store.duckdb"


def test_the_newest_duckdb_that_is_not_ours_can_read_the_file(store: str, out: Path) -> None:
    """The storage version is written into the file; 1.5 reads all up to its own."""
    logged(store, [answered("a")])
    export(store, out)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{out}' AS log (READ_ONLY)")
        [(tags,)] = connection.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'log'").fetchall()
    assert tags["storage_version"].startswith("v1.5")


def long_log(store: str, count: int) -> None:
    """A store with so many calls, each with a thousand characters that no other one has."""
    logged(store, [answered("0")])
    own = {"call_id": "i", "reason": "hex(randomblob(500))"}
    names = [name for _, name, *_ in rows(store, "PRAGMA table_info(calls)") if name != "id"]
    rows(
        store,
        "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < ?) INSERT INTO calls"
        f" ({', '.join(names)}) SELECT {', '.join(own.get(name, name) for name in names)} FROM numbers, calls",
        count,
    )


def peak_of_export(store: str, out: Path, folder: Path) -> float:
    """MB that a process takes at its worst which exports all there is, called from a folder."""
    command = [sys.executable, "-m", "chatreel", "export", "--store", store, "--to", str(out)]
    process = subprocess.Popen(command, cwd=folder, env=clean_environment(), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss / 1024


@pytest.mark.long
def test_a_log_three_times_as_long_is_exported_in_as_much_memory(tmp_path: Path) -> None:
    """The shorter one is more than the export may hold at a time. What it lays aside, it lays beside the file."""
    called_from = tmp_path / "called from"
    called_from.mkdir()
    peaks = []
    for count in (200_000, 600_000):
        store, out = str(tmp_path / f"{count}.db"), tmp_path / f"{count}.duckdb"
        long_log(store, count)
        peaks.append(peak_of_export(store, out, called_from))
        assert ask(out, "SELECT count(*) FROM calls") == [(count,)]
        assert not [*called_from.iterdir(), *tmp_path.glob("*.spill")]
    print(f"peaks: {peaks[0]:.0f} and {peaks[1]:.0f} MB")
    assert peaks[1] < 1.25 * peaks[0]


@pytest.mark.long
def test_an_export_that_is_killed_at_any_moment_is_continued_by_the_next(
    file_store: str, out: Path, tmp_path: Path
) -> None:
    """Each kill is a little later than the one before; whatever is published then is a beginning of the log."""
    from synthetic_log import make_store

    count = 60_000
    make_store(Path(file_store), count)
    kills = 0
    parts = tmp_path / "parts"
    for number in range(60):
        process = exporting_process(file_store, out, "--parquet", str(parts))
        try:
            process.communicate(timeout=0.7 + 0.05 * number)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        if out.exists():
            [(rows_, distinct, last)] = ask(out, "SELECT count(*), count(DISTINCT id), max(id) FROM calls")
            assert rows_ == distinct == (last or 0)
    assert kills >= 5
    assert export(file_store, out, parquet=parts).rows == count
    with closing(sqlite3.connect(file_store)) as database:
        truth = database.execute(
            "SELECT count(*), count(DISTINCT id), sum(cost), sum(saved), sum(prompt_tokens), count(tags) FROM calls"
        ).fetchone()
    sums = "count(*), count(DISTINCT id), sum(cost_nusd), sum(saved_nusd), sum(prompt_tokens), count(tags)"
    assert ask(out, f"SELECT {sums} FROM calls") == [truth]
    assert ask(out, f"SELECT {sums} FROM read_parquet('{parts}/*/*.parquet', hive_partitioning=true)") == [truth]
    assert not list(out.parent.glob("*.partial"))
