"""What an answer says about itself is read off it, and nothing is made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from chatreel.facts import NO_FACTS, facts_of, facts_of_bytes, prompt_digest
from chatreel.model import Piece, WireForm
from support.resources import traffic
from support.stores import document, take

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 5},
    "cost": 0.000123,
}


def completion(**more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    return {"id": "1", "model": "m-2026", "choices": [choice], "usage": USAGE} | more


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "1", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def streamed(*arrivals: tuple[float, bytes]) -> Any:
    """A recorded stream, of pieces that came at these times."""
    body = b"".join(data for _, data in arrivals)
    pieces = tuple(Piece(at, len(data)) for at, data in arrivals)
    return take(body=body, form=WireForm.SSE, pieces=pieces, completion=json.dumps(completion()).encode())


def test_a_completion_says_its_model_its_end_and_its_tokens() -> None:
    found = facts_of(take(completion=json.dumps(completion(service_tier="flex")).encode()))
    assert (found.model_served, found.finish_reason, found.service_tier) == ("m-2026", "stop", "flex")
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens, found.reasoning_tokens) == (
        100,
        20,
        60,
        5,
    )
    assert found.reported_cost == 123_000
    assert found.answered
    assert (found.chunks, found.first_content, found.last_content, found.error_type) == (None, None, None, None)
    assert found.tokens.prompt == 100
    assert found.tokens.tier == "flex"


def test_usage_is_kept_as_it_was_reported_wherever_it_stood() -> None:
    assert json.loads(facts_of(take(completion=json.dumps(completion()).encode())).usage or "") == USAGE
    beside = completion(x_groq={"usage": {"prompt_tokens": 1}}, choices=[{"usage": {"completion_tokens": 2}}])
    kept = json.loads(facts_of(take(completion=json.dumps(beside).encode())).usage or "")
    assert kept == {"usage": USAGE, "x_groq": beside["x_groq"], "choices": [{"completion_tokens": 2}]}
    without = {name: value for name, value in completion().items() if name != "usage"}
    assert facts_of(take(completion=json.dumps(without).encode())).usage is None


def test_several_choices_say_each_end_once() -> None:
    choices = [{"finish_reason": reason} for reason in ("stop", "length", "stop", None)]
    assert facts_of(take(completion=json.dumps(completion(choices=choices)).encode())).finish_reason == "stop,length"


def test_the_first_token_is_the_first_event_with_anything_of_the_answer_in_it() -> None:
    """Neither the role, nor a comment, nor thinking aloud, nor half an event is."""
    first = chunk({"content": "Hel"})
    found = facts_of(
        streamed(
            (0.1, b": wait\n\n" + chunk({"role": "assistant", "content": ""})),
            (0.2, chunk({"reasoning_content": "hm"})),
            (0.3, first[:20]),
            (0.4, first[20:] + chunk({"content": "lo"})),
            (0.7, chunk({"tool_calls": [{"index": 0}]})),
            (0.9, chunk({}, "stop") + b"data: [DONE]\n\n"),
        )
    )
    assert (found.chunks, found.first_content, found.last_content) == (3, 0.4, 0.7)


def test_a_stream_without_a_word_has_no_first_token() -> None:
    found = facts_of(streamed((0.1, chunk({"role": "assistant"})), (0.2, b"data: [DONE]\n\n")))
    assert (found.chunks, found.first_content, found.last_content) == (0, None, None)


def piece(body: bytes) -> tuple[Piece, ...]:
    return (Piece(0.5, len(body)),)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b'{"error":{"message":"slow down","type":"rate_limit_error","code":"x"}}', "rate_limit_error"),
        (400, b'{"error":{"message":"no","type":null,"code":"bad_thing"}}', "bad_thing"),
        (502, b"<html>", "http_502"),
        (200, b'{"error":{"message":"inside a 200"}}', "error"),
        (200, chunk({"content": "cut off"}), "truncated"),
        (200, b"[1]", "corrupt"),
        (200, b"", "truncated"),
        (200, json.dumps(completion()).encode(), None),
    ],
)
def test_an_error_has_the_name_that_its_api_gives_it(status: int, body: bytes, error: str | None) -> None:
    assert facts_of_bytes(status, body, piece(body)).error_type == error


def test_a_recorded_error_is_an_error_each_time_it_is_replayed() -> None:
    body = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'
    found = facts_of(take(status=429, body=body, completion=b""))
    assert (found.error_type, found.answered) == ("rate_limit_error", False)


def test_the_beginning_of_an_answer_is_an_answer_somebody_may_have_to_pay_for() -> None:
    body = chunk({"content": "cut off"})
    assert facts_of_bytes(200, body, piece(body)).answered


@pytest.mark.parametrize("completion_", [b"null", b"[]", b"{", b'{"choices":5,"usage":7,"model":[]}', b"\xff"])
def test_what_cannot_be_read_says_nothing(completion_: bytes) -> None:
    found = facts_of(take(completion=completion_))
    assert (found.model_served, found.finish_reason, found.prompt_tokens) == (None, None, None)
    assert NO_FACTS.answered is False


def test_a_prompt_is_the_same_whatever_the_parameters() -> None:
    def digest(**body: Any) -> str | None:
        return prompt_digest(document("https://h", "/v1/chat/completions", body))

    hello: list[Any] = [{"role": "user", "content": "Hello"}]
    assert digest(messages=hello, temperature=0) == digest(messages=hello, model="other", tools=[])
    assert digest(messages=hello) != digest(messages=[{"role": "user", "content": "Hello!"}])
    assert len(digest(messages=hello) or "") == 16
    assert digest(messages=[]) is None
    assert prompt_digest(b"no JSON") is None


@pytest.mark.parametrize("file", traffic(".sse", ".txt", ".json"), ids=lambda file: file.name)
def test_real_answers_can_be_read(file: Path) -> None:
    body = file.read_bytes()
    found = facts_of_bytes(200, body, piece(body))
    assert found.chunks is None or found.chunks >= 0
    assert found.usage is None or json.loads(found.usage)
