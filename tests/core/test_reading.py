"""What a body amounts to: its form (Q2-Q5), its verdict (Q6-Q8, Q25, Q75, Q76), and nothing that could be wrong."""

import json
from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Json, JsonObject, WireForm
from chatreel.wire import stream_reader
from chatreel.wire.codec import dumps, loads
from chatreel.wire.reading import Reading, Verdict, begins, read
from chatreel.wire.spoken import SILENT, spoken
from chatreel.wire.sse import SSEParser, encode
from support.streams import answer, call, chunk, envelope, sse

COMPLETE, ERROR, TRUNCATED, CORRUPT = Verdict

USAGE: JsonObject = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
FAULT: JsonObject = {"message": "boom", "type": "server_error", "code": 500}
MESSAGE: JsonObject = {"role": "assistant", "content": "hi"}
WHOLE: JsonObject = {"id": "c", "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}
TEXT = chunk({"role": "assistant", "content": "hi"})
MORE = chunk({"content": " there"})
END = chunk(finish="stop")
USED = envelope([], usage=USAGE)


def with_choice(**members: Json) -> bytes:
    return dumps({"choices": [{"index": 0, "message": MESSAGE, **members}]})


# --- the form -------------------------------------------------------------------------------------------------------

FORMS: dict[str, tuple[bytes, WireForm]] = {
    "Q2-data": (b"data: {}\n\n", WireForm.SSE),
    "Q2-data-without-space": (b"data:{}\n\n", WireForm.SSE),
    "Q2-event-first": (b"event: error\ndata: {}\n\n", WireForm.SSE),
    "Q2-id-first": (b"id: 1\n", WireForm.SSE),
    "Q2-retry-first": (b"retry: 3\n", WireForm.SSE),
    "Q11-comment-first": (b": OPENROUTER PROCESSING\n\ndata: {}\n\n", WireForm.SSE),
    "Q20-bom-before-data": (b"\xef\xbb\xbfdata: {}\n\n", WireForm.SSE),
    "Q20-bom-before-json": (b'\xef\xbb\xbf{"a":1}', WireForm.JSON),
    "Q21-indented-data": (b" data: {}\n\n", WireForm.SSE),
    "Q21-error-line": (b"error: {}\n", WireForm.SSE),
    "Q21-bare-error-then-sentinel": (b'{"error":{"message":"x"}}\n\ndata: [DONE]\n\n', WireForm.SSE),
    "Q5-blank-lines-before-json": (b"\n     \n\n     \n" + dumps(WHOLE), WireForm.JSON),
    "Q4-stream-although-not-asked": (answer({"content": "a"}), WireForm.SSE),
    "Q3-json-although-a-stream-was-asked": (dumps(WHOLE), WireForm.JSON),
    "json-array": (b"[1]", WireForm.JSON),
    "a-text-about-data": (b'{"content":"\\ndata: x"}', WireForm.JSON),
}


@pytest.mark.parametrize("content_type", ["", "application/json", "text/event-stream; charset=utf-8"])
@pytest.mark.parametrize(("body", "form"), FORMS.values(), ids=FORMS)
def test_the_first_bytes_tell_the_form(body: bytes, form: WireForm, content_type: str) -> None:
    """Whatever the content type claims (Q2)."""
    assert read(body, content_type=content_type).form is form


@pytest.mark.parametrize("content_type", ["text/event-stream", "Text/Event-Stream;charset=UTF-8"])
def test_q2_the_media_type_counts_where_the_body_says_nothing(content_type: str) -> None:
    assert read(b"", content_type=content_type).form is WireForm.SSE
    assert read(b"\n", content_type="application/json").form is WireForm.JSON


# --- the verdict ----------------------------------------------------------------------------------------------------

STREAMS: dict[str, tuple[bytes, Verdict]] = {
    "Q8-done": (sse(TEXT, END), COMPLETE),
    "Q8-done-without-finish-reason": (sse(TEXT, USED), COMPLETE),
    "Q14-finish-reason-without-done": (sse(TEXT, END, done=False), COMPLETE),
    "Q8-usage-chunk-after-content": (sse(TEXT, USED, done=False), COMPLETE),
    "Q8-neither": (sse(TEXT, done=False), TRUNCATED),
    "Q8-one-of-two-choices-unfinished": (sse(TEXT, chunk({"content": "b"}, index=1), END, done=False), TRUNCATED),
    "Q30-usage-in-every-chunk-proves-nothing": (sse(TEXT | {"usage": USAGE}, done=False), TRUNCATED),
    "Q30-usage-before-content-proves-nothing": (sse(USED, TEXT, done=False), TRUNCATED),
    "Q8-content-after-the-usage-chunk": (sse(TEXT, USED, MORE, done=False), TRUNCATED),
    "V11-nothing-but-comments": (b": ping\n\n", TRUNCATED),
    "Q15-done-twice": (sse(TEXT, END, encode(b"[DONE]")), COMPLETE),
    "Q15-rubbish-after-done": (sse(TEXT, END) + b"data: {\n\n<html>", COMPLETE),
    "Q15-done-without-blank-line": (sse(TEXT, END, done=False) + b"data: [DONE]", COMPLETE),
    "Q22-last-event-without-blank-line": (sse(TEXT, END, done=False)[:-2], COMPLETE),
    "Q22-cut-inside-the-last-event": (sse(TEXT, END, done=False)[:-4], TRUNCATED),
    "Q22-cut-inside-done": (sse(TEXT)[:-5], TRUNCATED),
    "Q21-html-after-a-cut": (sse(TEXT, b"<html>502</html>\n", done=False), TRUNCATED),
    "Q21-odd-line-in-between": (sse(TEXT, b"hello world\n", END), COMPLETE),
    "Q25-corrupt-json": (sse(TEXT, b'data: {"choices":[{"delta":{"role":"adata: {"id":1}\n\n', END), CORRUPT),
    "Q25-event-is-no-object": (sse(TEXT, b"data: 5\n\n", END), CORRUPT),
    "Q25-invalid-utf-8": (sse(TEXT, b'data: {"x":"\xff"}\n\n', END), CORRUPT),
    "Q56-audio-ends-without-finish-reason": (sse(chunk({"audio": {"expires_at": 9}}), done=False), COMPLETE),
    "Q75a-error-event": (sse(TEXT, {"error": FAULT}), ERROR),
    "Q75a-error-without-done": (sse(TEXT, {"error": FAULT}, done=False), ERROR),
    "Q75b-event-error": (sse(TEXT, b"event: error\n", {"error": FAULT}), ERROR),
    "Q16-event-error-flat": (sse(TEXT, b'event: error\ndata: {"code":400,"details":"no"}\n\n', END), ERROR),
    "Q16-event-error-no-json": (sse(TEXT, b"event: error\ndata: overloaded\n\n", END), ERROR),
    "Q16-event-error-empty": (sse(TEXT, b"event: error\n\n", END), ERROR),
    "Q75c-error-beside-choices": (sse(TEXT, END | {"error": FAULT}), ERROR),
    "Q75d-error-line": (sse(TEXT, b'error: {"code":500,"message":"boom"}\n\n', END), ERROR),
    "Q75e-unframed": (sse(TEXT, b'{"error":{"message":"boom"}}\n\n', END), ERROR),
    "Q75f-only-done": (sse(), ERROR),
    "Q75g-error-is-a-text": (sse(TEXT, {"error": "overloaded", "error_type": "overloaded"}), ERROR),
    "Q75h-just-ends": (sse(TEXT, MORE, done=False), TRUNCATED),
    "Q76-error-first": (sse({"error": FAULT}), ERROR),
    "Q6-error-of-a-choice": (sse(TEXT, envelope([{"index": 0, "delta": {}, "error": FAULT}])), ERROR),
    "Q6-minimax": (sse({"base_resp": {"status_code": 1008, "status_msg": "no balance"}, "choices": None}), ERROR),
    "Q7-object-error": (sse(TEXT, {"object": "error", "message": "boom", "code": 400}, END), ERROR),
    "Q7-flat-detail": (sse(TEXT, {"detail": "gone"}, END), ERROR),
    "Q44-the-upstream-gave-up": (sse(TEXT, chunk(finish="network_error")), ERROR),
    "error-null-is-no-error": (sse(TEXT | {"error": None}, END), COMPLETE),
    "error-before-corruption": (sse({"error": FAULT}, b"data: {\n\n", done=False), ERROR),
    "Q26-azure-filter-chunk-first": (sse(envelope([], id="", prompt_filter_results=[{}]), TEXT, END), COMPLETE),
}  # fmt: skip


@pytest.mark.parametrize(("body", "verdict"), STREAMS.values(), ids=STREAMS)
def test_verdict_of_a_stream(body: bytes, verdict: Verdict) -> None:
    """A stream that ended cleanly gets this verdict, and a reason if it is not complete."""
    reading = read(body)
    assert (reading.form, reading.verdict) == (WireForm.SSE, verdict)
    check_shape(reading)


BODIES: dict[str, tuple[bytes, Verdict]] = {
    "Q5-padded": (b"\n    \n" + dumps(WHOLE) + b"\n", COMPLETE),
    "Q43-content-absent": (dumps({"choices": [{"message": {"tool_calls": [call("f")]}}]}), COMPLETE),
    "Q44-finish-reason-empty": (with_choice(finish_reason=""), COMPLETE),
    "Q54-same-index-twice": (dumps({"choices": [{"index": 0, "message": MESSAGE}] * 2}), COMPLETE),
    "Q6-error-inside-200": (dumps({"error": FAULT}), ERROR),
    "Q6-minimax": (dumps({"base_resp": {"status_code": 1008, "status_msg": "no balance"}, "choices": None}), ERROR),
    "Q6-minimax-success": (dumps(WHOLE | {"base_resp": {"status_code": 0}}), COMPLETE),
    "Q6-choice-error": (with_choice(error={"code": 502}), ERROR),
    "Q6-choices-null": (b'{"choices":null}', ERROR),
    "Q6-choices-empty": (b'{"choices":[]}', ERROR),
    "Q7-mistral": (dumps({"detail": "Invalid API Key"}), ERROR),
    "Q7-vllm": (dumps({"object": "error", "message": "bad", "code": 400}), ERROR),
    "Q44-the-upstream-gave-up": (with_choice(finish_reason="error"), ERROR),
    "Q26-azure-withheld-the-message": (
        dumps({"choices": [{"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}]}),
        COMPLETE,
    ),
    "Q25-not-json": (b"<html>", CORRUPT),
    "Q25-cut-json": (dumps(WHOLE)[:-3], CORRUPT),
    "Q25-two-objects": (dumps(WHOLE) * 2, CORRUPT),
    "nan": (b'{"choices":[{"message":{"x":NaN}}]}', CORRUPT),
    "array": (b"[]", CORRUPT),
    "other-api": (b'{"object":"list","data":[]}', CORRUPT),
    "legacy-completion": (b'{"choices":[{"text":"a","index":0,"finish_reason":"stop"}]}', CORRUPT),
    "a-chunk": (dumps(TEXT), CORRUPT),
    "choices-odd": (b'{"choices":[5]}', CORRUPT),
    "V11-empty": (b"", TRUNCATED),
    "too-deep": (b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}", CORRUPT),
    "duplicate-keys": (b'{"id":1,"id":2,"choices":[{"message":{"content":"a"}}]}', COMPLETE),
}  # fmt: skip


@pytest.mark.parametrize(("body", "verdict"), BODIES.values(), ids=BODIES)
def test_verdict_of_a_body(body: bytes, verdict: Verdict) -> None:
    """A body that ended cleanly gets this verdict, and a reason if it is not complete."""
    reading = read(body)
    assert (reading.form, reading.verdict) == (WireForm.JSON, verdict)
    check_shape(reading)


def check_shape(reading: Reading) -> None:
    """The parts of a reading agree with its verdict."""
    complete = reading.verdict is COMPLETE
    assert (reading.reason == "") is complete
    assert (reading.error is None) is (reading.verdict is not ERROR)
    assert reading.reason == "" or reading.reason.endswith(".")
    if complete:
        assert reading.completion
        assert reading.completion["choices"]


@pytest.mark.parametrize("body", [dumps(WHOLE), sse(TEXT, END), dumps(WHOLE)[:-1], sse(TEXT)[:9]])
def test_q8_nothing_is_complete_whose_transport_broke(body: bytes) -> None:
    reading = read(body, clean_end=False)
    assert reading.verdict is TRUNCATED
    check_shape(reading)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503, 100])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", dumps({"error": FAULT}), dumps(WHOLE), sse(TEXT, END), b"{", b"data: {"]
)
def test_q7_a_status_that_is_no_success_is_an_error(body: bytes, status: int) -> None:
    reading = read(body, status=status)
    assert reading.verdict is ERROR
    assert str(status) in reading.reason


ERRORS: dict[str, tuple[bytes, int, Json]] = {
    "openai": (dumps({"error": FAULT}), 500, FAULT),
    "Q7-not-openai": (dumps({"a": 1}), 400, {"a": 1}),
    "Q7-html": (b" <html>\n", 502, "<html>"),
    "Q75-stream": (sse(TEXT, {"error": FAULT}), 200, FAULT),
    "Q75g-text": (sse({"error": "busy", "error_type": "overloaded"}), 200, {"message": "busy", "type": "overloaded"}),
    "Q16-flat": (b'event: error\ndata: {"code":400,"details":"no"}\n\n', 200, {"code": 400, "details": "no"}),
    "Q16-text": (b"event: error\ndata: busy\n\n", 200, "busy"),
    "Q75d-nested": (b'error: {"detail":"d","error":{"message":"m"}}\n\n', 200, {"message": "m"}),
    "first-of-two": (sse({"error": FAULT}, {"error": {"message": "later"}}), 200, FAULT),
}


@pytest.mark.parametrize(("body", "status", "error"), ERRORS.values(), ids=ERRORS)
def test_the_error_is_what_the_api_said(body: bytes, status: int, error: Json) -> None:
    assert read(body, status=status).error == error


def test_the_completion_of_a_body_is_as_it_came() -> None:
    """Q54, Q74: nothing is reshaped, reordered or rounded."""
    body = (
        b'{"z":1e-05,"n":123456789012345678901234567890,"choices":[{"message":{"tool_calls":[{"index":3}]}}],"a":null}'
    )
    completion = read(body).completion
    assert completion is not None
    assert list(completion) == ["z", "n", "choices", "a"]
    assert completion["n"] == 123456789012345678901234567890
    assert loads(dumps(completion)) == loads(body)


def test_q75c_what_came_before_an_error_is_kept_for_diagnosis() -> None:
    reading: Any = read(sse(TEXT, {"error": FAULT}))
    assert reading.completion["choices"][0]["message"]["content"] == "hi"


def test_q21_lines_that_are_not_sse_are_counted() -> None:
    assert read(sse(TEXT, b"hello world\n", b" data: {}\n", END)).ignored_lines == 2


def test_q21_an_indented_field_counts_on_import_only() -> None:
    body = b" " + sse(TEXT, END)
    strict: Any = read(body)
    lenient: Any = read(body, lenient=True)
    assert strict.completion["choices"][0]["message"]["content"] == ""
    assert lenient.completion["choices"][0]["message"]["content"] == "hi"


def test_q24_an_event_beyond_the_limit_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_reader, "SSEParser", partial(SSEParser, limit=50))
    assert read(sse(TEXT, END)).verdict is CORRUPT


# --- laws -----------------------------------------------------------------------------------------------------------

REAL = sse(
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "hm"}),
    chunk({"content": "hé\u2028llo"}),
    chunk({"tool_calls": [call("f", "{", index=0, id="c1")]}),
    chunk({"tool_calls": [call("", "}", index=0)]}),
    chunk(finish="tool_calls"),
    USED,
)


FRAGMENTS = st.sampled_from(
    [
        *b'data:  { } [ ] , : "a" null 1e999 \xff [DONE] "choices": "delta": "message": "content": "error":'.split(
            b" "
        ),
        *b'"usage": "index":0 "tool_calls": {"choices":[{"delta":{"content":"x"}}]} 123456789012345678901'.split(b" "),
        *[b" ", b"\n", b"\n\n", b"\r", b"event: error\n"],
    ]
)


class TestCuts:
    """A stream cut anywhere is complete only where Q8 says so: after every choice has finished."""

    def test_at_every_byte(self) -> None:
        finished = REAL.index(b'"finish_reason":"tool_calls"')
        for length in range(len(REAL) + 1):
            reading = read(REAL[:length])
            if length <= finished:
                assert reading.verdict is not COMPLETE, length
            elif reading.verdict is COMPLETE:
                assert self._message(reading) == self._message(read(REAL)), length
            check_shape(reading)

    def test_at_every_byte_of_a_broken_transport(self) -> None:
        assert all(read(REAL[:length], clean_end=False).verdict is not COMPLETE for length in range(len(REAL) + 1))

    @staticmethod
    def _message(reading: Reading) -> Any:
        completion: Any = reading.completion
        return completion["choices"]


class TestLaws:
    @given(st.lists(FRAGMENTS), st.lists(FRAGMENTS))
    def test_what_says_something_is_found_with_and_without_reassembling_it(
        self, before: list[bytes], after: list[bytes]
    ) -> None:
        body = b"".join([b"data: {}\n\n", *before, b"\n\n", REAL, *after])
        assert spoken(body) == read(body).spoken

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_an_event_says_something_once_its_blank_line_has_begun(self, end: bytes) -> None:
        body = sse(TEXT, MORE).replace(b"\n", end)
        found = spoken(body)
        assert found.events == 2
        for position, number in ((found.first, 1), (found.last, 2)):
            assert [len(SSEParser().feed(body[:to])) for to in (position - 1, position)] == [number - 1, number]

    def test_what_follows_done_and_what_reports_an_error_says_nothing(self) -> None:
        assert spoken(b"data: [DONE]\n\n" + encode(dumps(TEXT))) == SILENT
        assert spoken(b"event: error\n" + encode(dumps(TEXT))) == SILENT

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b"]),  # the model
                st.integers(0, 4).map(lambda n: n // 4),  # the choice: the first as a rule
                st.sampled_from(["content"] * 4 + ["reasoning", "tool", "logprobs"]),
                st.sampled_from([*"ab", "", "\n", '"', "\\", "~", "é", "\u2028", "\x7f", " data: [DONE]"]),
                st.sampled_from(["", "xyz", '"']),  # padding
            ),
            max_size=12,
        ),
        st.booleans(),
    )
    def test_events_that_differ_in_their_text_alone_amount_to_what_they_say_one_by_one(
        self, said: list[tuple[str, int, str, str, str]], padded: bool
    ) -> None:
        """Spelled alike, each is compared with the one before it; spelled with another number of spaces, it is read."""

        def spelled(model: str, index: int, member: str, text: str, padding: str) -> JsonObject:
            delta: Json = {member: text}
            if member == "tool":
                delta = {"tool_calls": [{"index": 0, **call(arguments=text)}]}
            logprobs: JsonObject = {"content": [text]}
            one = (
                chunk({"content": text}, index=index, logprobs=logprobs)
                if member == "logprobs"
                else chunk(delta, index=index)
            )
            return one | {"model": model} | ({"obfuscation": padding} if padded else {})

        chunks = [spelled(*one) for one in said]
        alike = sse(*(encode(json.dumps(one, ensure_ascii=False).encode()) for one in chunks))
        unlike = sse(
            *(
                encode(json.dumps(one, ensure_ascii=False, separators=(",", ":" + " " * (2 + at % 2))).encode())
                for at, one in enumerate(chunks)
            )
        )
        assert read(alike).completion == read(unlike).completion
        assert read(alike).spoken.events == read(unlike).spoken.events
        assert spoken(alike) == read(alike).spoken

    @pytest.mark.parametrize("end", [b"\r\n", b"\r"])
    def test_line_ends_do_not_matter(self, end: bytes) -> None:
        assert read(REAL.replace(b"\n", end)).completion == read(REAL).completion

    @given(st.sets(st.integers(0, 7)))
    def test_comments_do_not_matter(self, places: set[int]) -> None:
        events = REAL.split(b"\n\n")
        commented = b"\n\n".join(b": ping\n\n" + event if at in places else event for at, event in enumerate(events))
        assert read(commented).completion == read(REAL).completion

    @given(st.lists(FRAGMENTS, max_size=20).map(b"".join), st.lists(st.integers(0, 400), max_size=6), st.booleans())
    def test_what_is_read_as_it_comes_is_what_is_read_at_once(
        self, fragments: bytes, cuts: list[int], real: bool
    ) -> None:
        body = REAL + fragments if real else fragments
        assert read_along(body, cuts) == read(body)

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_a_stream_can_be_read_along_from_byte_to_byte(self, end: bytes) -> None:
        body = REAL.replace(b"\n", end)
        assert read_along(body, range(len(body))) == read(body)

    def test_nothing_but_a_stream_is_read_along(self) -> None:
        assert begins(dumps(WHOLE)) is None
        assert begins(b"") is None
        assert begins(b"{}\n\ndata: {}\n\n") is None

    def test_a_missing_sentinel_does_not_matter(self) -> None:
        without = read(REAL.removesuffix(b"data: [DONE]\n\n"))
        assert (without.verdict, without.completion) == (COMPLETE, read(REAL).completion)

    @given(st.binary(max_size=300), st.integers(100, 599), st.booleans(), st.booleans())
    def test_any_bytes_have_a_reading(self, body: bytes, status: int, clean_end: bool, lenient: bool) -> None:
        """The fuzz: no exception, whatever arrives."""
        check_shape_of_any(read(body, status=status, clean_end=clean_end, lenient=lenient))

    @given(st.lists(FRAGMENTS, max_size=40).map(b"".join))
    def test_anything_like_a_stream_has_a_reading(self, body: bytes) -> None:
        check_shape_of_any(read(body))


def read_along(body: bytes, cuts: Iterable[int]) -> Reading:
    """Read the beginning piece by piece, up to the last of the cuts, and the rest at the end."""
    places = [0, *sorted(cut for cut in cuts if cut <= len(body))]
    reader = begins(body[: places[1]]) if len(places) > 1 else None
    if reader:
        for start, end in pairwise(places):
            reader.feed(body[start:end])
    return read(body, begun=reader)


def check_shape_of_any(reading: Reading) -> None:
    assert reading.body is not None
    if reading.completion is not None:
        assert len(dumps(reading.completion)) <= 20 * len(reading.body) + 200
    if reading.verdict is COMPLETE:
        check_shape(reading)
        assert 200 <= reading.status <= 299
