"""What each mode does on a hit and on a miss, and what a request can ask for itself."""

import re

import pytest

from support.calls import ask, error_of, question
from support.database import rows
from support.program import running_chatreel
from support.upstream import Upstream, completion, error


def counted(upstream: Upstream, store: str, mode: str, *cache_controls: str) -> tuple[list[int], int]:
    """Statuses of the same question asked once per header, and how many calls reached the upstream."""
    upstream.calls.clear()
    with running_chatreel("--upstream", upstream.url, "--mode", mode, "--store", store) as proxy:
        statuses = [
            ask(proxy.base_url, question(), **({"cache_control": value} if value else {})).status_code
            for value in cache_controls
        ]
    return statuses, len(upstream.calls)


@pytest.mark.parametrize(
    ("mode", "statuses", "calls"),
    [
        ("cache", [200, 200], 1),
        ("new_episodes", [200, 200], 1),
        ("replay", [504, 504], 0),
        ("none", [504, 504], 0),
        ("record", [200, 200], 2),
        ("all", [200, 200], 2),
        ("once", [200, 200], 1),
        ("passthrough", [200, 200], 2),
    ],
)
def test_a_new_store(upstream: Upstream, store: str, mode: str, statuses: list[int], calls: int) -> None:
    assert counted(upstream, store, mode, "", "") == (statuses, calls)


@pytest.mark.parametrize(
    ("mode", "calls"), [("cache", 0), ("replay", 0), ("record", 2), ("once", 0), ("passthrough", 2)]
)
def test_a_store_that_has_the_answer(upstream: Upstream, store: str, mode: str, calls: int) -> None:
    counted(upstream, store, "cache", "")
    assert counted(upstream, store, mode, "", "") == ([200, 200], calls)


def test_once_refuses_what_is_new_to_an_existing_store(upstream: Upstream, store: str) -> None:
    counted(upstream, store, "cache", "")
    with running_chatreel("--upstream", upstream.url, "--mode", "once", "--store", store) as proxy:
        response = ask(proxy.base_url, question("something else"))
    assert error_of(response)["code"] == "chatreel_no_recording"


def test_passthrough_stores_nothing(upstream: Upstream, store: str) -> None:
    counted(upstream, store, "passthrough", "")
    assert counted(upstream, store, "replay", "") == ([504], 0)


@pytest.mark.parametrize(
    ("directives", "calls"),
    [
        (("", "no-cache"), 2),
        (("", "no-store"), 2),
        (("no-store", ""), 2),
        (("", "max-age=3600"), 1),
        (("", "only-if-cached"), 1),
        (("", "private, something=new"), 1),
        (("", "max-age=soon"), 1),
    ],
)
def test_directives_of_a_request(upstream: Upstream, store: str, directives: tuple[str, ...], calls: int) -> None:
    assert counted(upstream, store, "cache", *directives) == ([200] * len(directives), calls)


def test_record_adds_takes_and_replay_hands_them_out_in_order(upstream: Upstream, store: str) -> None:
    upstream.reply_with(completion("first"), completion("second"))
    counted(upstream, store, "record", "", "")
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store) as proxy:
        texts = [ask(proxy.base_url, question()).json()["choices"][0]["message"]["content"] for _ in range(3)]
    assert texts == ["first", "second", "second"]


def test_cache_serves_the_newest_take(upstream: Upstream, store: str) -> None:
    upstream.reply_with(completion("old"), completion("new"))
    counted(upstream, store, "record", "", "")
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        response = ask(proxy.base_url, question())
    assert response.json()["choices"][0]["message"]["content"] == "new"


def test_pragma_counts_where_there_is_no_cache_control(upstream: Upstream, store: str) -> None:
    """RFC 9111, section 5.4."""
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store) as proxy:
        ask(proxy.base_url, question())
        asked_anew = ask(proxy.base_url, question(), pragma="no-cache")
        overruled = ask(proxy.base_url, question(), pragma="no-cache", cache_control="max-age=60")
    assert asked_anew.headers["cache-status"].startswith("chatreel; fwd=request; stored;")
    assert overruled.headers["cache-status"].startswith("chatreel; hit;")
    assert len(upstream.calls) == 2


def aged(store: str, seconds: float) -> None:
    """Have all recordings be that old."""
    rows(store, f"UPDATE recordings SET recorded_at = strftime('%s', 'now') - {seconds}")


def test_ttl_has_old_recordings_asked_anew_and_a_failure_is_what_the_client_gets(
    upstream: Upstream, store: str
) -> None:
    upstream.reply_with(completion("old"), error(503), completion("new"))
    counted(upstream, store, "cache", "")
    aged(store, 7200)
    flags = ("--upstream", upstream.url, "--mode", "cache", "--store", store)
    with running_chatreel(*flags, "--ttl", "3h") as proxy:
        young = ask(proxy.base_url, question())
    assert re.match(r"chatreel; hit; ttl=3[56]\d\d; key=", young.headers["cache-status"])
    with running_chatreel(*flags, "--ttl", "1h") as proxy:
        failed = ask(proxy.base_url, question())
        stale = ask(proxy.base_url, question())
        fresh = ask(proxy.base_url, question())
        refused = ask(proxy.base_url, question("other"), cache_control="only-if-cached")
    assert (failed.status_code, refused.status_code) == (503, 504)
    assert failed.headers["cache-status"].startswith("chatreel; fwd=stale; key=")
    assert stale.headers["cache-status"].startswith("chatreel; fwd=stale; stored; key=")
    assert fresh.headers["cache-status"].startswith("chatreel; hit; ttl=")
    assert fresh.json()["choices"][0]["message"]["content"] == "new"


@pytest.mark.long
def test_being_served_does_not_make_a_recording_younger_and_replay_knows_no_ttl(upstream: Upstream, store: str) -> None:
    counted(upstream, store, "cache", "", "", "")
    aged(store, 7200)
    with running_chatreel("--upstream", upstream.url, "--mode", "cache", "--store", store, "--ttl", "1h") as proxy:
        assert "fwd=stale" in ask(proxy.base_url, question()).headers["cache-status"]
    aged(store, 7200)
    with running_chatreel("--upstream", upstream.url, "--mode", "replay", "--store", store, "--ttl", "1h") as proxy:
        assert ask(proxy.base_url, question()).status_code == 200
