"""A row of the log is in a file before its call is answered, until it is in the store; whoever finds one goes on."""

import errno
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatreel import recovery
from chatreel.facts import Facts
from chatreel.model import Outcome, Piece, Recording, WireForm
from chatreel.rates import PriceOverride, parse_override
from chatreel.store import Call, spool
from chatreel.store.call import Charge
from chatreel.store.foretelling import LeftRecording
from chatreel.store.leavings import left_behind, taken
from chatreel.store.lines import Left
from chatreel.store.spool import Spool
from support.database import rows
from support.stores import add, call, load, make, opened, take

RATE = parse_override({"model": "m", "input": "0.10", "output": "1e1", "cached_input": "0.05", "upstream": "https://h"})
COMPLETION = b'{"model":"m","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2}}'


def leave(store: str, *some: Call, rates: tuple[PriceOverride, ...] = ()) -> Path:
    """What a proxy leaves behind that is killed before any of these rows is in the store; the store exists then."""
    make(store)
    before = set(left_behind(store))
    begun = Spool(store, rates)
    for one in some:
        begun.add(one)
    begun.close()
    [path] = set(left_behind(store)) - before
    return path


def ids(store: str) -> list[str]:
    return [name for (name,) in rows(store, "SELECT call_id FROM calls ORDER BY id")]


EVERYTHING = call(
    "all",
    outcome=Outcome.PASSED,
    reason="the café's \u2028 'reason'",
    stream=True,
    status=None,
    key=None,
    recording_id=None,
    latency=1 / 3,
    first_piece=5e-324,
    query="a=b",
    tenant="t",
    session="s",
    take=2,
    session_name="test_a",
    tags='{"team":"é"}',
    upstream_time=1.25,
    spared=0.5,
    miss_reason="stale",
    prompt="0123456789abcdef",
    facts=Facts(
        model_served="m", finish_reason="stop", prompt_tokens=10, completion_tokens=2, usage="{}", answered=True
    ),
    charge=Charge(),
)


def test_a_row_that_was_left_behind_is_as_it_was(store: str) -> None:
    path = leave(store, EVERYTHING, rates=(RATE,))
    with opened(store) as other:
        other.calls.add(EVERYTHING, lambda one: recovery._completing((RATE,))(Left(one, None), None))
    written = rows(store, "SELECT * FROM calls")
    rows(store, "DELETE FROM calls")
    assert recovery.recover(store) == 1
    assert [row[1:] for row in rows(store, "SELECT * FROM calls")] == [row[1:] for row in written]
    assert not path.exists()


def test_it_is_priced_as_its_proxy_would_have(store: str) -> None:
    """By the same tables, to the digest of them."""
    [recording] = add(store, take(completion=COMPLETION))
    cheaper = parse_override({"model": "m", "input": 1, "output": 1})
    hit = call("hit", recording_id=recording.id)
    made = call("made", recording_id=recording.id, outcome=Outcome.RECORDED)
    leave(store, hit, made, rates=(RATE, cheaper))
    assert recovery.recover(store) == 2
    found = rows(store, "SELECT cost, saved, price_version, prompt_tokens, prompt FROM calls ORDER BY id")
    price = RATE.price(Facts(prompt_tokens=10, completion_tokens=2).tokens)
    assert [row[:2] for row in found] == [(0, 21_000), (21_000, 0)]
    assert {row[2] for row in found} == {getattr(price, "version", None)}
    assert {row[3] for row in found} == {10}


def test_a_recording_that_is_gone_leaves_the_row(store: str) -> None:
    leave(store, call("hit", recording_id=99))
    assert recovery.recover(store) == 1
    assert rows(store, "SELECT saved, unpriced FROM calls") == [(None, "it is not known what was answered")]


def test_a_request_that_was_refused_can_still_be_explained(store: str) -> None:
    request = b'{"messages":[{"role":"user","content":"\xc3\xa9"}]}'
    large = b'"' + b"x" * 1_000_001 + b'"'
    refused = {"outcome": Outcome.REFUSED, "recording_id": None}
    leave(store, call("small", request=request, **refused), call("large", request=large, **refused))
    assert recovery.recover(store) == 2
    assert [(name, is_there) for name, is_there in rows(store, "SELECT call_id, request IS NOT NULL FROM calls")] == [
        ("small", True),
        ("large", False),
    ]


def test_no_row_comes_twice_whatever_was_written_before_the_kill(store: str) -> None:
    with opened(store) as other:
        other.calls.add(call("a"))
    leave(store, call("a"), call("b"))
    leave(store, call("b"), call("c"))
    assert recovery.recover(store) == 2
    assert ids(store) == ["a", "b", "c"]
    assert recovery.recover(store) == 0


def test_a_line_that_is_not_whole_costs_itself_alone(store: str, caplog: pytest.LogCaptureFixture) -> None:
    path = leave(store, call("a"), call("b"), call("c"))
    head, a, b, c = path.read_bytes().splitlines(keepends=True)
    for line, expected in ((c[:-1], ["a", "c"]), (c[:-2], ["a"]), (b"", ["a"]), (b"[]\n[1,2]\n\x00\n", ["a"])):
        rows(store, "DELETE FROM calls")
        path.write_bytes(head + b[:9] + b"\n" + a + line)
        recovery.recover(store)
        assert ids(store) == expected
        assert "is not whole" in caplog.text
    path.write_bytes(head[:-5])
    assert recovery.recover(store) == 0
    assert not path.exists()


STREAM = take(
    body=b"data: {}\n\ndata: [DONE]\n\n",
    form=WireForm.SSE,
    headers=(("content-type", "text/event-stream"), ("x-request-id", "caf\xe9")),
    pieces=(Piece(0.333333, 10), Piece(0.5, 14)),
    completion=COMPLETION,
    request=b'{"messages":[],"stream":true,"model":"\xc3\xa9"}',
    usage_added=True,
    query="a=b",
    tenant="t",
    cassette="tests",
)
MADE = call("made", outcome=Outcome.RECORDED, recording_id=None, key="k", cassette="")


def foretold(store: str, *some: Recording, stored: bool = False) -> None:
    """A proxy tells of recordings, and is killed: before they are in the store, or, if `stored`, before their rows."""
    make(store)
    begun = Spool(store)
    for number, one in enumerate(some):
        told = begun.foretell(LeftRecording(one, "as ever", f"made {number}"), replace(MADE, call_id=f"made {number}"))
        assert told
        if stored:
            told[0](99 + number)
    begun.close()


def test_a_recording_that_was_left_behind_is_as_it_was_and_its_row_knows_it(store: str) -> None:
    foretold(store, STREAM, take("other"))
    assert recovery.recover(store) == 2
    [first, second] = [number for (number,) in rows(store, "SELECT recording_id FROM calls ORDER BY call_id")]
    assert load(store, first) == replace(STREAM, id=first)
    assert load(store, second) == replace(take("other"), id=second)
    assert rows(store, "SELECT count(*) FROM meta WHERE value = 'as ever'") == [(1,)]
    assert left_behind(store) == []


def test_a_recording_that_got_into_the_store_before_the_kill_is_there_once(store: str) -> None:
    [there] = add(store, STREAM)
    foretold(store, STREAM)
    assert recovery.recover(store) == 1
    assert rows(store, "SELECT id FROM recordings") == [(there.id,)]
    assert rows(store, "SELECT recording_id FROM calls") == [(there.id,)]


def test_a_recording_that_was_removed_from_the_store_does_not_come_back(store: str) -> None:
    foretold(store, STREAM, stored=True)
    assert recovery.recover(store) == 1
    assert rows(store, "SELECT count(*) FROM recordings") == [(0,)]
    assert rows(store, "SELECT recording_id FROM calls") == [(99,)]


def test_a_recording_whose_line_is_not_whole_costs_itself_alone(store: str, caplog: pytest.LogCaptureFixture) -> None:
    foretold(store, STREAM, take("other"))
    [path] = left_behind(store)
    head, first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + first[:99] + b"\n" + b'{"stored":"a"}\n' + b"".join(rest))
    assert recovery.recover(store) == 2
    assert rows(store, "SELECT key FROM recordings") == [("other",)]
    assert "a recording that a killed proxy left behind is not whole" in caplog.text


def test_a_recording_that_no_store_takes_does_not_keep_the_others_out(
    file_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    foretold(file_store, replace(STREAM, model=None), take("other"))  # type: ignore[arg-type]
    assert recovery.recover(file_store) == 2
    assert rows(file_store, "SELECT key FROM recordings") == [("other",)]
    assert "could not be stored" in caplog.text


@pytest.mark.parametrize("body", [b"data: \xff\n\n", b"data: " + b"x" * 1_000_000], ids=["no text", "long"])
def test_what_makes_no_line_has_to_be_in_the_store(store: str, body: bytes) -> None:
    assert Spool(store).foretell(LeftRecording(replace(STREAM, body=body), "", "made"), MADE) is None
    assert left_behind(store) == []


def test_rows_that_an_older_version_left_behind_are_read(store: str) -> None:
    path = leave(store, call("a"))
    path.write_bytes(path.read_bytes().replace(b'"version":%d' % spool.VERSION, b'"version":1'))
    assert recovery.recover(store) == 1


def test_a_row_that_no_store_takes_does_not_keep_the_others_out(store: str, caplog: pytest.LogCaptureFixture) -> None:
    leave(store, call("a"), call("b", latency=None), call("c"))
    assert recovery.recover(store) == 2
    assert ids(store) == ["a", "c"]
    assert "could not be written" in caplog.text


def test_the_file_of_a_living_proxy_and_an_unborn_one_are_left_alone(store: str) -> None:
    make(store)
    with opened(store) as living:
        gate = threading.Event()
        living._threads.writer.submit(lambda _: gate.wait(30))
        living.calls.add(call("a"))
        [path] = left_behind(store)
        unborn = path.with_name(f"{path.name}x")
        unborn.touch()
        assert recovery.recover(store) == 0
        assert path.exists()
        assert unborn.exists()
        gate.set()
    assert ids(store) == ["a"]
    os.utime(unborn, (time.time() - 100, time.time() - 100))
    assert recovery.recover(store) == 0
    assert left_behind(store) == []


def test_what_another_version_wrote_stays_and_is_said(store: str, caplog: pytest.LogCaptureFixture) -> None:
    path = leave(store, call("a"))
    other = spool.VERSION + 1
    path.write_bytes(path.read_bytes().replace(b'"version":%d' % spool.VERSION, b'"version":%d' % other))
    assert recovery.recover(store) == 0
    assert path.exists()
    assert "another version of chatreel wrote them" in caplog.text


def test_what_cannot_be_written_now_stays_for_the_next(
    file_store: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(file_store, call("a"))
    with monkeypatch.context() as patch:
        patch.setattr("chatreel.store.recovering.writing", _locked)
        assert recovery.recover(file_store) == 0
    assert "are not in the log yet: database is locked" in caplog.text
    assert recovery.recover(file_store) == 1


def _locked(*_: object, **__: object) -> object:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    raise OperationalError("", None, sqlite3.OperationalError("database is locked"))


def test_there_is_no_file_before_there_is_a_row_and_none_at_the_end(store: str) -> None:
    with opened(store) as other:
        assert left_behind(store) == []
        other.calls.add(call("a"))
        [path] = left_behind(store)
        assert path.stat().st_mode & 0o777 == 0o600
    assert left_behind(store) == []


def test_tidying_forgets_what_is_written_and_nothing_else(store: str) -> None:
    begun = Spool(store)
    [first, second] = [begun.add(call("a")), begun.add(call("b"))]
    [path] = left_behind(store)
    first(1)
    begun.tidy()
    assert path.read_bytes().count(b"\n") == 3
    second(1)
    begun.tidy()
    assert path.read_bytes().count(b"\n") == 1
    begun.add(call("c"))
    begun.close()
    with taken(path) as leavings:
        assert leavings
        assert [left.call.call_id for left in leavings.rows] == ["c"]


def test_full_files_go_when_their_rows_are_written_and_are_not_made_without_end(
    store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "_FULL", 1_500)
    monkeypatch.setattr(spool, "_MOST", 3)
    begun = Spool(store)
    written = [begun.add(call(f"{number}")) for number in range(40)]
    assert "wait for it already" in caplog.text
    most = len(left_behind(store))
    assert most == 3
    for done in written[:8]:
        done(1)
    assert len(left_behind(store)) == most - 1
    begun.add(call("more"))
    assert "safe from a kill again" in caplog.text
    for done in written:
        done(1)
    assert len(left_behind(store)) == 1
    begun.close()
    [path] = left_behind(store)
    with taken(path) as leavings:
        assert leavings
        assert [left.call.call_id for left in leavings.rows][-1] == "more"


@pytest.mark.parametrize("short", [0, 7])
def test_a_disk_that_is_full_costs_a_warning_and_no_line_of_another(
    file_store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, short: int
) -> None:
    with opened(file_store):
        pass
    begun = Spool(file_store)
    begun.add(call("a"))
    genuine = os.write

    def full(descriptor: int, line: bytes) -> int:
        if short:
            return genuine(descriptor, line[:short])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for name in "bc":
            begun.add(call(name))
    assert caplog.text.count("are not safe from a kill until they are in the store: No space left on device") == 1
    begun.add(call("d"))
    begun.close()
    assert recovery.recover(file_store) == 2
    assert ids(file_store) == ["a", "d"]


def test_what_is_no_text_costs_a_warning(file_store: str, caplog: pytest.LogCaptureFixture) -> None:
    begun = Spool(file_store)
    more: Any = {"model": "\udc80"}
    begun.add(call("a", **more))(1)
    begun.close()
    assert "not safe from a kill" in caplog.text
