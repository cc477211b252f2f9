"""The shipped rules match what they are named after, whole, and leave alone what only looks like it."""

from typing import Any

import pytest

from chatreel.canonical import SHIPPED, KeyOptions, identify, shipped_rules
from chatreel.errors import ConfigError

UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OTHER = "a8098c1a-f86e-11da-bd1a-00112444be1e"

VOLATILE: list[tuple[str, str, str]] = [
    ("iso-date", "Today is 2026-02-28.", "Today is 2027-12-01."),
    ("iso-date", "report-2026-01-01.txt", "report-2026-01-02.txt"),
    ("iso-date", "2026-01-01 and 2026-01-02", "2026-01-03 and 2026-01-04"),
    ("iso-datetime", "at 2026-01-01T00:00:00Z", "at 2027-02-03T23:59:59Z"),
    ("iso-datetime", "at 2026-01-01 00:00", "at 2027-02-03 23:59"),
    ("iso-datetime", "at 2026-01-01T00:00:00.123456+02:00.", "at 2026-01-01T00:00:01.5-0130."),
    ("uuid", f"id={UUID};", f"id={OTHER.upper()};"),
    ("uuid", f"run_{UUID}", f"run_{OTHER}"),
    ("epoch", "ts: 1764000000", "ts: 1764000001"),
    ("epoch", "ts: 1764000000.25", "ts: 1764000001.5"),
    ("epoch", "ts: 1764000000123", "ts: 1764000001456789123"),
    ("tmp-path", "in /tmp/tmpab12_9zk/in.txt", "in /tmp/tmpzzzzzzz1/in.txt"),
    ("tmp-path", "in /tmp/tmp.aB3dE5gH9i/x", "in /tmp/tmp.0000000000/x"),
    ("tmp-path", "in /tmp/app-aB3dE5/x", "in /tmp/app-Zzzzz9/x"),
    ("tmp-path", "in /tmp/pytest-of-ann/pytest-7/t0", "in /tmp/pytest-of-bob/pytest-123/t0"),
    (
        "tmp-path",
        "in /var/folders/zz/x1_abc/T/tmpab12_9zk/in.txt",
        "in /private/var/folders/a0/y2_def/T/tmpzzzzzzz1/in.txt",
    ),
    ("tmp-path", r"in c:\Users\ann\AppData\Local\Temp\x", r"in d:\Users\bob\AppData\Local\Temp\x"),
    ("hex-id", "commit 0123456789abcdef0123456789abcdef01234567", "commit fedcba9876543210fedcba9876543210fedcba98"),
    ("hex-id", "trace 00f067aa0ba902b7", "trace 00f067aa0ba902b8"),
]

MEANT: list[tuple[str, str, str]] = [
    ("iso-date", "version 2026-13-01", "version 2026-14-01"),
    ("iso-date", "part 12026-01-01", "part 12026-01-02"),
    ("iso-date", "at 2026-01-01T10:00", "at 2026-01-01T11:00"),
    ("iso-date", "at 2026-01-01", "on 2026-01-01"),
    ("iso-datetime", "2026-01-01", "2026-01-02"),
    ("iso-datetime", "at 10:00", "at 11:00"),
    ("uuid", UUID, f"{UUID}0"),
    ("uuid", UUID.replace("-", ""), UUID.replace("-", "").replace("3", "4")),
    ("epoch", "2764000000 people", "2764000001 people"),
    ("epoch", "0.1764000000", "0.1764000001"),
    ("epoch", "1234567890", "1234567891"),
    ("epoch", "176400000", "176400001"),
    ("tmp-path", "/tmp/tmpab12_9zk/in.txt", "/tmp/tmpab12_9zk/out.txt"),
    ("tmp-path", "/tmp/plan.txt", "/tmp/list.txt"),
    ("tmp-path", "/tmp/my-report", "/tmp/my-letter"),
    ("tmp-path", "/srv/tmp/tmpab12_9zk", "/srv/tmp/tmpab12_9zl"),
    ("hex-id", "1234567890123456", "1234567890123457"),
    ("hex-id", "deadbeefdeadbeef", "deadbeefdeadbeee"),
    ("hex-id", "a0b1c2d", "a0b1c2e"),
    ("hex-id", "00f067aa0ba902b7x", "00f067aa0ba902b8x"),
]


def key(name: str, body: Any) -> str:
    options = KeyOptions(normalize=shipped_rules(name))
    return identify(upstream="https://h", path="/v1/chat/completions", query="", body=body, options=options).key


def user(content: Any) -> Any:
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(("name", "one", "other"), VOLATILE)
def test_what_a_rule_is_named_after_does_not_count(name: str, one: str, other: str) -> None:
    assert one != other
    assert key(name, user(one)) == key(name, user(other))


@pytest.mark.parametrize(("name", "one", "other"), MEANT)
def test_what_only_looks_like_it_counts(name: str, one: str, other: str) -> None:
    assert key(name, user(one)) != key(name, user(other))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_rule_is_in_the_tables_above(name: str) -> None:
    assert name in {line[0] for line in VOLATILE}
    assert name in {line[0] for line in MEANT}


def places(text: str) -> dict[str, Any]:
    """Bodies that have `text` in one place each; those in which it is the text of a message come first."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": text}}
    return {
        "user": user(text),
        "part": user([{"type": "text", "text": text}, {"type": "text", "text": "b"}]),
        "system": {"messages": [{"role": "system", "content": text}]},
        "tool result": {"messages": [{"role": "tool", "tool_call_id": "a", "content": text}]},
        "arguments": {"messages": [{"role": "assistant", "tool_calls": [call]}]},
        "name": {"messages": [{"role": "user", "content": "a", "name": text}]},
        "model": user("a") | {"model": text},
        "tool": user("a") | {"tools": [{"type": "function", "function": {"name": "f", "description": text}}]},
        "schema": user("a") | {"response_format": {"json_schema": {"schema": {"const": text}}}},
        "stop": user("a") | {"stop": [text]},
    }


@pytest.mark.parametrize("place", places(""))
def test_only_the_texts_of_messages_are_touched(place: str) -> None:
    one, other = places(f"id {UUID}")[place], places(f"id {OTHER}")[place]
    texts = ("user", "part", "system", "tool result")
    assert (key("uuid", one) == key("uuid", other)) == (place in texts)


def test_a_rule_that_does_not_exist_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="no shipped rule 'guid': choose one of iso-date, iso-datetime, uuid"):
        shipped_rules("guid")
