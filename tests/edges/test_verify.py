"""`verify`: whatever is wrong with a store is found and named, and nothing of it is changed."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chatreel.canonical import KeyOptions, shipped_rules
from chatreel.model import Outcome
from support.database import rows
from support.inside import Program, inside
from support.stores import add, call, genuine, use
from support.streams import answer

STREAM = answer({"role": "assistant", "content": "Hi"})


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return inside(tmp_path, monkeypatch, capsys)


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """Three recordings, a stream and an error among them, and a refused call."""
    location = str(tmp_path / "store.db")
    failed = genuine("three", answer=b'{"error":{"message":"no"}}', status=429)
    add(location, genuine("one"), genuine("two", answer=STREAM), failed)

    async def log(store: Any) -> None:
        store.calls.add(call("c", recording_id=None, outcome=Outcome.REFUSED, request=b'{"refused":1}'))

    use(location, log)
    return location


def put(location: str, content: bytes) -> None:
    """Add a payload that belongs to nobody."""
    values = (sha256(content).digest(), len(content), content)
    rows(location, "INSERT OR IGNORE INTO payloads (digest, size, codec, data) VALUES (?, ?, 'raw', ?)", *values)


def damage(location: str, kind: str) -> None:
    """Do something to recording 2 that a disk, a bug or a hand could do."""
    column = kind.partition(" ")[0]
    of_two = f"(SELECT {column} FROM recordings WHERE id = 2)"
    match kind.partition(" ")[2]:
        case "flipped":
            [(data,)] = rows(location, f"SELECT data FROM payloads WHERE id = {of_two}")
            flipped = data[:-1] + bytes([data[-1] ^ 1])
            rows(location, f"UPDATE payloads SET data = ? WHERE id = {of_two}", flipped)
        case "gone":
            rows(location, f"DELETE FROM payloads WHERE id = {of_two}")
        case "nowhere":
            rows(location, f"UPDATE recordings SET {column} = {10**9} WHERE id = 2")
        case "codec":
            rows(location, f"UPDATE payloads SET codec = 'rot13' WHERE id = {of_two}")
        case "of another":
            rows(
                location,
                f"UPDATE recordings SET {column} = (SELECT {column} FROM recordings WHERE id = 1) WHERE id = 2",
            )
        case value:
            rows(location, f"UPDATE recordings SET {column} = ? WHERE id = 2", value)


PAYLOADS = ("document", "request", "body", "completion")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        *((f"{column} {how}", "damaged") for column in PAYLOADS for how in ("flipped",)),
        *((f"{column} {how}", "the store has lost 1 payloads") for column in PAYLOADS for how in ("gone", "nowhere")),
        ("body codec", "is stored as 'rot13', which this version of chatreel cannot read"),
        ("document of another", "its key is not that of its document"),
        ("request of another", "its key and document are not those of its request"),
        ("completion of another", "its completion is not what its response amounts to"),
        ("body of another", "its response is json, not sse"),
        ("key v1:0000", "its key is not that of its document"),
        ("upstream https://other", "its key and document are not those of its request"),
        ("form json", "its response is sse, not json"),
        ("form telepathy", "recording 2 is damaged"),
        ("headers {", "recording 2 is damaged"),
        ("pieces x", "recording 2 is damaged"),
    ],
)
def test_each_damage_is_found_and_named(program: Program, filled: str, kind: str, fault: str) -> None:
    damage(filled, kind)
    before = rows(filled, "SELECT * FROM recordings"), rows(filled, "SELECT * FROM payloads")
    ended = program("verify", "--store", filled)
    assert ended.code == 1
    about = [line for line in ended.lines if fault in line]
    assert about
    assert all(line.startswith("recording 2: ") for line in about)
    assert "  chatreel rm 2" in ended.lines
    assert ended.lines[-1].startswith("3 recordings, ")
    assert not any(line.startswith(("recording 1", "recording 3")) for line in ended.lines)
    assert before == (rows(filled, "SELECT * FROM recordings"), rows(filled, "SELECT * FROM payloads"))


@pytest.mark.parametrize("kind", ["body flipped", "request gone", "completion of another", "form telepathy"])
def test_the_remedy_helps(program: Program, filled: str, kind: str) -> None:
    damage(filled, kind)
    found = json.loads(program("verify", "--json", "--store", filled).out)
    for remedy in {fault["remedy"] for fault in found["faults"]}:
        assert program(*remedy.split()[1:], "--store", filled).code == 0
    assert program("verify", "--store", filled).code == 0


def test_a_sound_store_has_no_faults(program: Program, filled: str) -> None:
    ended = program("verify", "--store", filled)
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert ended.lines[0].endswith(": no faults")
    found = json.loads(program("verify", "--json", "--store", filled).out)
    assert found == {"recordings": 3, "faults": [], "keyed_otherwise": 0, "orphans": 0}


def test_a_refused_call_whose_request_is_damaged_is_named(program: Program, filled: str) -> None:
    rows(filled, "UPDATE payloads SET data = x'00' WHERE digest = ?", sha256(b'{"refused":1}').digest())
    ended = program("verify", "--store", filled)
    assert ended.code == 1
    assert ended.lines[0].startswith("call c: its request: payload ")
    assert ended.lines[1] == "  chatreel prune --log --older-than 0s"


def test_faults_are_told_to_a_program(program: Program, filled: str) -> None:
    damage(filled, "completion of another")
    ended = program("verify", "--json", "--store", filled)
    fault = "its completion is not what its response amounts to"
    expected = {"recording": 2, "call": None, "fault": fault, "remedy": "chatreel rm 2"}
    found = json.loads(ended.out)
    assert (ended.code, found["faults"]) == (1, [expected])


def test_what_belongs_to_nobody_is_waste_and_no_fault(program: Program, filled: str) -> None:
    put(filled, b"nobody's")
    ended = program("verify", "--store", filled)
    assert (ended.code, ended.lines[0]) == (0, "1 payloads belong to nothing: `chatreel prune` removes them")


def test_other_rules_are_no_fault(program: Program, tmp_path: Path) -> None:
    location = str(tmp_path / "store.db")
    options = (KeyOptions(ignore=("/seed",)), KeyOptions(normalize=shipped_rules("iso-date")), KeyOptions())
    add(location, *(genuine("It is 2026-01-31", options=one) for one in options))
    ended = program("verify", "--store", location)
    assert ended.code == 0
    assert ended.lines[0] == "2 recordings have keys of other rules than today's: `chatreel rekey`"
    (tmp_path / "chatreel.toml").write_text('normalize = ["iso-date"]')
    assert json.loads(program("verify", "--json", "--store", location).out)["keyed_otherwise"] == 2


def test_many_recordings_are_checked_batch_by_batch(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatreel.store.verifying._BATCH", 3)
    location = str(tmp_path / "store.db")
    add(location, *(genuine(str(number)) for number in range(8)))
    damage(location, "body flipped")
    rows(location, "UPDATE recordings SET completion = document WHERE id = 7")
    found = json.loads(program("verify", "--json", "--store", location).out)
    assert (found["recordings"], [fault["recording"] for fault in found["faults"]]) == (8, [2, 7])


def test_a_file_whose_pages_are_damaged_is_a_fault(program: Program, filled: str) -> None:
    rows(filled, "PRAGMA wal_checkpoint(TRUNCATE)")
    [(page, size)] = rows(
        filled, "SELECT rootpage, (SELECT * FROM pragma_page_size) FROM sqlite_master WHERE name = 'recordings_by_time'"
    )
    content = bytearray(Path(filled).read_bytes())
    content[(page - 1) * size : (page - 1) * size + 100] = b"\xff" * 100
    Path(filled).write_bytes(content)
    ended = program("verify", "--store", filled)
    assert ended.code == 1
    assert any(line.startswith("the database: ") for line in ended.lines)
    assert any(".recover" in line for line in ended.lines)
