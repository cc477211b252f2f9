"""`chatreel explain`: a call of the log, a file or standard input, and what differs from the nearest recordings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.calls import ask, question
from support.command import chatreel
from support.database import rows
from support.program import running_chatreel
from support.upstream import Upstream

CAPITALS = ["What is the capital of France?", "What is the capital of Spain?", "Name a river in Norway, please."]
NEW = question("Name a river in Sweden, please.", seed=7)


@pytest.fixture
def recorded(upstream: Upstream, store: str) -> str:
    """A store with recordings, a refused call and one that failed."""
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        for text in CAPITALS:
            ask(proxy.base_url, question(text))
        ask(proxy.base_url, question(CAPITALS[0]))
        ask(proxy.base_url, NEW, cache_control="only-if-cached")
        ask(proxy.base_url, NEW, cache_control="no-store")
    return store


@pytest.fixture
def explain(recorded: str, upstream: Upstream, tmp_path: Path) -> Callable[..., Any]:
    """Explain something as JSON."""

    def run(subject: str, *options: str, said: str = "") -> Any:
        ended = chatreel("explain", subject, "--json", "--store", recorded, *options, cwd=tmp_path, said=said)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    (tmp_path / "chatreel.toml").write_text(f'upstream = ["{upstream.url}"]')
    return run


def calls(store: str, outcome: str) -> list[tuple[str, str, str]]:
    return rows(store, "SELECT call_id, key, reason FROM calls WHERE outcome = ? ORDER BY id", outcome)


def test_a_refused_call_is_explained_from_the_log(explain: Callable[..., Any], recorded: str) -> None:
    [(call_id, key, reason)] = calls(recorded, "refused")
    found = explain(call_id)
    assert (found["key"], found["call"]) == (key, {"id": call_id, "outcome": "refused", "reason": reason})
    assert found["recorded"] == []
    assert found["document"]["body"]["messages"] == NEW["messages"]
    nearest = found["nearest"][0]
    assert (nearest["recording"], nearest["model"]) == (3, "gpt-4o-mini")
    assert nearest["differences"] == [
        {
            "pointer": "/body/messages/0/content",
            "asked": "Name a river in Sweden, please.",
            "recorded": "Name a river in Norway, please.",
            "words": "…a river in [-Norway, -]{+Sweden, +}please.",
        },
        {"pointer": "/body/seed", "asked": 7},
    ]


def test_the_refusal_its_log_row_and_the_explanation_tell_the_same(explain: Callable[..., Any], recorded: str) -> None:
    [(call_id, _, reason)] = calls(recorded, "refused")
    places = [
        difference["pointer"].removeprefix("/body") for difference in explain(call_id)["nearest"][0]["differences"]
    ]
    assert "The nearest of 3 recordings differs in 2 places:" in reason
    assert all(f"  {place}" in reason for place in places)


@pytest.mark.long
def test_a_body_in_a_file_or_on_standard_input_is_explained_alike(
    explain: Callable[..., Any], recorded: str, tmp_path: Path
) -> None:
    body = json.dumps(NEW)
    (tmp_path / "body.json").write_text(body)
    found = explain("body.json")
    assert found == explain("-", said=body)
    [(_, key, _)] = calls(recorded, "refused")
    assert (found["key"], found["call"]) == (key, None)


@pytest.mark.long
def test_what_is_recorded_says_so(explain: Callable[..., Any], recorded: str) -> None:
    found = explain("-", said=json.dumps(question(CAPITALS[0])))
    assert found["recorded"] == [1]
    assert found["nearest"][0]["recording"] == 2
    for call_id, key, _ in calls(recorded, "hit") + calls(recorded, "recorded")[:1]:
        assert (explain(call_id)["key"], explain(call_id)["recorded"]) == (key, [1])


@pytest.mark.long
def test_upstream_and_path_are_those_of_a_client(explain: Callable[..., Any]) -> None:
    body = json.dumps(question(CAPITALS[0]))
    elsewhere = explain("-", "--upstream", "https://h/api/v1", said=body)
    assert elsewhere["document"]["upstream"] == "https://h"
    assert elsewhere["document"]["path"] == "/api/v1/chat/completions"
    assert elsewhere["nearest"] == []
    versioned = explain("-", "--path", "/v1/chat/completions?api-version=1", said=body)
    assert versioned["document"]["query"] == [["api-version", "1"]]
    assert versioned["nearest"][0]["differences"] == [{"pointer": "/query/0", "asked": ["api-version", "1"]}]


@pytest.mark.long
def test_rules_of_today_make_the_key(explain: Callable[..., Any], tmp_path: Path) -> None:
    with (tmp_path / "chatreel.toml").open("a") as settings:
        settings.write('\nnormalize = ["iso-date"]\n')
    found = [explain("-", said=json.dumps(question(f"It is 2026-01-0{day}."))) for day in (1, 2)]
    assert found[0]["key"] == found[1]["key"]
    assert found[0]["document"]["body"]["messages"][0]["content"] == "It is ‹iso-date›."


@pytest.mark.long
def test_a_person_reads_it_line_by_line(recorded: str, upstream: Upstream, tmp_path: Path) -> None:
    [(call_id, key, _)] = calls(recorded, "refused")
    ended = chatreel("explain", call_id, "--store", recorded, cwd=tmp_path)
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(f"call      {call_id}, refused at 20")
    assert lines[1:4] == [f"key       {key}", "recorded  no", "document"]
    assert f'  "upstream": "{upstream.url}",' in lines
    start = lines.index("nearest of 3 recordings")
    assert lines[start + 1].startswith("  recording 3, gpt-4o-mini, 20")
    assert lines[start + 2 : start + 4] == [
        '    /messages/0/content: asked "Name a river in Sweden, please.", recorded "Name a river in Norway, please."',
        "    /seed: asked 7, recorded nothing",
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("subject", "said", "code", "complaint"),
    [
        ("nothing.json", "", 2, "'nothing.json' is neither a file nor the id of a call"),
        ("00000000-0000-4000-8000-000000000000", "", 2, "there is no call 00000000"),
        (".", "", 2, ". cannot be read"),
        ("-", "", 1, "The request body is empty"),
        ("-", "[]", 1, "not an object"),
        ("-", "{}", 1, "`messages` has to be an array"),
        ("-", '{"messages":[],"seed":NaN}', 1, "NaN"),
    ],
)
def test_what_cannot_be_explained_is_named(
    recorded: str, tmp_path: Path, subject: str, said: str, code: int, complaint: str
) -> None:
    ended = chatreel("explain", subject, "--store", recorded, cwd=tmp_path, said=said)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.long
def test_the_log_on_the_terminal_names_the_call(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store) as proxy:
        ask(proxy.base_url, NEW)
        proxy.stop()
        [(call_id, _, _)] = calls(store, "refused")
        assert f"chatreel explain {call_id}" in proxy.log


@pytest.mark.long
def test_a_call_whose_request_was_not_kept_is_named(recorded: str, tmp_path: Path) -> None:
    [(call_id, _, _)] = calls(recorded, "passed")
    ended = chatreel("explain", call_id, "--store", recorded, cwd=tmp_path)
    assert ended.returncode == 2
    assert "was not kept: it was passed" in ended.stderr


@pytest.mark.long
@pytest.mark.parametrize("path", ["/", "/v1/models", "/other/v1/chat"])
def test_a_path_that_is_not_served_is_named(recorded: str, tmp_path: Path, path: str) -> None:
    ended = chatreel("explain", "-", "--path", path, "--store", recorded, cwd=tmp_path, said=json.dumps(question()))
    assert ended.returncode == 2
    assert f"{path} is not where chat completions are served" in ended.stderr
