"""A call from request to log row, against a real store and without an engine."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chatreel.api_errors import ApiError, Problem
from chatreel.decide import Action
from chatreel.exchange import Answered, Asked, Exchange
from chatreel.facts import prompt_digest
from chatreel.http_caching import CacheStatus
from chatreel.model import Mode, Outcome, Piece
from chatreel.recorder import Habits, Recorder
from chatreel.recordings import StoreRecordings
from chatreel.session import DEFAULT_OPTIONS, Options, Session
from chatreel.store import Store
from chatreel.upstreams import Upstreams
from chatreel.wire.codec import dumps
from support import replies
from support.calls import question
from support.database import fill_up, rows
from support.stores import use

TARGET = Upstreams.parse(("https://h",)).target("/v1/chat/completions")
assert TARGET is not None
CHAT = TARGET

UNREADABLE = {"empty": b"", "cut": b'{"messages"', "array": b"[]", "no messages": b"{}", "not UTF-8": b"\xff"}
UNKEYABLE = b'{"model":"m","model":"n","messages":[]}'


def asked(text: str = "Hi", *, cache_control: str = "", **more: Any) -> Asked:
    return Asked(CHAT, dumps(question(text, **more)), cache_control)


def answered(reply: replies.Reply | None = None, **headers: str) -> Answered:
    """What an upstream answers: one piece, half a second after it was asked."""
    reply = reply or replies.completion("Hello.")
    body = reply.body or b"".join(reply.pieces or ())
    return Answered(reply.status, (*reply.headers.items(), *headers.items()), body, (Piece(0.5, len(body)),))


@dataclass
class At:
    """A recorder and the one session it has."""

    recorder: Recorder
    session: Session

    async def open(self, request: Asked) -> Exchange:
        return await self.recorder.open(request, self.session)


def record[T](store: str, mode: Mode, work: Callable[[At], Awaitable[T]], options: Options = DEFAULT_OPTIONS) -> T:
    """What some work of a recorder in that mode comes to; the log is written then."""

    async def run(opened: Store) -> T:
        return await work(At(Recorder(opened, Habits()), Session(mode, StoreRecordings(opened), options)))

    return use(store, run)


def call(
    store: str, mode: Mode, request: Asked, answer: Answered | None = None, options: Options = DEFAULT_OPTIONS
) -> tuple[Exchange, Any]:
    """One call, with the upstream's answer if it is forwarded; what became of it."""

    async def work(at: At) -> tuple[Exchange, Any]:
        exchange = await at.open(request)
        return exchange, None if exchange.reply else await at.recorder.finish(exchange, answer or answered())

    return record(store, mode, work, options)


def log(store: str) -> list[tuple[Any, ...]]:
    return rows(store, "SELECT outcome, status, recording_id FROM calls ORDER BY id")


def reply_headers(exchange: Exchange) -> dict[str, str]:
    assert exchange.reply
    return dict(exchange.reply.headers)


def error_code(exchange: Exchange) -> str:
    assert exchange.reply
    code: str = json.loads(exchange.reply.body)["error"]["code"]
    return code


def test_a_miss_is_recorded_and_then_a_hit(store: str) -> None:
    missed, status = call(store, Mode.CACHE, asked())
    hit, _ = call(store, Mode.CACHE, asked())
    assert missed.identity == hit.identity
    assert missed.identity
    assert status == CacheStatus(fwd="miss", stored=True, key=missed.identity.key)
    assert (missed.action, hit.action) == (Action.RECORD, Action.REPLAY)
    assert hit.reply
    assert (hit.reply.status, hit.reply.body) == (200, answered().body)
    assert reply_headers(hit)["cache-status"] == f'chatreel; hit; key="{missed.identity.key}"'
    assert int(reply_headers(hit)["age"]) >= 0
    assert log(store) == [("recorded", 200, 1), ("hit", 200, 1)]


def test_the_row_of_a_large_request_names_its_prompt_as_that_of_a_small_one_does(store: str) -> None:
    """It is found out earlier, so that nothing holds a large request any longer than its call takes."""
    asked_for = [call(store, Mode.RECORD, asked(text))[0].identity for text in ("x" * 2_000_000, "Hi")]
    prompts = [prompt_digest(identity.document) for identity in asked_for if identity]
    assert rows(store, "SELECT prompt FROM calls ORDER BY id") == [(prompt,) for prompt in prompts]


def test_a_row_says_what_was_asked_of_whom(store: str) -> None:
    exchange, _ = call(store, Mode.RECORD, asked(stream=True), answered(replies.stream()))
    assert exchange.identity
    assert rows(
        store, "SELECT call_id, mode, cassette, upstream, path, model, stream, key, reason, started_at FROM calls"
    ) == [
        (
            exchange.call_id,
            "record",
            "",
            "https://h",
            "/v1/chat/completions",
            "gpt-4o-mini",
            1,
            exchange.identity.key,
            "",
            exchange.started_at,
        )
    ]


def test_a_recording_holds_the_call_as_it_was_but_no_header_that_is_private(store: str) -> None:
    private = {"set-cookie": "__cf_bm=hunter2", "openai-organization": "hunter2"}
    secret: dict[str, Any] = private | {"x-request-id": "req_1"}
    exchange, _ = call(store, Mode.CACHE, asked(), answered(**secret))

    async def load(at: At) -> Any:
        return await at.session.recordings.load(1)

    stored = record(store, Mode.CACHE, load)
    assert stored.identity == exchange.identity
    assert (stored.request, stored.body) == (asked().body, answered().body)
    assert stored.headers == (("content-type", "application/json"), ("x-request-id", "req_1"))
    assert (stored.upstream, stored.path, stored.model) == ("https://h", "/v1/chat/completions", "gpt-4o-mini")
    assert stored.recorded_at == exchange.started_at
    assert stored.pieces == answered().pieces
    assert json.loads(stored.completion) == json.loads(stored.body)


def test_a_hit_in_the_other_wire_form_says_so(store: str) -> None:
    call(store, Mode.CACHE, asked())
    hit, _ = call(store, Mode.CACHE, asked(stream=True))
    assert reply_headers(hit)["content-type"].startswith("text/event-stream")
    assert reply_headers(hit)["cache-status"].endswith("; detail=converted")


@pytest.mark.parametrize(
    ("mode", "cache_control", "fwd"),
    [
        (Mode.CACHE, "max-age=0", "stale"),
        (Mode.CACHE, "no-cache", "request"),
        (Mode.RECORD, "", "bypass"),
        (Mode.RECORD, "max-age=60", "bypass"),
    ],
)
def test_a_recording_that_may_not_be_served_is_joined_by_a_newer_one(
    store: str, mode: Mode, cache_control: str, fwd: str
) -> None:
    call(store, Mode.CACHE, asked())
    exchange, status = call(store, mode, asked(cache_control=cache_control))
    assert exchange.identity
    assert status == CacheStatus(fwd=fwd, stored=True, key=exchange.identity.key)
    assert log(store)[1] == ("recorded", 200, 2)


@pytest.mark.parametrize(
    ("mode", "cache_control"), [(Mode.REPLAY, ""), (Mode.REPLAY, "no-store"), (Mode.CACHE, "only-if-cached")]
)
def test_a_miss_that_may_not_be_forwarded_is_refused_with_its_reason(
    store: str, mode: Mode, cache_control: str
) -> None:
    call(store, Mode.CACHE, asked("something else"))
    exchange, _ = call(store, mode, asked(cache_control=cache_control))
    assert error_code(exchange) == "chatreel_no_recording"
    assert exchange.reply
    assert json.loads(exchange.reply.body)["error"]["message"] == exchange.reason != ""
    assert log(store)[1] == ("refused", 504, None)
    assert rows(store, "SELECT reason FROM calls")[1] == (exchange.reason,)


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("mode", [Mode.CACHE, Mode.REPLAY, Mode.RECORD])
def test_a_body_nobody_can_read_is_refused(store: str, mode: Mode, body: bytes) -> None:
    exchange, _ = call(store, mode, Asked(CHAT, body))
    assert error_code(exchange) == "chatreel_bad_request"
    assert log(store) == [("refused", 400, None)]


def test_a_body_without_a_key_is_passed_on_or_refused_and_never_stored(store: str) -> None:
    passed, status = call(store, Mode.CACHE, Asked(CHAT, UNKEYABLE))
    refused, _ = call(store, Mode.REPLAY, Asked(CHAT, UNKEYABLE))
    assert status == CacheStatus(fwd="bypass", detail="unkeyable")
    assert "twice" in passed.reason
    assert error_code(refused) == "chatreel_not_keyable"
    assert log(store) == [("passed", 200, None), ("refused", 422, None)]
    assert rows(store, "SELECT key, model FROM calls") == [(None, "n"), (None, "n")]
    assert rows(store, "SELECT count(*) FROM recordings") == [(0,)]


@pytest.mark.parametrize("body", [asked().body, UNKEYABLE, *UNREADABLE.values()])
def test_passthrough_forwards_whatever_it_is_and_stores_nothing(store: str, body: bytes) -> None:
    exchange, status = call(store, Mode.PASSTHROUGH, Asked(CHAT, body))
    assert exchange.action is Action.FORWARD
    assert status == CacheStatus(fwd="bypass", detail="passthrough")
    assert log(store) == [("passed", 200, None)]
    assert rows(store, "SELECT count(*) FROM payloads") == [(0,)]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (replies.error(500), "not-stored-error"),
        (replies.error(429), "not-stored-error"),
        (replies.Reply(200, {}, b'{"error":{"message":"no"}}'), "not-stored-error"),
        (replies.stream(cut=True), "not-stored-truncated"),
        (replies.Reply(200, {}, b""), "not-stored-truncated"),
        (replies.Reply(200, {}, b"<html>"), "not-stored-corrupt"),
        (replies.Reply(200, {}, b'{"object":"list","data":[]}'), "not-stored-corrupt"),
    ],
)
def test_an_answer_that_is_not_complete_is_passed_and_never_stored(
    store: str, answer: replies.Reply, detail: str
) -> None:
    exchange, status = call(store, Mode.RECORD, asked(), answered(answer))
    assert exchange.identity
    assert status == CacheStatus(fwd="bypass", key=exchange.identity.key, detail=detail)
    assert exchange.reason
    assert log(store) == [("passed", answer.status, None)]
    assert rows(store, "SELECT count(*) FROM recordings") == [(0,)]


@pytest.mark.parametrize("status", [502, None])
def test_a_call_without_an_answer_failed(store: str, status: int | None) -> None:
    async def work(at: At) -> None:
        exchange = await at.open(asked())
        at.recorder.fail(exchange, "the upstream hung up", status=status)

    record(store, Mode.CACHE, work)
    assert log(store) == [("failed", status, None)]
    assert rows(store, "SELECT reason FROM calls") == [("the upstream hung up",)]


def test_a_call_is_logged_once_however_often_it_ends(store: str) -> None:
    """A client that leaves at `[DONE]` makes the engine report an error behind the end."""

    async def work(at: At) -> int:
        exchange = await at.open(asked())
        await at.recorder.finish(exchange, answered())
        at.recorder.fail(exchange, "Client disconnected.")
        return at.session.tally.calls

    assert record(store, Mode.CACHE, work) == 1
    assert log(store) == [("recorded", 200, 1)]


def test_a_call_that_is_turned_away_is_refused_unread(store: str) -> None:
    error = ApiError(Problem.TOO_LARGE, "too large")

    async def work(at: At) -> Any:
        return at.recorder.turn_away(CHAT, at.session, error)

    reply = record(store, Mode.CACHE, work)
    assert (reply.status, reply.body) == (413, error.body)
    assert log(store) == [("refused", 413, None)]
    assert rows(store, "SELECT reason, key FROM calls") == [("too large", None)]


def test_the_tally_counts_what_the_log_says_and_the_time_saved(store: str) -> None:
    async def work(at: At) -> Any:
        slow = Answered(200, (), answered().body, (Piece(1000.0, len(answered().body)),))
        await at.recorder.finish(await at.open(asked()), slow)
        await at.open(asked())
        await at.open(asked("other", cache_control="only-if-cached"))
        return at.session.tally

    tally = record(store, Mode.CACHE, work)
    assert tally.outcomes == {Outcome.RECORDED: 1, Outcome.HIT: 1, Outcome.REFUSED: 1}
    assert 900 < tally.seconds_saved <= 1000
    assert [outcome for outcome, *_ in log(store)] == ["recorded", "hit", "refused"]


def test_a_directive_that_is_malformed_is_named_in_the_log(store: str, caplog: pytest.LogCaptureFixture) -> None:
    call(store, Mode.CACHE, asked(cache_control="max-age=soon"))
    assert "max-age=soon" in caplog.text


DAMAGE = {
    "the payloads are gone": ("DELETE FROM payloads",),
    "a payload is damaged": ("UPDATE payloads SET data = x'00'",),
    "a row is damaged": ("UPDATE recordings SET pieces = x'00'",),
    "a table is gone": ("ALTER TABLE recordings RENAME TO lost",),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_store_that_cannot_be_read_is_a_miss(
    store: str, damage: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    call(store, Mode.CACHE, asked())
    for statement in damage:
        rows(store, statement)
    exchange, _ = call(store, Mode.CACHE, asked())
    assert (exchange.action, exchange.reply) == (Action.RECORD, None)
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_store_that_cannot_be_read_is_a_refusal_in_replay(store: str, damage: tuple[str, ...]) -> None:
    call(store, Mode.CACHE, asked())
    for statement in damage:
        rows(store, statement)
    exchange, _ = call(store, Mode.REPLAY, asked())
    assert exchange.action is Action.REFUSE
    assert error_code(exchange) == "chatreel_no_recording"


@pytest.fixture
def full(store: str) -> str:
    """A store that can be read and takes no recording any more."""
    call(store, Mode.CACHE, asked("recorded"))
    fill_up(store)
    return store


def test_in_cache_an_answer_that_cannot_be_stored_goes_out_with_a_warning(
    full: str, caplog: pytest.LogCaptureFixture
) -> None:
    exchange, status = call(full, Mode.CACHE, asked())
    assert exchange.identity
    assert status == CacheStatus(fwd="miss", key=exchange.identity.key, detail="store-failed")
    assert [record.levelno for record in caplog.records if "NOTHING IS BEING RECORDED" in record.message] == [
        logging.CRITICAL
    ]
    assert log(full)[1] == ("passed", 200, None)
    assert rows(full, "SELECT reason FROM calls")[1] == ("not stored: the store failed: the disk is full",)


@pytest.mark.parametrize(("mode", "cache_control"), [(Mode.RECORD, ""), (Mode.CACHE, "no-cache")])
def test_in_record_an_answer_that_cannot_be_stored_is_an_error(full: str, mode: Mode, cache_control: str) -> None:
    _, error = call(full, mode, asked(cache_control=cache_control))
    assert isinstance(error, ApiError)
    assert error.problem is Problem.NOT_STORED
    assert "the disk is full" in error.message
    assert log(full)[1] == ("failed", 500, None)


def test_what_is_recorded_already_is_served_from_a_full_store(full: str) -> None:
    assert call(full, Mode.CACHE, asked("recorded"))[0].action is Action.REPLAY


def test_hits_beyond_twenty_in_a_second_are_counted_on_the_terminal(
    store: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatreel")

    async def work(opened: Store) -> tuple[list[bool], list[bool]]:
        logbook = Recorder(opened, Habits())._logbook
        said = [logbook._may_say(Outcome.HIT, 5.0) for _ in range(60)]
        return said, [logbook._may_say(Outcome.REFUSED, 5.9), logbook._may_say(Outcome.HIT, 6.0)]

    assert use(store, work) == ([True] * 20 + [False] * 40, [True, True])
    assert "40 more" in caplog.text
