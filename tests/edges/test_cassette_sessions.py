"""Sessions with a cassette file: recorded, written before the client has its end, replayed, and never overwritten."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.calls import ask, error_of, question
from support.program import Program, running_chatreel
from support.sessions import Sessions
from support.upstream import Upstream, completion, error
from support.upstream import stream as stream_of


@pytest.fixture(scope="module")
def shared() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(shared: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One for all tests of this module."""
    store = str(tmp_path_factory.mktemp("store") / "store.db")
    with running_chatreel("--upstream", shared.url, "--mode", "cache", "--store", store) as running:
        yield running


@pytest.fixture
def sessions(proxy: Program) -> Sessions:
    return Sessions.of(proxy)


@pytest.fixture
def upstream(shared: Upstream) -> Upstream:
    shared.calls.clear()
    shared.reply_by(lambda request: completion(f"to {request.json()['messages'][-1]['content']}"))
    return shared


@pytest.fixture
def cassette(tmp_path: Path) -> str:
    return str(tmp_path / "folder" / "test_a.json")


def texts(session: dict[str, Any], *asked: str, **more: Any) -> list[Any]:
    """What is said to each question, or the code of the error."""
    answers = [ask(session["base_url"], question(text, **more)) for text in asked]
    return [
        answer.json()["choices"][0]["message"]["content"] if answer.is_success else error_of(answer)["code"]
        for answer in answers
    ]


def test_a_session_records_into_its_file_and_another_replays_from_it_without_the_store(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="once", cassette=cassette) as session:
        assert session["mode"] == "cache"
        assert texts(session, "a", "b", "a") == ["to a", "to b", "to a"]
        assert sessions.verdict(session)["recorded"] == len(upstream.calls) == 2
    with sessions.opened(mode="once", cassette=cassette) as session:
        assert session["mode"] == "replay"
        assert texts(session, "b", "a", "c") == ["to b", "to a", "chatreel_no_recording"]
    with sessions.opened(mode="replay") as session:
        assert texts(session, "a") == ["chatreel_no_recording"], "it is not in the store"


def test_the_file_holds_the_answer_before_the_client_has_its_end(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        for n in range(5):
            [said] = texts(session, f"durable {n}")
            assert said in Path(cassette).read_text()
    assert [path.name for path in Path(cassette).parent.iterdir()] == ["test_a.json"], "nothing is left beside it"
    assert len(upstream.calls) == 5


def test_the_same_calls_make_the_same_file_and_replay_leaves_it_alone(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a", "b")
    before = (Path(cassette).read_bytes(), Path(cassette).stat().st_mtime_ns)
    with sessions.opened(mode="replay", cassette=cassette) as session:
        texts(session, "a", "x")
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a", "b")
    assert (Path(cassette).read_bytes(), Path(cassette).stat().st_mtime_ns) == before
    assert len(upstream.calls) == 2


def test_in_replay_a_cassette_that_does_not_exist_is_named(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="replay", cassette=cassette) as session:
        response = ask(session["base_url"], question())
        [warning] = sessions.verdict(session)["warnings"]
    assert cassette in error_of(response)["message"]
    assert f"{cassette} does not exist" in warning
    assert not Path(cassette).parent.exists()
    assert upstream.calls == []


def test_a_read_only_file_is_fine_in_replay(sessions: Sessions, upstream: Upstream, cassette: str) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a")
    Path(cassette).chmod(0o444)
    with sessions.opened(mode="replay", cassette=cassette) as session:
        assert texts(session, "a") == ["to a"]
    assert stat.S_IMODE(Path(cassette).stat().st_mode) == 0o444
    assert len(upstream.calls) == 1


def test_rewrite_puts_what_is_recorded_in_the_place_of_all_there_was(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "old", "kept")
    with sessions.opened(mode="rewrite", cassette=cassette) as session:
        assert session["mode"] == "record"
        texts(session, "kept")
    assert len(upstream.calls) == 3
    with sessions.opened(mode="replay", cassette=cassette) as session:
        assert texts(session, "kept", "old") == ["to kept", "chatreel_no_recording"]


def test_a_rewrite_that_recorded_nothing_loses_nothing_and_says_so(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a")
    before = Path(cassette).read_bytes()
    verdict = sessions.close(sessions.open(mode="rewrite", cassette=cassette))
    assert Path(cassette).read_bytes() == before
    assert any("still holds what it held" in warning for warning in verdict["warnings"])
    assert len(upstream.calls) == 1


def test_one_session_at_a_time_records_into_a_file(
    sessions: Sessions, upstream: Upstream, cassette: str, tmp_path: Path
) -> None:
    link = tmp_path / "link.json"
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a")
        link.symlink_to(cassette)
        for path in (cassette, str(link)):
            response = sessions.ask("POST", "sessions", json={"mode": "record", "cassette": path})
            assert (response.status_code, error_of(response)["code"]) == (409, "chatreel_cassette_in_use")
            assert error_of(response)["param"] == "cassette"
        with sessions.opened(mode="replay", cassette=cassette) as reader:
            assert texts(reader, "a") == ["to a"]
    with sessions.opened(mode="record", cassette=cassette) as session:
        texts(session, "a")
    assert len(upstream.calls) == 2


def test_a_file_that_somebody_else_changed_is_not_overwritten(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a")
        changed = Path(cassette).read_bytes() + b"\n"
        Path(cassette).write_bytes(changed)
        assert texts(session, "b") == ["to b"], "in cache the client still has its answer"
        verdict = sessions.verdict(session)
        assert Path(cassette).read_bytes() == changed
    assert any("was changed by another program" in warning for warning in verdict["warnings"])
    assert verdict["outcomes"] == {"recorded": 1, "passed": 1}
    with sessions.opened(mode="record", cassette=cassette) as session:
        Path(cassette).unlink()
        assert texts(session, "a") == ["chatreel_not_stored"], "in record it fails visibly"
    assert not Path(cassette).exists()
    assert len(upstream.calls) == 3


def test_a_link_stays_a_link_and_a_file_keeps_its_permissions(
    sessions: Sessions, upstream: Upstream, cassette: str, tmp_path: Path
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(Path(cassette).stat().st_mode) == 0o666 & ~umask
    Path(cassette).chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(cassette)
    with sessions.opened(mode="cache", cassette=str(link)) as session:
        texts(session, "b")
    assert link.is_symlink()
    assert stat.S_IMODE(Path(cassette).stat().st_mode) == 0o640
    assert "to b" in Path(cassette).read_text()
    assert len(upstream.calls) == 2


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"dear diary", "line 1"), (b"{}", "line 1"), (None, "cannot be read")]
)
def test_a_file_that_is_no_cassette_is_named_and_left_alone(
    sessions: Sessions, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "diary.json"
    path.mkdir() if content is None else path.write_bytes(content)
    for mode in ("replay", "cache", "cache"):
        response = sessions.ask("POST", "sessions", json={"mode": mode, "cassette": str(path)})
        assert (response.status_code, error_of(response)["code"]) == (422, "chatreel_cassette_unusable")
        assert str(path) in error_of(response)["message"]
        assert complaint in error_of(response)["message"]
    assert content is None or path.read_bytes() == content


def test_unused_recordings_are_listed(sessions: Sessions, upstream: Upstream, cassette: str) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a", "b", "forgotten")
        assert sessions.verdict(session)["unused"] == []
    with sessions.opened(mode="replay", cassette=cassette) as session:
        texts(session, "b", "a")
        [unused] = sessions.verdict(session)["unused"]
    assert (unused["text"], unused["model"]) == ("forgotten", "gpt-4o-mini")
    assert unused["key"].startswith("v1:")
    assert len(upstream.calls) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_recorded_in_order_and_so_is_the_retry(
    sessions: Sessions, upstream: Upstream, cassette: str, *, stream: bool
) -> None:
    """Also in `cache`: the error that the session has just recorded is not what answers the retry."""
    asked = question("flaky", stream=stream)
    upstream.reply_with(error(500), error(429), stream_of(["at", " last"]) if stream else completion("at last"))
    with sessions.opened(mode="cache", cassette=cassette) as session:
        live = [ask(session["base_url"], asked).status_code for _ in range(4)]
    with sessions.opened(mode="replay", cassette=cassette) as session:
        replayed = [ask(session["base_url"], asked).status_code for _ in range(4)]
    assert live == replayed == [500, 429, 200, 200]
    assert len(upstream.calls) == 3


def test_errors_are_not_recorded_where_that_is_switched_off(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    upstream.reply_with(error(500), completion("fine"))
    with sessions.opened(mode="cache", cassette=cassette, record_errors=False) as session:
        assert [ask(session["base_url"], question()).status_code for _ in range(2)] == [500, 200]
    with sessions.opened(mode="replay", cassette=cassette) as session:
        assert texts(session, "Hi") == ["fine"]


def test_strict_records_every_call_and_replays_each_take_once(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    upstream.reply_with(completion("pending"), completion("done"))
    with sessions.opened(mode="once", cassette=cassette, repeats="strict") as session:
        assert texts(session, "poll", "poll") == ["pending", "done"]
    with sessions.opened(mode="once", cassette=cassette, repeats="strict") as session:
        assert texts(session, "poll", "poll", "poll") == ["pending", "done", "chatreel_out_of_takes"]


def aged(cassette: str, when: str = "2001-01-01T00:00:00Z") -> None:
    """Have all recordings be made at that time."""
    path = Path(cassette)
    document = json.loads(path.read_text())
    text = path.read_text()
    for interaction in document["interactions"]:
        if isinstance(interaction, dict):
            text = text.replace(interaction["recorded_at"], when)
    path.write_text(text)


@pytest.mark.parametrize("mode", ["replay", "cache"])
def test_a_cassette_does_not_expire_but_max_age_can_warn(
    sessions: Sessions, upstream: Upstream, cassette: str, mode: str
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a")
    aged(cassette)
    with sessions.opened(mode=mode, cassette=cassette) as session:
        assert texts(session, "a") == ["to a"]
        assert sessions.verdict(session)["warnings"] == []
    with sessions.opened(mode=mode, cassette=cassette, max_age="30d") as session:
        assert texts(session, "a", "a") == ["to a", "to a"]
        verdict = sessions.verdict(session)
        [warning] = verdict["warnings"]
    assert "days old" in warning
    assert len(verdict["old"]) == 1
    assert cassette in warning
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("mode", ["replay", "cache"])
def test_max_age_can_refuse(sessions: Sessions, upstream: Upstream, cassette: str, mode: str) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a")
    aged(cassette)
    with sessions.opened(mode=mode, cassette=cassette, max_age="30d", on_max_age="fail") as session:
        assert texts(session, "a") == ["chatreel_too_old"]
    assert len(upstream.calls) == 1


def test_max_age_can_record_anew_in_the_place_of_the_old_but_never_in_replay(
    sessions: Sessions, upstream: Upstream, cassette: str
) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a", "b")
    aged(cassette)
    with sessions.opened(mode="replay", cassette=cassette, max_age="30d", on_max_age="record") as session:
        assert texts(session, "a") == ["to a"]
        assert len(sessions.verdict(session)["warnings"]) == 1
    assert len(upstream.calls) == 2
    upstream.reply_with(completion("new"))
    with sessions.opened(mode="cache", cassette=cassette, max_age="30d", on_max_age="record") as session:
        response = ask(session["base_url"], question("a"))
        assert response.headers["cache-status"].startswith("chatreel; fwd=stale; stored")
        assert texts(session, "a") == ["new"]
    with sessions.opened(mode="replay", cassette=cassette) as session:
        assert texts(session, "a", "a", "b") == ["new", "new", "to b"], "the old take of a is gone"
    assert len(upstream.calls) == 3


def test_an_answer_edited_by_hand_replays_and_says_so(sessions: Sessions, upstream: Upstream, cassette: str) -> None:
    with sessions.opened(mode="cache", cassette=cassette) as session:
        texts(session, "a", "b")
    path = Path(cassette)
    path.write_text(path.read_text().replace("to a", "edited by hand"))
    with sessions.opened(mode="replay", cassette=cassette) as session:
        response = ask(session["base_url"], question("a"))
        texts(session, "b")
        [edited] = sessions.verdict(session)["edited"]
        [call, _] = sessions.calls(session)
    assert response.json()["choices"][0]["message"]["content"] == "edited by hand"
    assert response.headers["cache-status"].endswith("; detail=edited")
    assert call["completion"]["choices"][0]["message"]["content"] == "edited by hand"
    assert isinstance(edited, int)
    assert len(upstream.calls) == 2


def test_the_default_session_can_have_a_cassette(upstream: Upstream, store: str, cassette: str) -> None:
    flags = ("--upstream", upstream.url, "--store", store, "--cassette", cassette)
    with running_chatreel(*flags, "--mode", "once") as proxy:
        recorded = ask(proxy.base_url, question())
        assert cassette in proxy.log
        other = Sessions.of(proxy).ask("POST", "sessions", json={"mode": "record", "cassette": cassette})
        assert other.status_code == 409
    with running_chatreel(*flags, "--mode", "once", "--repeats", "strict") as proxy:
        assert ask(proxy.base_url, question()).content == recorded.content
        assert error_of(ask(proxy.base_url, question()))["code"] == "chatreel_out_of_takes"
    assert len(upstream.calls) == 1


def test_a_file_that_is_no_cassette_is_not_written_over(sessions: Sessions, tmp_path: Path) -> None:
    mine = tmp_path / "diary.json"
    mine.write_text("Dear diary")
    refused = sessions.ask("POST", "sessions", json={"cassette": str(mine), "mode": "rewrite"})
    assert refused.status_code == 422
    assert "is no cassette" in error_of(refused)["message"]
    assert mine.read_text() == "Dear diary"
