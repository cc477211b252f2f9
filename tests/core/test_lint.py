"""What is wrong with a cassette is found, with its line."""

import json
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from chatreel.findings import FAILING, Finding, Kind
from chatreel.formats import cassette
from chatreel.lint import findings
from chatreel.model import Recording
from chatreel.request import DEFAULT_KEYS
from support.made_recordings import KEYED_BY, MONDAY, ask, recorded, said

DAY = 86_400


def lint(
    *recordings: Recording,
    text: bytes | None = None,
    max_age: float | None = None,
    live: Collection[str] | None = None,
    unused: Mapping[str, Collection[int]] | None = None,
) -> list[Finding]:
    content = cassette.dump(recordings, KEYED_BY) if text is None else text
    return [
        *findings({"a.json": content}, DEFAULT_KEYS, now=MONDAY + 100 * DAY, max_age=max_age, live=live, unused=unused)
    ]


def test_there_is_nothing_wrong_with_a_good_cassette() -> None:
    assert lint(said("Hello", "Hi"), said("Hello", "Hi", stream=True), live=["a.json"], max_age=101 * DAY) == []


def test_a_secret_in_an_answer_is_found_on_its_line() -> None:
    secret = "sk-proj-Tq7Z0mVb9LkXw2RfYh4NcJd8"
    one = said("What is in my .env?", f"It has\nOPENAI_API_KEY={secret}")
    (found,) = lint(one)
    lines = cassette.dump([one], KEYED_BY).decode().splitlines()
    assert secret in lines[found.line - 1]
    assert (found.kind, found.message) == (Kind.SECRET, "this looks like a secret: OpenAI key")


def test_a_private_key_in_several_lines_is_found() -> None:
    body = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ7Zz8Yy6Xx" for _ in range(3))
    (found,) = lint(said("Show me", f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"))
    assert found.message == "this looks like a secret: private key"


def test_errors_are_found_at_their_interaction() -> None:
    good, bad = said("Aha", "Oho"), recorded(ask("Hello"), b'{"error": {"message": "slow down"}}', status=429)
    (found,) = lint(good, bad)
    lines = cassette.dump([good, bad], KEYED_BY).decode().splitlines()
    assert [number for number, line in enumerate(lines, 1) if line == "    {"][1] == found.line
    assert str(found) == f"a.json:{found.line}: error: The upstream answered with status 429."


def test_an_answer_that_is_not_whole_is_found() -> None:
    (found,) = lint(recorded(ask("Hello", stream=True), b'data: {"choices": [{"index": 0, "delta": {}}]}\n\n'))
    assert (found.kind, found.kind in FAILING) == (Kind.TRUNCATED, True)


def test_age_counts_from_the_recording() -> None:
    (found,) = lint(said("Hello", "Hi"), max_age=90 * DAY)
    assert (found.kind, found.message) == (Kind.OLD, "recorded 100 days ago, allowed are 90: record it anew")


def test_an_edit_is_found() -> None:
    text = cassette.dump([said("Hello", "Hi")], KEYED_BY).replace(b'"content": "Hi"', b'"content": "Ho"')
    assert [found.kind for found in lint(text=text)] == [Kind.EDITED]


def test_orphans_and_unused_recordings_are_found_by_what_a_run_says() -> None:
    some = [said("Aha", "Oho"), said("Hello", "Hi")]
    assert [found.kind for found in lint(*some, live=["b.json"])] == [Kind.ORPHAN]
    (found,) = lint(*some, unused={"a.json": [2]})
    assert found.kind is Kind.UNUSED
    assert found.line > 10


@pytest.mark.parametrize("damage", [lambda text: text[:-40], lambda text: b"<<<<<<< ours\n" + text, lambda _: b""])
def test_a_file_that_cannot_be_read_is_a_finding(damage: Any) -> None:
    (found,) = lint(text=damage(cassette.dump([said("Hello", "Hi")], KEYED_BY)))
    assert (found.kind, found.kind in FAILING) == (Kind.UNREADABLE, True)


def test_findings_are_plain_values_for_programs() -> None:
    (found,) = lint(text=b"{}")
    assert json.dumps([found.file, found.line, found.kind]) == '["a.json", 1, "unreadable"]'
