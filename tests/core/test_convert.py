"""Answers in the form the client asked for: verbatim in the recorded form, converted in the other, errors as errors."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.errors import ChatreelError
from chatreel.model import Json, JsonObject
from chatreel.wire.api_errors import error_body, http_status
from chatreel.wire.codec import dumps, loads
from chatreel.wire.convert import Answer, NotConvertible, to_json, to_sse
from chatreel.wire.reading import Verdict, read
from chatreel.wire.reassemble import normalise, reassemble
from chatreel.wire.sse import parse
from support import official_client, response_schema
from support.streams import answer, call, called, chunk, envelope, sse

SEED = "v1:seed"
SSE_TYPE = "text/event-stream; charset=utf-8"
USAGE: JsonObject = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
FAULT: JsonObject = {"message": "boom", "type": "server_error", "param": None, "code": "overloaded"}
MESSAGE: JsonObject = {"role": "assistant", "content": "hi", "refusal": None}
WHOLE: JsonObject = {
    "id": "chatcmpl-7",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "m-1",
    "choices": [{"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}],
    "usage": USAGE,
}
TEXT = chunk({"role": "assistant", "content": "hi"})
END = chunk(finish="stop")
STREAM = sse(TEXT, END, envelope([], usage=USAGE))


def json_of(body: bytes, status: int = 200) -> Answer:
    return to_json(read(body, status=status), SEED)


def sse_of(body: bytes, status: int = 200, *, include_usage: bool | None = True) -> Answer:
    return to_sse(read(body, status=status), SEED, include_usage)


class TestSameForm:
    @pytest.mark.parametrize("body", [b" \n" + dumps(WHOLE), b'{ "choices": [{"message": {"content": 1.50}}] }\n'])
    def test_q74_a_json_body_goes_out_as_it_came(self, body: bytes) -> None:
        assert json_of(body) == Answer(200, "application/json", body)

    @pytest.mark.parametrize(
        "body", [STREAM, b": hello\r\n\r\n" + STREAM, sse(TEXT), sse(TEXT, done=False), b"data: {"]
    )
    def test_a_stream_goes_out_as_it_came(self, body: bytes) -> None:
        """Faithful to the byte, truncated or corrupt as it may be, unless usage has to come or go."""
        assert sse_of(body, include_usage=None) == Answer(200, SSE_TYPE, body)

    def test_usage_is_taken_out_for_a_client_that_did_not_ask(self) -> None:
        assert sse_of(STREAM, include_usage=False).body == sse(TEXT, END)

    def test_usage_is_put_in_for_a_client_that_asked(self) -> None:
        """Here it was recorded under a vendor's name (Q31)."""
        body = sse(TEXT, END | {"x_groq": {"usage": USAGE}})
        last = parse(sse_of(body).body)[-2]
        assert loads(last.data) == envelope([], usage=USAGE)

    def test_unknown_usage_is_not_invented(self) -> None:
        assert sse_of(sse(TEXT, END)).body == sse(TEXT, END)


class TestStreamToJson:
    def test_gives_the_reassembled_completion(self) -> None:
        reply = json_of(STREAM)
        assert (reply.status, reply.content_type) == (200, "application/json")
        assert loads(reply.body) == WHOLE

    def test_q66_invents_the_ids_nobody_sent(self) -> None:
        body = sse(
            envelope([{"index": 0, "delta": {"tool_calls": [call("f", "{}")]}}], id="", created=0), END | {"id": ""}
        )
        completion: Any = loads(json_of(body).body)
        assert completion["id"].startswith("chatcmpl-")
        assert completion["choices"][0]["message"]["tool_calls"][0]["id"].startswith("call_")

    @pytest.mark.parametrize("body", [sse(TEXT, done=False), sse(TEXT, b"data: {\n\n"), b": ping\n\n"])
    def test_refuses_what_is_not_whole(self, body: bytes) -> None:
        with pytest.raises(NotConvertible, match=r"as it was recorded\.$") as raised:
            json_of(body)
        assert isinstance(raised.value, ChatreelError)
        assert isinstance(raised.value, ValueError)


class TestJsonToStream:
    def test_gives_a_stream_that_says_the_same(self) -> None:
        reply = sse_of(dumps(WHOLE))
        assert (reply.status, reply.content_type) == (200, SSE_TYPE)
        assert reassemble(parse(reply.body)) == WHOLE

    @pytest.mark.parametrize("include_usage", [False, None])
    def test_has_no_usage_unless_asked(self, include_usage: bool | None) -> None:
        assert b"usage" not in sse_of(dumps(WHOLE), include_usage=include_usage).body

    @pytest.mark.parametrize("body", [b"<html>", b"", b"[]", dumps(WHOLE)[:-1]])
    def test_refuses_what_is_no_completion(self, body: bytes) -> None:
        with pytest.raises(NotConvertible):
            sse_of(body)

    def test_q54_merges_choices_of_one_index(self) -> None:
        calls: Json = {"index": 0, "message": {"tool_calls": [called("c", "f", "{}")]}, "finish_reason": "tool_calls"}
        body = dumps({"id": "c", "choices": [{"index": 0, "message": MESSAGE}, calls]})
        snapshot = official_client.accumulate(sse_of(body).body)
        (choice,) = snapshot["choices"]
        assert choice["message"]["content"] == "hi"
        assert choice["message"]["tool_calls"][0]["id"] == "c"
        assert choice["finish_reason"] == "tool_calls"


def test_q66_both_forms_carry_the_same_ids() -> None:
    """From either recording: a client sends the ids back, and they are part of its next request."""
    entry = call("f", "{}", type="function")
    message: JsonObject = {"role": "assistant", "content": None, "tool_calls": [entry, entry]}
    recorded_json = dumps({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    recorded_stream = answer({"tool_calls": [entry]}, {"tool_calls": [entry]}, finish="tool_calls")
    from_json: Any = reassemble(parse(sse_of(recorded_json).body))
    from_stream: Any = loads(json_of(recorded_stream).body)
    ids = [[one["id"] for one in whole["choices"][0]["message"]["tool_calls"]] for whole in (from_json, from_stream)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


# --- errors ---------------------------------------------------------------------------------------------------------

STATUSES: dict[str, tuple[Json, int]] = {
    "Q75-status-code": ({"status_code": 400, "code": "tool_use_failed"}, 400),
    "Q7-code-is-a-number": ({"code": 429}, 429),
    "Q7-code-is-a-text": ({"code": "401"}, 401),
    "code-is-a-name": ({"code": "overloaded"}, 502),
    "code-is-a-success": ({"code": 200}, 502),
    "Q6-minimax": ({"status_code": 1008}, 502),
    "code-is-long": ({"code": "9" * 50}, 502),
    "text": ("busy", 502),
    "nothing": (None, 502),
}


@pytest.mark.parametrize(("error", "status"), STATUSES.values(), ids=STATUSES)
def test_q75_the_status_an_error_stands_for(error: Json, status: int) -> None:
    assert http_status(error) == status


SHAPES: dict[str, tuple[Json, JsonObject]] = {
    "openai": (FAULT, FAULT),
    "Q75b-everything-stays": (
        {"message": "m", "failed_generation": "{"},
        {"message": "m", "type": "upstream_error", "param": None, "code": None, "failed_generation": "{"},
    ),
    "Q16-flat": (
        {"code": 400, "details": "no"},
        {"message": "no", "type": "upstream_error", "param": None, "code": 400, "details": "no"},
    ),
    "text": ("busy", {"message": "busy", "type": "upstream_error", "param": None, "code": None}),
    "message-is-no-text": (
        {"message": {"a": 1}},
        {"message": '{"a":1}', "type": "upstream_error", "param": None, "code": None},
    ),
    "silent": (None, {"message": "the reason", "type": "upstream_error", "param": None, "code": None}),
}


@pytest.mark.parametrize(("error", "shaped"), SHAPES.values(), ids=SHAPES)
def test_q75_an_error_in_the_shape_of_the_api(error: Json, shaped: JsonObject) -> None:
    assert error_body(error, "the reason") == {"error": shaped}


class TestErrors:
    def test_q75_in_the_middle_of_a_stream_it_becomes_an_http_error(self) -> None:
        reply = json_of(sse(TEXT, {"error": FAULT | {"status_code": 400}}))
        assert (reply.status, reply.content_type) == (400, "application/json")
        assert loads(reply.body) == {"error": FAULT | {"status_code": 400}}

    def test_q75_a_stream_client_gets_it_as_it_came(self) -> None:
        body = sse(TEXT, b"event: error\n", {"error": FAULT})
        assert sse_of(body) == Answer(200, SSE_TYPE, body)

    @pytest.mark.parametrize("body", [dumps({"error": FAULT}), b' {"detail": "no"}\n'])
    def test_q3_an_error_status_goes_out_as_json_verbatim_in_both_forms(self, body: bytes) -> None:
        assert json_of(body, 429) == sse_of(body, 429) == Answer(429, "application/json", body)

    @pytest.mark.parametrize("body", [b"<html>", b""])
    def test_q7_what_is_not_json_does_not_claim_to_be(self, body: bytes) -> None:
        assert json_of(body, 502) == sse_of(body, 502) == Answer(502, "text/plain; charset=utf-8", body)

    def test_q6_inside_a_200_a_json_client_gets_it_as_it_came(self) -> None:
        body = dumps({"error": FAULT})
        assert json_of(body) == Answer(200, "application/json", body)

    def test_q6_inside_a_200_a_stream_client_is_told(self) -> None:
        """The JSON itself would look like an empty stream to it."""
        with pytest.raises(official_client.APIError, match="boom"):
            official_client.accumulate(sse_of(dumps({"error": FAULT})).body)

    def test_a_stream_under_an_error_status_keeps_the_status(self) -> None:
        assert json_of(sse({"error": FAULT}), 503).status == 503
        assert sse_of(sse({"error": FAULT}), 503) == Answer(503, SSE_TYPE, sse({"error": FAULT}))

    def test_the_upstream_that_gave_up_is_an_error_without_words(self) -> None:
        reply = json_of(answer({"content": "a"}, finish="network_error"))
        assert reply.status == 502
        assert b"network_error" in reply.body


# --- the specification ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    not response_schema.SPECIFICATION.is_file(), reason="the specification is not beside the repository"
)
class TestSchema:
    @pytest.mark.parametrize(
        "body",
        [
            STREAM,
            answer({"content": "a"}, finish="length"),
            answer({"reasoning_content": "r"}, {"content": "a"}),
            sse(envelope([{"delta": {}}], id="", created=0), END | {"id": None, "created": 0, "model": None}),
            answer({"content": [{"type": "text", "text": "a"}]}),
        ],
        ids=["text", "cut-short", "reasoning", "bare", "parts"],
    )
    def test_a_converted_completion_is_valid(self, body: bytes) -> None:
        assert response_schema.violations(loads(json_of(body).body), response_schema.of_status(200)) == []

    def test_the_one_liberty_is_null_content_beside_tool_calls(self) -> None:
        """The API itself sends it, although the specification does not say so."""
        body = answer({"role": "assistant", "tool_calls": [call("f", "{}", index=0)]}, finish="tool_calls")
        found = response_schema.violations(loads(json_of(body).body), response_schema.of_status(200))
        assert found == [".choices[].message.content: null is no string"]

    @pytest.mark.parametrize("error", [FAULT, {"message": "m"}, "busy", {"code": "x", "detail": "d"}])
    def test_a_converted_error_is_valid(self, error: Json) -> None:
        reply = json_of(sse({"error": error}))
        assert response_schema.violations(loads(reply.body), response_schema.of_status(400)) == []

    def test_the_judge_finds_what_is_wrong(self) -> None:
        wrong: JsonObject = {
            "id": 5,
            "choices": [{"index": "0", "message": {"role": "robot"}, "finish_reason": "stop"}],
        }
        assert response_schema.violations(wrong, response_schema.of_status(200)) == [
            ".id: 5 is no string",
            '.choices[].index: "0" is no integer',
            ".choices[].message.content: missing",
            '.choices[].message.role: "robot" is not listed',
        ]


# --- laws -----------------------------------------------------------------------------------------------------------

CALLS = st.builds(call, st.sampled_from(["f", "g"]), st.text(max_size=3), index=st.integers(0, 2))
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": st.text(max_size=4) | st.none(),
        "reasoning": st.text(max_size=4),
        "refusal": st.none() | st.just("no"),
        "tool_calls": st.lists(CALLS, max_size=2),
        "vendor": st.text(max_size=3),
    },
)


class TestLaws:
    @given(st.lists(DELTAS, max_size=6))
    def test_there_and_back_again_says_the_same(self, deltas: list[Any]) -> None:
        """Stream to JSON to stream to JSON: the first and the second JSON are one object."""
        first = loads(json_of(answer(*deltas)).body)
        second = reassemble(parse(sse_of(dumps(first)).body))
        assert second == normalise(first)  # type: ignore[arg-type]  # to_json answers with an object

    @given(st.binary(max_size=200), st.sampled_from([200, 204, 404, 500]), st.sampled_from([True, False, None]))
    def test_any_bytes_have_an_answer_or_a_refusal(self, body: bytes, status: int, include_usage: bool | None) -> None:
        reading = read(body, status=status)
        for convert in (partial(to_json, reading, SEED), partial(to_sse, reading, SEED, include_usage)):
            try:
                assert isinstance(convert().body, bytes)
            except NotConvertible:
                assert reading.verdict in (Verdict.TRUNCATED, Verdict.CORRUPT)
