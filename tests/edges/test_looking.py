"""`ls`, `show`, `diff` and `stats`: what a person and a program read of a store."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatreel.model import Outcome, Piece
from chatreel.store.call import Charge
from support.command import chatreel
from support.database import rows
from support.inside import Program, inside
from support.log import NOON, answered, logged
from support.stores import add, call, genuine, use
from support.streams import answer, called, chunk, sse

CALL = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
REFUSED = "3f2504e0-4f89-41d3-9a0c-0305e82c3302"
STREAM = answer({"role": "assistant", "content": "Hi"}, {"content": " there"})
TOOL = sse(
    chunk({"role": "assistant", "tool_calls": [called("call_1", "weather", '{"city":"Paris"}')]}),
    chunk(finish="tool_calls"),
)
EVIL = "\x1b[31mred \x9b2J \u202e"
T = 1.79e9
DAY = 86_400
RECORDINGS = [
    genuine("What is the capital of France?", recorded_at=T, headers=(("x-request-id", "req_1"),)),
    genuine("What is the capital of France?", recorded_at=T + DAY, answer=STREAM),
    genuine("Name a river", recorded_at=T + 2 * DAY, model="gpt-4o-mini", answer=TOOL, upstream="http://127.0.0.1:1"),
    genuine(EVIL, recorded_at=T + 3 * DAY, model="gpt-4o", cassette="tests/a"),
    genuine("Too fast", recorded_at=T - DAY, status=429, answer=b'{"error":{"message":"Slow down \\u001b[2J"}}'),
]
KEYS = [recording.identity.key for recording in RECORDINGS]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return inside(tmp_path, monkeypatch, capsys)


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """A store with five recordings and a log."""
    location = str(tmp_path / "store.db")
    add(location, *RECORDINGS)

    async def log(store: Any) -> None:
        store.calls.add(call("a", recording_id=1, started_at=T, outcome=Outcome.RECORDED, latency=2.0))
        store.calls.add(call("b", recording_id=1, started_at=T + 9 * DAY, latency=0.002, spared=2.0))
        store.calls.add(call(CALL, recording_id=1, started_at=T + 5 * DAY, latency=0.004, spared=2.0))
        store.calls.add(
            call(REFUSED, recording_id=None, outcome=Outcome.REFUSED, reason="Nothing is recorded.", started_at=T)
        )

    use(location, log)
    return location


def listed(program: Program, *options: str) -> list[int]:
    ended = program("ls", "--json", *options)
    assert ended.code == 0, ended.err
    return [json.loads(line)["id"] for line in ended.lines]


def test_the_newest_come_first_with_what_the_log_says(program: Program, filled: str) -> None:
    ended = program("ls", "--store", filled)
    header, *lines = ended.lines
    titles = "ID WHEN MODEL UPSTREAM CASSETTE FORM STATUS TAKES SIZE HITS USED TEXT"
    assert header.split() == titles.split()
    assert [int(line.split()[0]) for line in lines] == [4, 3, 2, 1, 5]
    one = lines[3].split()
    assert one[1:6] == ["2026-09-21", "14:13", "m", "h", "json"]
    assert one[6:8] == ["200", "2"]
    assert one[10] == "2"
    assert lines[3].endswith("What is the capital of France?")


def test_lines_are_as_long_as_the_terminal(program: Program, filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    lines = program("ls", "--store", filled).lines
    assert max(map(len, lines)) == 110
    assert lines[3].endswith("What is the…")


def test_a_program_reads_one_object_per_line(program: Program, filled: str) -> None:
    found = [json.loads(line) for line in program("ls", "--json", "--store", filled).lines]
    assert found[3] == {
        "id": 1,
        "cassette": "",
        "key": KEYS[0],
        "recorded_at": T,
        "model": "m",
        "upstream": "https://h",
        "path": "/v1/chat/completions",
        "form": "json",
        "status": 200,
        "takes": 2,
        "size": len(RECORDINGS[0].request) + len(RECORDINGS[0].body),
        "hits": 2,
        "last_used": T + 9 * DAY,
        "text": "What is the capital of France?",
    }
    assert found[4]["last_used"] == T - DAY


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), [4, 3, 2, 1, 5]),
        (("--model", "m"), [2, 1, 5]),
        (("--model", "gpt-4o"), [4]),
        (("--model", "gpt-4o*"), [4, 3]),
        (("--model", "%"), []),
        (("--upstream", "https://h/v1"), [4, 2, 1, 5]),
        (("--upstream", "127.0.0.1:1"), [3]),
        (("--upstream", "local"), [3]),
        (("--cassette", "tests/a"), [4]),
        (("--cassette", ""), [3, 2, 1, 5]),
        (("--since", "2026-09-22"), [4, 3, 2]),
        (("--until", "2026-09-22"), [1, 5]),
        (("--older-than", "2026-09-21"), [5]),
        (("--since", "2026-09-21", "--until", "2026-09-22"), [1]),
        (("--older-than", "0s", "--model", "m"), [2, 1, 5]),
        (("--limit", "2"), [4, 3]),
        (("--search", "CAPITAL of fr"), [2, 1]),
        (("--search", "hi there"), [2]),
        (("--search", "paris"), [3]),
        (("--search", "slow down"), [5]),
        (("--search", "\x1b[31mred"), [4]),
        (("--search", "capital", "--limit", "1"), [2]),
        (("--search", "capital", "--model", "gpt-4o"), []),
    ],
)
def test_conditions_choose_among_recordings(
    program: Program, filled: str, tmp_path: Path, options: tuple[str, ...], ids: list[int]
) -> None:
    (tmp_path / "chatreel.toml").write_text('upstream = ["https://h/v1", "local=http://127.0.0.1:1"]')
    assert listed(program, "--store", filled, *options) == ids


def test_a_search_says_what_it_has_cost(program: Program, filled: str) -> None:
    ended = program("ls", "--search", "river", "--store", filled)
    assert "searched 5 recordings, " in ended.err


def test_pages_are_put_together(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatreel.store.listing.PAGE", 3)
    location = str(tmp_path / "store.db")
    add(location, *(genuine(f"number {number}", recorded_at=T) for number in range(10)))
    assert listed(program, "--all", "--store", location) == [*range(10, 0, -1)]
    assert listed(program, "--limit", "5", "--store", location) == [10, 9, 8, 7, 6]
    assert len(program("ls", "--all", "--store", location).lines) == 11


def test_show_tells_a_person_what_was_asked_and_answered(program: Program, filled: str) -> None:
    lines = program("show", "3", "--store", filled).lines
    text = "\n".join(lines)
    assert lines[0] == "recording 3"
    assert f"key       {KEYS[2]}" in lines
    assert "model     gpt-4o-mini, answered by m-1" in lines
    assert "upstream  http://127.0.0.1:1/v1/chat/completions" in lines
    assert "used      never since" in lines
    assert "request\n  model: m\n  user\n    Name a river" in text
    assert "completion\n  finish reason: tool_calls\n  assistant\n    calls weather (call_1)\n      city: Paris" in text


def test_show_tells_of_takes_hits_headers_and_timing(program: Program, tmp_path: Path, filled: str) -> None:
    pieces = (Piece(0.5, 100), Piece(0.6, 100), Piece(1.6, len(STREAM) - 200))
    location = str(tmp_path / "timed.db")
    add(location, genuine(answer=STREAM, pieces=pieces))
    lines = program("show", "1", "--store", location).lines
    assert "timing    first piece after 500.0 ms, 3 pieces, 1.60 s in all" in lines
    assert "gaps      ▁█  the longest 1.00 s" in lines
    shown = program("show", "1", "--store", filled).lines
    assert shown[0] == "recording 1, take 1 of 2"
    assert "used      2 hits, last at 2026-09-30 14:13:20 UTC" in shown
    assert "headers   x-request-id: req_1" in shown
    assert "usage     prompt 3" in shown


def test_show_finds_by_call_and_by_the_start_of_a_key(program: Program, filled: str) -> None:
    by_call = program("show", CALL, "--store", filled)
    assert f"call      {CALL}, hit at 2026-09-26 14:13:20 UTC, 4.0 ms" in by_call.lines
    for start in (KEYS[0], KEYS[0][:10], KEYS[0][3:12]):
        found = json.loads(program("show", start, "--json", "--store", filled).out)
        assert (found["id"], found["take"], found["takes"]) == (2, 2, 2), "the newest take"


def test_show_tells_a_program_everything(program: Program, filled: str) -> None:
    found = json.loads(program("show", "2", "--json", "--store", filled).out)
    recording = RECORDINGS[1]
    assert found["request"] == json.loads(recording.request)
    assert found["completion"] == json.loads(recording.completion)
    assert found["document"]["body"] == json.loads(recording.identity.document)["body"]
    assert found["timing"]["pieces"] == [{"at": 0.25, "size": len(recording.pieces) and recording.pieces[0].size}]
    assert (found["status"], found["form"], found["error"]) == (200, "sse", None)
    refused = json.loads(program("show", "5", "--json", "--store", filled).out)
    assert (refused["completion"], refused["error"]["error"]["message"]) == (None, "Slow down \x1b[2J")


@pytest.mark.parametrize(
    "command", [("ls",), ("show", "4"), ("show", "5"), ("diff", "4", "1"), ("diff", "1", "4"), ("stats",)]
)
def test_no_control_character_of_a_text_reaches_the_terminal(
    program: Program, filled: str, command: tuple[str, ...]
) -> None:
    ended = program(*command, "--store", filled)
    assert ended.out
    assert not any(
        (ord(character) < 32 or 127 <= ord(character) < 160) and character != "\n" for character in ended.out
    )
    assert "\u202e" not in ended.out


def test_raw_and_request_are_the_bytes_that_travelled(filled: str, tmp_path: Path) -> None:
    for option, expected in (("--raw", RECORDINGS[1].body), ("--request", RECORDINGS[1].request)):
        command = [sys.executable, "-m", "chatreel", "show", "2", option, "--store", filled]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout == expected


def test_diff_tells_where_two_recordings_part(program: Program, filled: str) -> None:
    ended = program("diff", "1", "3", "--store", filled)
    assert ended.code == 1
    assert ended.lines[0] == "recordings 1 and 3: different calls"
    assert '  /upstream: "https://h" → "http://127.0.0.1:1"' in ended.lines
    assert '  /messages/0/content: "What is the capital of France?" → "Name a river"' in ended.lines
    assert "  /prompt_tokens: 3 → nothing" in ended.lines
    assert "timing" in ended.lines


def test_diff_of_two_takes_tells_what_was_answered(program: Program, filled: str) -> None:
    ended = program("diff", "1", "2", "--store", filled)
    assert ended.code == 1
    assert ended.lines[:3] == ["recordings 1 and 2: the same call", f"  1: {KEYS[0]}", "request: the same"]
    assert any(line.startswith("  /choices/0/message/content: ") for line in ended.lines)


def test_diff_tells_a_program_the_same(program: Program, filled: str) -> None:
    ended = program("diff", "1", "2", "--json", "--store", filled)
    found = json.loads(ended.out)
    assert (ended.code, found["first"], found["second"], found["same_key"], found["equal"]) == (1, 1, 2, True, False)
    content = next(one for one in found["answer"] if one["pointer"] == "/choices/0/message/content")
    assert (content["first"], content["second"]) == ("What is the capital of France?!", "Hi there")
    assert found["request"] == []
    assert {"pointer": "/form", "first": "json", "second": "sse"} in found["timing"]


def test_diff_of_a_recording_with_itself_is_empty(program: Program, filled: str) -> None:
    ended = program("diff", "4", "4", "--store", filled)
    assert ended.code == 0
    assert ended.lines[-4:] == ["request: the same", "answer: the same", "usage: the same", "timing: the same"]


def test_stats_tell_a_person_what_it_came_to(program: Program, filled: str) -> None:
    lines = program("stats", "--store", filled).lines
    assert [" ".join(line.split()) for line in lines[:6]] == [
        "calls 4: 2 hit, 1 recorded, 1 refused",
        "spent unknown, 1 call of unknown price",
        "saved unknown, 2 calls of unknown price",
        "hit rate 50.0%",
        "time saved 4.0 s",
        "latency hits p50 2.0 ms, p95 4.0 ms; upstream p50 2.00 s, p95 2.00 s",
    ]
    assert ": 5 recordings, " in lines[6]
    assert any(line.startswith("2026-09-21") for line in lines)


def test_stats_tell_a_program_the_same_and_more(program: Program, filled: str) -> None:
    found = json.loads(program("stats", "--json", "--store", filled).out)
    assert (found["calls"], found["hit_rate"], found["seconds_saved"]) == (4, 0.5, 3.994)
    assert found["latency"] == {"hits": {"p50": 0.002, "p95": 0.004}, "upstream": {"p50": 2.0, "p95": 2.0}}
    assert found["by_model"]["m"]["outcomes"] == {"hit": 2, "recorded": 1, "refused": 1}
    assert list(found["by_day"]) == ["2026-09-21", "2026-09-26", "2026-09-30"]
    [(payloads, content)] = rows(filled, "SELECT count(*), sum(size) FROM payloads")
    assert (found["store"]["recordings"], found["store"]["payloads"], found["store"]["content_bytes"]) == (
        5,
        payloads,
        content,
    )
    since = json.loads(program("stats", "--json", "--since", "2026-09-28", "--store", filled).out)
    assert (since["calls"], since["seconds_saved"]) == (1, 1.998)


def test_stats_say_what_was_spent_and_saved_and_never_0_for_what_nobody_knows(program: Program, tmp_path: Path) -> None:
    location = str(tmp_path / "store.db")
    tags, others = '{"env":"ci","team":"search"}', '{"team":"\\u001b[2Jchat"}'
    nobody_knows: dict[str, Any] = {"model": "n", "tags": others, "charge": Charge(unpriced="nobody knows")}
    logged(
        location,
        [
            *(answered(f"paid{number}", tags=tags) for number in range(2)),
            answered("passed", Outcome.PASSED, upstream="https://other"),
            *(answered(f"hit{number}", Outcome.HIT, tags=tags, started_at=NOON + 2 * 86_400) for number in range(3)),
            answered("waited", Outcome.COALESCED, tags=others),
            answered("unknown", **nobody_knows),
            call("refused", outcome=Outcome.REFUSED, charge=Charge(0, 0), started_at=NOON),
            call("failed", outcome=Outcome.FAILED, charge=Charge(saved=0), started_at=NOON),
        ],
    )
    found = json.loads(program("stats", "--json", "--store", location).out)
    assert (found["spent_usd"], found["saved_usd"], found["unpriced"]) == (9e-6, 1.2e-5, 1)
    money = {
        name: {
            label: (one["calls"], one["spent_usd"], one["saved_usd"], one["unpriced"]) for label, one in groups.items()
        }
        for name, groups in found.items()
        if name.startswith("by_")
    }
    assert money["by_outcome"] == {
        "hit": (3, 0, 9e-6, 0),
        "recorded": (3, 6e-6, 0, 1),
        "coalesced": (1, 0, 3e-6, 0),
        "passed": (1, 3e-6, 0, 0),
        "refused": (1, 0, 0, 0),
        "failed": (1, 0, 0, 0),
    }
    assert money["by_model"] == {"m": (9, 9e-6, 1.2e-5, 0), "n": (1, None, 0, 1)}
    assert money["by_upstream"] == {"https://h": (9, 6e-6, 1.2e-5, 1), "https://other": (1, 3e-6, 0, 0)}
    assert money["by_tag"] == {
        "env=ci": (5, 6e-6, 9e-6, 0),
        "team=search": (5, 6e-6, 9e-6, 0),
        "team=\x1b[2Jchat": (2, None, 3e-6, 1),
    }
    assert money["by_day"] == {"2026-09-21": (7, 9e-6, 3e-6, 1), "2026-09-23": (3, 0, 9e-6, 0)}
    assert found["by_tag"]["env=ci"]["latency"]["hits"] == {"p50": 0.002, "p95": 0.002}
    assert found["by_outcome"]["recorded"]["latency"] == {"p50": 2.0, "p95": 2.0}
    lines = [" ".join(line.split()) for line in program("stats", "--store", location).lines]
    assert lines[1:3] == ["spent $0.0000090, 1 call of unknown price", "saved $0.000012"]
    assert "n 1 0.0% unknown $0 1 - - 2.00 s 2.00 s" in lines
    assert "team=search 5 60.0% $0.0000060 $0.0000090 - 2.0 ms 2.0 ms 2.00 s 2.00 s" in lines
    later = json.loads(program("stats", "--json", "--since", "2026-09-22", "--store", location).out)
    assert (later["calls"], later["spent_usd"], later["saved_usd"]) == (3, 0, 9e-6)


@pytest.mark.parametrize(
    ("command", "code", "complaint"),
    [
        (("show", "99"), 2, "there is no recording 99 in this store; `chatreel ls` lists them"),
        (("show", "v1:0000"), 2, "there is no recording v1:0000 in this store"),
        (("show", "x"), 2, "'x' names no recording: give its id"),
        (("show", "00000000-0000-4000-8000-000000000000"), 2, "there is no call 00000000-"),
        (("show", REFUSED), 2, "was refused: no recording answered it and none was made. Nothing is recorded."),
        (("show", "1", "--raw", "--json"), 2, "--raw, --request and --json exclude each other"),
        (("diff", "1", "99"), 2, "there is no recording 99"),
        (("ls", "--since", "soon"), 2, "--since: 'soon' is no moment: give how long ago, as in 30s"),
        (("ls", "--until", "1d", "--older-than", "2d"), 2, "--until and --older-than say the same"),
        (("ls", "--model", "a*b"), 2, "a * stands for the end of a name only"),
        (("stats", "--since", "x"), 2, "--since: 'x' is no moment"),
    ],
)
def test_what_cannot_be_shown_is_named(
    program: Program, filled: str, command: tuple[str, ...], code: int, complaint: str
) -> None:
    ended = program(*command, "--store", filled)
    assert (ended.code, ended.out) == (code, "")
    assert complaint in ended.err


def test_an_ambiguous_key_is_named_with_those_it_may_be(program: Program, tmp_path: Path) -> None:
    location = str(tmp_path / "store.db")
    made = genuine()
    for digit in "abc":
        add(location, genuine(identity=type(made.identity)(f"v1:feed{digit}{'0' * 59}", made.identity.document)))
    ended = program("show", "feed", "--store", location)
    assert ended.code == 2
    assert "3 keys begin with feed: v1:feeda" in ended.err
    assert "Give more digits" in ended.err
    assert program("show", "feedb", "--store", location).code == 0


COMMANDS = [("ls",), ("show", "1"), ("diff", "1", "2"), ("rm", "1"), ("prune",), ("verify",), ("stats",)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_there_has_to_be_a_store_of_this_version(program: Program, tmp_path: Path, command: tuple[str, ...]) -> None:
    nowhere = program(*command, "--store", "nowhere.db")
    assert (nowhere.code, nowhere.out) == (4, "")
    assert "there is no store at nowhere.db" in nowhere.err
    assert not (tmp_path / "nowhere.db").exists()
    other = str(tmp_path / "other.db")
    rows(other, "CREATE TABLE things (a)")
    assert program(*command, "--store", other).code == 4
    newer = str(tmp_path / "newer.db")
    add(newer, genuine())
    rows(newer, "UPDATE alembic_version SET version_num = '9999'")
    before = Path(newer).read_bytes()
    ended = program(*command, "--store", newer)
    assert (ended.code, ended.out) == (4, "")
    assert "has revision 9999" in ended.err
    assert Path(newer).read_bytes() == before


def test_an_empty_store_is_no_error(program: Program, tmp_path: Path) -> None:
    location = str(tmp_path / "store.db")
    add(location)
    empty = program("ls", "--store", location)
    assert (empty.code, empty.out, empty.err) == (0, "", "the store has no recordings\n")
    assert program("verify", "--store", location).lines[0].startswith("0 recordings, ")
    assert program("stats", "--store", location).lines[0].split() == ["calls", "0"]
    assert program("show", "1", "--store", location).code == 2


def test_a_condition_that_nothing_meets_says_so(program: Program, filled: str) -> None:
    assert program("ls", "--model", "none", "--store", filled).err == "no recording is like that\n"


def test_the_program_itself_runs_them(filled: str, tmp_path: Path) -> None:
    ended = chatreel("ls", "--store", filled, cwd=tmp_path)
    assert (ended.returncode, ended.stdout.split()[0]) == (0, "ID")
