"""Errors of ours have the shape, the status and the retry advice that clients of the API understand."""

import json

import pytest

from chatreel.api_errors import ApiError, Problem
from chatreel.reply import Reply, refusal

SDK_RETRIES = {408, 409, 429}
"""And everything from 500 on: what the official clients retry unless they are told not to."""


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_travels_in_the_apis_shape(problem: Problem) -> None:
    error = ApiError(problem, "what happened", param="messages")
    said = json.loads(error.body)
    assert list(said) == ["error"]
    assert said["error"] == {
        "message": "what happened",
        "type": problem.value.type,
        "param": "messages",
        "code": problem.value.code,
    }
    assert problem.value.code.startswith("chatreel_")
    assert 400 <= error.status <= 599
    assert dict(error.headers)["content-type"] == "application/json"


def test_every_problem_has_a_code_of_its_own() -> None:
    assert len({problem.value.code for problem in Problem}) == len(Problem)


@pytest.mark.parametrize("problem", Problem)
def test_clients_are_kept_from_retrying_what_cannot_get_better(problem: Problem) -> None:
    error = ApiError(problem, "")
    told = dict(error.headers).get("x-should-retry")
    assert told == (None if problem.value.retry else "false")
    if problem.value.retry:
        assert error.status in SDK_RETRIES or error.status >= 500, "else nobody would retry"


@pytest.mark.parametrize(
    "message", ["", 'quotes " and \\', "line\nend\x00", "café ☕", "bytes \udcff\udcfe that are no text"]
)
def test_any_message_can_be_written(message: str) -> None:
    said = json.loads(ApiError(Problem.INTERNAL, message).body)["error"]["message"]
    assert said == message.encode(errors="replace").decode()


def test_a_refusal_is_the_error_and_says_what_the_cache_did() -> None:
    error = ApiError(Problem.NO_RECORDING, "nothing there")
    assert refusal(error) == Reply(
        504, (*error.headers, ("cache-status", "chatreel; detail=chatreel_no_recording")), error.body
    )


def test_headers_are_added_behind_those_there_are() -> None:
    reply = Reply(200, (("a", "1"),), b"x", converted=True)
    assert reply.with_headers(("b", "2"), ("a", "3")) == Reply(
        200, (("a", "1"), ("b", "2"), ("a", "3")), b"x", converted=True
    )
