"""Sessions of one proxy: opened, used, judged and closed over HTTP, and none reaches where it may not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.calls import ask, error_of, http_client, question
from support.program import Program, running_chatreel
from support.sessions import Sessions
from support.upstream import Upstream, completion


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(shared: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One for all tests of this module, in the mode `cache`; each test asks questions of its own."""
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    flags = ("--upstream", shared.url, "--upstream", f"other={shared.url}/v2", "--mode", "cache", "--store", store)
    with running_chatreel(*flags) as running:
        yield running


@pytest.fixture
def sessions(proxy: Program) -> Sessions:
    return Sessions.of(proxy)


@pytest.fixture
def upstream(shared: Upstream) -> Upstream:
    """The shared one, counting from 0, as talkative as at the start."""
    shared.calls.clear()
    return shared


def said(response: Any) -> str:
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


def test_a_session_says_where_its_calls_go(proxy: Program, sessions: Sessions, tmp_path: Path) -> None:
    cassette = tmp_path / "a.json"
    with sessions.opened(name="tests/test_a.py::test_b", mode="none", cassette=str(cassette)) as session:
        origin = f"{proxy.base_url.removesuffix('/v1')}/_chatreel/s/{session['id']}"
        assert session == {
            "id": session["id"],
            "base_url": f"{origin}/v1",
            "origin": origin,
            "name": "tests/test_a.py::test_b",
            "mode": "replay",
            "cassette": str(cassette),
        }


def test_an_alias_passes_from_session_to_session(sessions: Sessions, upstream: Upstream) -> None:
    first = sessions.open(alias="gw0")
    second = sessions.open(alias="gw0", mode="replay")
    assert first["base_url"] == second["base_url"]
    assert first["base_url"].endswith("/_chatreel/s/gw0/v1")
    assert ask(first["base_url"], question("by alias")).status_code == 504
    assert sessions.close(second)["outcomes"] == {"refused": 1}
    closed = ask(first["base_url"], question("by alias"))
    assert error_of(closed)["code"] == "chatreel_unknown_session", "the first has lost it for good"
    assert sessions.close(first)["calls"] == 0
    assert upstream.calls == []


def test_a_session_of_its_own_mode_shares_the_store_but_not_the_mode(
    proxy: Program, sessions: Sessions, upstream: Upstream
) -> None:
    first = ask(proxy.base_url, question("of all"))
    with sessions.opened(mode="replay") as replaying, sessions.opened(mode="record") as recording:
        assert ask(replaying["base_url"], question("of all")).content == first.content
        assert error_of(ask(replaying["base_url"], question("of nobody")))["code"] == "chatreel_no_recording"
        assert len(upstream.calls) == 1
        assert ask(recording["base_url"], question("of all")).headers["cache-status"].startswith("chatreel; fwd=bypass")
        assert len(upstream.calls) == 2


def test_named_upstreams_live_under_the_session_too(proxy: Program, sessions: Sessions, upstream: Upstream) -> None:
    with sessions.opened(mode="cache") as session:
        ask(f"{session['origin']}/other/v1", question("elsewhere"))
        assert upstream.calls[-1].path == "/v2/chat/completions"
        assert (
            "hit" in ask(f"{proxy.base_url.removesuffix('v1')}other/v1", question("elsewhere")).headers["cache-status"]
        )


@pytest.mark.parametrize("path", ["v1/chat/completions", "v1/models", "other/v1/chat/completions", ""])
def test_a_session_that_is_closed_or_was_never_open_is_a_404_and_goes_nowhere(
    sessions: Sessions, upstream: Upstream, path: str
) -> None:
    session = sessions.open(mode="cache")
    sessions.close(session)
    for session_id in (session["id"], "0123456789abcdef", "", "%2e%2e"):
        response = sessions.ask("POST", f"s/{session_id}/{path}", json=question())
        assert (response.status_code, error_of(response)["code"]) == (404, "chatreel_unknown_session")
    assert upstream.calls == []


def test_a_verdict_counts_and_names_what_went_wrong(sessions: Sessions, upstream: Upstream) -> None:
    session = sessions.open(name="verdict", mode="cache")
    ask(session["base_url"], question("judged"))
    ask(session["base_url"], question("judged", stream=True))
    ask(session["base_url"], question("refused"), cache_control="only-if-cached")
    verdict = sessions.verdict(session)
    assert (verdict["open"], verdict["calls"], verdict["recorded"]) == (True, 3, 1)
    assert verdict["outcomes"] == {"recorded": 1, "hit": 1, "refused": 1}
    [refusal] = verdict["refusals"]
    assert (refusal["code"], refusal["model"]) == ("chatreel_no_recording", "gpt-4o-mini")
    assert "No recording matches" in refusal["reason"]
    assert verdict in sessions.ask("GET", "sessions").json()["sessions"]
    assert sessions.close(session) == verdict | {"open": False}
    assert sessions.ask("GET", f"sessions/{session['id']}").status_code == 404
    assert len(upstream.calls) == 1


def test_a_call_that_failed_is_named_in_the_verdict(sessions: Sessions, upstream: Upstream) -> None:
    upstream.stop()
    try:
        with sessions.opened(mode="cache") as session:
            assert ask(session["base_url"], question("to nobody")).status_code == 502
            [failure] = sessions.verdict(session)["failures"]
            [call] = sessions.calls(session)
    finally:
        upstream.restart()
    assert failure == {"call_id": call["call_id"], "reason": call["reason"]}
    assert (call["outcome"], call["status"]) == ("failed", 502)


def test_the_calls_of_a_session_show_what_was_sent_and_what_answered(sessions: Sessions) -> None:
    with sessions.opened(mode="cache") as session:
        ask(session["base_url"], question("shown", user="a"))
        ask(session["base_url"], question("shown", user="b", stream=True))
        recorded, hit = sessions.calls(session)
    assert (recorded["outcome"], recorded["sent"], recorded["recorded"]) == (
        "recorded",
        question("shown", user="a"),
        None,
    )
    assert (hit["outcome"], hit["take"], hit["stream"]) == ("hit", 1, True)
    assert hit["sent"] == question("shown", user="b", stream=True)
    assert hit["recorded"] == question("shown", user="a")
    assert hit["completion"] == recorded["completion"]
    assert hit["completion"]["choices"][0]["message"]["content"].startswith("You said: shown")
    assert hit["key"] == recorded["key"]


@pytest.mark.parametrize(
    ("wish", "member", "complaint"),
    [
        ({"mode": "sometimes"}, "mode", "is not a mode"),
        ({"mode": 7}, "mode", "has to be a string"),
        ({"mode": "rewrite"}, "mode", "needs a `cassette`"),
        ({"cassette": "a.json"}, "cassette", "absolute"),
        ({"repeats": "often"}, "repeats", "last, strict"),
        ({"alias": "../x"}, "alias", "a letter first"),
        ({"record_errors": "yes"}, "record_errors", "true or false"),
        ({"pace": "slow"}, "pace", "not a pace"),
        ({"max_age": "old"}, "max_age", "30s, 12h or 7d"),
        ({"on_max_age": "cry"}, "on_max_age", "warn, fail, record"),
        ({"budget_usd": -1}, "budget_usd", "not an amount in USD"),
        ({"modus": "replay"}, "modus", "no such member"),
    ],
)
def test_a_wrong_wish_is_a_400_that_names_the_member(
    sessions: Sessions, wish: dict[str, Any], member: str, complaint: str
) -> None:
    response = sessions.ask("POST", "sessions", json=wish)
    error = error_of(response)
    assert (response.status_code, error["param"]) == (400, member)
    assert complaint in error["message"]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"name":"a","name":"b"}', b"\xff"])
def test_a_body_that_is_no_object_is_a_400(sessions: Sessions, body: bytes) -> None:
    assert error_of(sessions.ask("POST", "sessions", content=body))["code"] == "chatreel_bad_request"


def test_all_members_are_optional_and_null_is_like_their_absence(sessions: Sessions) -> None:
    names = ["name", "cassette", "mode", "repeats", "record_errors", "pace", "max_age", "on_max_age", "budget_usd"]
    for content in (b"", b"{}"):
        response = sessions.ask("POST", "sessions", content=content)
        assert (response.status_code, response.json()["mode"]) == (201, "cache")
        sessions.close(response.json())
    with sessions.opened(**dict.fromkeys(names)) as session:
        assert (session["mode"], session["cassette"], session["name"]) == ("cache", None, "")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "health"), ("PUT", "sessions"), ("GET", "session"), ("GET", "sessions/a/b")],
)
def test_what_the_api_has_not_is_a_404(sessions: Sessions, method: str, path: str) -> None:
    response = sessions.ask(method, path)
    assert (response.status_code, error_of(response)["code"]) == (404, "chatreel_unknown_path")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:80"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "10.0.0.1"},
        {"host": "a]b["},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=lambda headers: "-".join(*headers.items()),
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "sessions"), ("GET", "sessions"), ("DELETE", "sessions/x"), ("GET", "health")]
)
def test_a_web_page_cannot_drive_it(sessions: Sessions, headers: dict[str, str], method: str, path: str) -> None:
    before = sessions.ask("GET", "sessions").json()
    response = sessions.ask(method, path, headers=headers)
    assert (response.status_code, error_of(response)["code"]) == (403, "chatreel_forbidden")
    assert sessions.ask("GET", "sessions").json() == before


@pytest.mark.parametrize(
    "headers", [{"host": "localhost:1"}, {"host": "[::1]:8080"}, {"sec-fetch-site": "same-origin"}]
)
def test_names_of_this_machine_are_its_own(sessions: Sessions, headers: dict[str, str]) -> None:
    assert sessions.ask("GET", "health", headers=headers).status_code == 200


def test_a_body_past_the_limit_is_a_413(upstream: Upstream, store: str) -> None:
    with running_chatreel("--upstream", upstream.url, "--store", store, "--max-body", "1000") as proxy:
        sessions = Sessions.of(proxy)
        announced = sessions.ask("POST", "sessions", json={"name": "x" * 2000})
        grown = sessions.ask("POST", "sessions", content=iter([b"x" * 800, b"x" * 800]))
    assert announced.status_code == grown.status_code == 413


def test_repeats_are_counted_per_session_and_strict_ones_run_out(sessions: Sessions, upstream: Upstream) -> None:
    upstream.reply_with(completion("one"), completion("two"))
    with sessions.opened(mode="record") as recording:
        for _ in range(2):
            ask(recording["base_url"], question("repeated"))
    with sessions.opened(mode="replay") as lenient, sessions.opened(mode="replay", repeats="strict") as strict:
        assert [said(ask(lenient["base_url"], question("repeated"))) for _ in range(3)] == ["one", "two", "two"]
        assert [said(ask(strict["base_url"], question("repeated"))) for _ in range(2)] == ["one", "two"]
        refused = ask(strict["base_url"], question("repeated"))
        assert [call["take"] for call in sessions.calls(strict)] == [1, 2, None]
    assert (refused.status_code, error_of(refused)["code"]) == (504, "chatreel_out_of_takes")
    assert "all 2 takes" in error_of(refused)["message"]


def test_cache_without_a_cassette_serves_the_newest_take(sessions: Sessions, upstream: Upstream) -> None:
    upstream.reply_with(completion("old"), completion("new"))
    with sessions.opened(mode="record") as recording:
        for _ in range(2):
            ask(recording["base_url"], question("newest"))
    with sessions.opened(mode="cache", repeats="strict") as caching:
        assert [said(ask(caching["base_url"], question("newest"))) for _ in range(3)] == ["new"] * 3


def test_one_client_connection_carries_calls_of_both_and_only_the_recording_one_gets_out(
    sessions: Sessions, upstream: Upstream
) -> None:
    """An open connection to the upstream is there to be reused, and the replaying session does not get it."""
    with (
        sessions.opened(mode="record") as recording,
        sessions.opened(mode="replay") as replaying,
        http_client(sessions.origin) as client,
    ):
        for n in range(3):
            asked = question(f"both {n}")
            assert client.post(recording["base_url"] + "/chat/completions", json=asked).status_code == 200
            before = len(upstream.calls)
            for path, body in (("chat/completions", question(f"never {n}")), ("models", {}), ("embeddings", {})):
                assert client.post(f"{replaying['base_url']}/{path}", json=body).status_code == 504
            assert client.get(replaying["base_url"] + "/models").status_code == 504
            assert client.post(replaying["base_url"] + "/chat/completions", json=asked).status_code == 200
            assert len(upstream.calls) == before
