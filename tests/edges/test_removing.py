"""`rm` and `prune`: what goes, what stays, and what lies in the file afterwards."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chatreel.errors import StoreError
from chatreel.model import Outcome
from chatreel.store import removing as store_removing
from chatreel.store.archive import Archive
from support.database import rows
from support.inside import Program, inside
from support.stores import add, call, genuine, load, use

T = 1.79e9
DAY = 86_400
CALL = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    monkeypatch.setattr("chatreel.keeping.removing.PAUSE", 0.0)
    return inside(tmp_path, monkeypatch, capsys)


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """Six recordings, a day apart; 1 and 2 are takes of one key; 1 was used last, then 4, the others never."""
    location = str(tmp_path / "store.db")
    texts = ["same", "same", "three", "four", "five", "six"]
    made = [genuine(text, recorded_at=T + number * DAY) for number, text in enumerate(texts)]
    made[4] = genuine("five", recorded_at=T + 4 * DAY, model="other", upstream="https://elsewhere")
    made[5] = genuine("six", recorded_at=T + 5 * DAY, cassette="tests/a")
    add(location, *made)

    async def log(store: Any) -> None:
        store.calls.add(call(CALL, recording_id=1, started_at=T + 9 * DAY))
        store.calls.add(call("b", recording_id=4, started_at=T + 8 * DAY))
        store.calls.add(call("c", recording_id=None, outcome=Outcome.REFUSED, started_at=T, request=b'{"refused":1}'))

    use(location, log)
    return location


def ids(location: str) -> list[int]:
    return [number for (number,) in rows(location, "SELECT id FROM recordings ORDER BY id")]


def orphans(location: str) -> list[Any]:
    used = "SELECT document FROM recordings UNION SELECT request FROM recordings UNION SELECT body FROM recordings"
    used += " UNION SELECT completion FROM recordings UNION SELECT request FROM calls WHERE request IS NOT NULL"
    needed = f"needed(id) AS ({used} UNION SELECT base FROM payloads JOIN needed USING (id) WHERE base IS NOT NULL)"
    orphans = "SELECT id FROM payloads WHERE id NOT IN (SELECT id FROM needed)"
    return rows(location, f"WITH RECURSIVE {needed} {orphans}")


def sound(program: Program, location: str) -> bool:
    return program("verify", "--store", location).code == 0 and orphans(location) == []


@pytest.mark.parametrize(
    ("named", "left"),
    [
        (["3"], [1, 2, 4, 5, 6]),
        (["3", "5", "3"], [1, 2, 4, 6]),
        ([genuine("same").identity.key], [3, 4, 5, 6]),
        ([genuine("same").identity.key[:12], "6"], [3, 4, 5]),
        ([CALL], [2, 3, 4, 5, 6]),
        (["1"], [2, 3, 4, 5, 6]),
    ],
)
def test_rm_removes_what_is_named_and_says_so(program: Program, filled: str, named: list[str], left: list[int]) -> None:
    said = [f"{number} " for number in [1, 2, 3, 4, 5, 6] if number not in left]
    dry = program("rm", *named, "--dry-run", "--store", filled)
    assert ids(filled) == [1, 2, 3, 4, 5, 6]
    ended = program("rm", *named, "--store", filled)
    assert (ended.code, ids(filled)) == (0, left)
    assert dry.lines == ended.lines
    assert [line[:2] for line in ended.lines] == said
    assert f"{len(said)} recording{'s' if len(said) > 1 else ''} removed, " in ended.err
    assert sound(program, filled)


def test_what_is_shared_stays_until_the_last_has_gone(program: Program, filled: str) -> None:
    request = sha256(genuine("same").request).digest()
    program("rm", "1", "--store", filled)
    assert load(filled, 2).request == genuine("same").request
    program("rm", "2", "--store", filled)
    assert rows(filled, "SELECT * FROM payloads WHERE digest = ?", request) == []
    assert orphans(filled) == []


def test_marks_go_with_their_recording(program: Program, filled: str) -> None:
    assert rows(filled, "SELECT count(*) FROM marks WHERE recording_id = 3")[0][0] > 0
    program("rm", "3", "--store", filled)
    assert rows(filled, "SELECT count(*) FROM marks WHERE recording_id = 3") == [(0,)]


def test_nothing_goes_if_one_of_those_named_is_not_there(program: Program, filled: str) -> None:
    ended = program("rm", "1", "99", "--store", filled)
    assert (ended.code, ended.out, ids(filled)) == (2, "", [1, 2, 3, 4, 5, 6])
    assert "there is no recording 99" in ended.err


def test_a_damaged_recording_can_be_removed(program: Program, filled: str) -> None:
    rows(filled, "UPDATE payloads SET data = x'00'")
    ended = program("rm", "1", "3", "--store", filled)
    assert (ended.code, ids(filled)) == (0, [2, 4, 5, 6])


def build_on(location: str, base: int, number: int) -> int:
    """Store a payload as if it was a difference to another one; its id."""
    digest = sha256(bytes([number])).digest()
    rows(
        location,
        "INSERT INTO payloads (digest, size, codec, data, base) VALUES (?, 1, 'raw', ?, ?)",
        digest,
        bytes([number]),
        base,
    )
    return int(rows(location, "SELECT id FROM payloads WHERE digest = ?", digest)[0][0])


def test_what_others_are_a_difference_to_stays_as_long_as_they_do(filled: str) -> None:
    [(base,)] = rows(filled, "SELECT request FROM recordings WHERE id = 3")
    middle = build_on(filled, base, 1)
    last = build_on(filled, middle, 2)
    rows(filled, "UPDATE recordings SET completion = ? WHERE id = 4", last)
    there = "SELECT count(*) FROM payloads WHERE id IN (?, ?, ?)"
    with Archive(filled) as archive:
        archive.remove([3])
        assert rows(filled, there, base, middle, last) == [(3,)]
        assert archive.orphans() == []
        archive.remove([4])
        assert rows(filled, there, base, middle, last) == [(0,)]
        assert orphans(filled) == []


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ((), [1, 2, 3, 4, 5, 6]),
        (("--older-than", "2026-09-23"), [3, 4, 5, 6]),
        (("--older-than", "2026-09-30", "--least-recently-used"), [1]),
        (("--older-than", "2026-09-29", "--least-recently-used"), [1, 4]),
        (("--model", "other"), [1, 2, 3, 4, 6]),
        (("--upstream", "elsewhere"), [1, 2, 3, 4, 6]),
        (("--upstream", "https://h", "--older-than", "2026-09-24"), [4, 5, 6]),
        (("--cassette", "tests/a"), [1, 2, 3, 4, 5]),
        (("--older-than", "0s"), []),
        (("--max-size", "10GB"), [1, 2, 3, 4, 5, 6]),
        (("--max-size", "1B"), []),
        (("--max-size", "1B", "--cassette", ""), [6]),
    ],
)
def test_prune_removes_what_meets_all_conditions(
    program: Program, filled: str, options: tuple[str, ...], left: list[int]
) -> None:
    dry = program("prune", *options, "--dry-run", "--store", filled)
    assert (dry.code, ids(filled)) == (0, [1, 2, 3, 4, 5, 6])
    ended = program("prune", *options, "--store", filled)
    assert (ended.code, ids(filled)) == (0, left)
    assert dry.lines[0] == f"would be {ended.lines[0]}"
    assert ended.lines[0] == f"removed: {6 - len(left)} recordings, 0 rows of the log"
    assert sound(program, filled)


@pytest.fixture
def large(tmp_path: Path) -> str:
    """A megabyte of recordings in ten equal parts; those with odd ids were used since."""
    location = str(tmp_path / "large.db")
    import random

    noise = random.Random(1)
    texts = ["".join(noise.choices("abcdefghijklmnopqrstuvwxyz", k=50_000)) for _ in range(10)]
    add(location, *(genuine(text, recorded_at=T + number) for number, text in enumerate(texts)))

    async def log(store: Any) -> None:
        for number in range(1, 11, 2):
            store.calls.add(call(str(number), recording_id=number, started_at=T + DAY + number))

    use(location, log)
    return location


@pytest.mark.parametrize(
    ("options", "order"),
    [((), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), (("--least-recently-used",), [2, 4, 6, 8, 10, 1, 3, 5, 7, 9])],
)
def test_a_size_is_met_with_as_few_as_can_be_the_oldest_first(
    program: Program, large: str, options: tuple[str, ...], order: list[int]
) -> None:
    full = Path(large).stat().st_size
    program("prune", "--max-size", f"{full * 6 // 10}B", *options, "--store", large)
    left = ids(large)
    assert sorted(order[-len(left) :]) == left, "the oldest went first"
    assert len(left) >= 4, "no more than had to"
    assert Path(large).stat().st_size <= full * 6 // 10
    assert sound(program, large)


def test_the_file_gives_back_what_was_removed(program: Program, large: str) -> None:
    before = Path(large).stat().st_size
    ended = program("prune", "--older-than", "0s", "--store", large)
    assert Path(large).stat().st_size < before / 5
    assert ended.lines[-1].startswith("the store has ")


def of_the_older_kind(location: str) -> None:
    """Make a file one that gives nothing back bit by bit, as files were before."""
    with closing(sqlite3.connect(location, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute("PRAGMA auto_vacuum=NONE")
        database.execute("VACUUM")
        database.execute("PRAGMA journal_mode=WAL")


def test_a_file_of_the_older_kind_is_written_anew_unless_somebody_has_it_open(program: Program, large: str) -> None:
    of_the_older_kind(large)
    before = Path(large).stat().st_size
    with closing(sqlite3.connect(large)) as somebody:
        somebody.execute("SELECT * FROM recordings").fetchone()
        ended = program("prune", "--older-than", "0s", "--store", large)
        assert "the file keeps its size while somebody has it open" in ended.lines[-1]
        assert Path(large).stat().st_size >= before
    ended = program("prune", "--store", large)
    assert Path(large).stat().st_size < before / 5
    assert rows(large, "PRAGMA auto_vacuum") == [(2,)]
    assert rows(large, "PRAGMA journal_mode") == [("wal",)]


def test_rows_of_the_log_go_with_the_requests_that_only_they_had(program: Program, filled: str) -> None:
    dry = program("prune", "--log", "--older-than", "2026-09-22", "--dry-run", "--store", filled)
    ended = program("prune", "--log", "--older-than", "2026-09-22", "--store", filled)
    assert dry.lines[0] == f"would be {ended.lines[0]}" == "would be removed: 0 recordings, 1 rows of the log"
    assert rows(filled, "SELECT call_id FROM calls ORDER BY id") == [(CALL,), ("b",)]
    assert rows(filled, "SELECT * FROM payloads WHERE digest = ?", sha256(b'{"refused":1}').digest()) == []
    assert ids(filled) == [1, 2, 3, 4, 5, 6]


def test_waste_is_swept_whatever_else_is_asked(program: Program, filled: str) -> None:
    rows(filled, "INSERT INTO payloads (digest, size, codec, data) VALUES (x'00', 1, 'raw', x'00')")
    rows(filled, "INSERT INTO marks VALUES (1, 999), (2, 998)")
    marks = rows(filled, "SELECT count(*) FROM marks")[0][0]
    assert "1 payloads belong to nothing: `chatreel prune` removes them" in program("verify", "--store", filled).out
    ended = program("prune", "--store", filled)
    assert ended.lines[1] == "removed: 1 payloads that belonged to nothing"
    assert orphans(filled) == []
    assert rows(filled, "SELECT count(*) FROM marks") == [(marks - 2,)]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--older-than", "long ago"), "--older-than: 'long ago' is no moment"),
        (("--max-size", "big"), "--max-size: 'big' is no size: give one such as 500MB"),
        (("--least-recently-used",), "--least-recently-used needs --older-than or --max-size"),
        (("--log",), "--log takes --older-than, and nothing else"),
        (("--log", "--older-than", "1d", "--model", "m"), "--log takes --older-than, and nothing else"),
        (("--model", "a*b"), "a * stands for the end of a name only"),
    ],
)
def test_what_cannot_be_meant_is_named_and_nothing_goes(
    program: Program, filled: str, options: tuple[str, ...], complaint: str
) -> None:
    ended = program("prune", *options, "--store", filled)
    assert (ended.code, ended.out, ids(filled)) == (2, "", [1, 2, 3, 4, 5, 6])
    assert complaint in ended.err


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatreel.keeping.removing.BATCH", 2)


@pytest.mark.usefixtures("small_batches")
def test_stopped_between_two_batches_a_store_is_sound(
    program: Program, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = iter([False, True])
    remove = store_removing.remove

    def failing(connection: Any, ids: Any, **options: Any) -> Any:
        removed = remove(connection, ids, **options)
        if next(batches):
            raise StoreError("stopped in the middle of a batch")
        return removed

    monkeypatch.setattr(store_removing, "remove", failing)
    assert program("prune", "--older-than", "0s", "--store", filled).code == 4
    assert ids(filled) == [3, 4, 5, 6]
    assert sound(program, filled)


def test_whoever_serves_is_told_of_a_removal(filled: str) -> None:
    def token() -> Iterator[str]:
        yield from (value for (value,) in rows(filled, "SELECT value FROM meta WHERE name = 'removed'"))

    assert list(token()) == []
    with Archive(filled) as archive:
        archive.remove([1])
        first = list(token())
        archive.remove([99])
        assert list(token()) == first
        archive.remove([2])
    assert len(first) == len(list(token())) == 1
    assert list(token()) != first
