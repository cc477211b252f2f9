"""Events to one completion: the quirks of chunks, choices and deltas (Q26-Q60), a case each, named after them."""

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Json, JsonObject
from chatreel.wire.reassemble import Reassembler, normalise, reassemble
from chatreel.wire.sse import parse
from support.streams import answer, call, called, chunk, envelope, sse
from support.work import lines_executed

FILTERED: JsonObject = {"hate": {"filtered": False}}
USAGE: JsonObject = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
OLDER: JsonObject = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def whole(*chunks: JsonObject | bytes) -> Any:
    return reassemble(parse(sse(*chunks)))


def message(*deltas: Any) -> Any:
    """The message that a choice with these deltas amounts to."""
    completion: Any = reassemble(parse(answer(*deltas)))
    return completion["choices"][0]["message"]


# --- the envelope ---------------------------------------------------------------------------------------------------

TEXT = chunk({"role": "assistant", "content": "hi"})
MORE = chunk({})
END = chunk(finish="stop")

ENVELOPES: dict[str, tuple[Any, JsonObject]] = {
    "Q26-azure-prompt-filter-chunk": (
        [envelope([], id="", object="", created=0, model="", prompt_filter_results=[{"prompt_index": 0}]), TEXT, END],
        {"id": "chatcmpl-7", "created": 1700000000, "model": "m-1", "prompt_filter_results": [{"prompt_index": 0}]},
    ),
    "Q28-usage-chunk": ([TEXT | {"usage": None}, END | {"usage": None}, envelope([], usage=USAGE)], {"usage": USAGE}),
    "Q29-usage-on-the-finish-chunk": ([TEXT, END | {"usage": USAGE}], {"usage": USAGE}),
    "Q30-usage-in-every-chunk": ([TEXT | {"usage": OLDER}, END | {"usage": USAGE}], {"usage": USAGE}),
    "Q31-usage-twice": ([TEXT, END | {"usage": USAGE}, envelope([], usage=USAGE)], {"usage": USAGE}),
    "Q31-usage-only-in-x_groq": (
        [TEXT | {"x_groq": {"id": "req_1"}}, END | {"x_groq": {"usage": USAGE}}],
        {"usage": USAGE, "x_groq": {"id": "req_1", "usage": USAGE}},
    ),
    "Q32-usage-in-the-choice": ([TEXT, chunk(finish="stop", usage=USAGE)], {"usage": USAGE}),
    "Q33-chunk-after-usage": (
        [TEXT, END, envelope([], usage=USAGE), envelope([], moderation={"flagged": False})],
        {"usage": USAGE, "moderation": {"flagged": False}},
    ),
    "Q34-usage-missing": ([TEXT, END], {"usage": None}),
    "Q35-object-names": (
        [TEXT | {"object": ""}, END | {"object": "chat.completion.done"}],
        {"object": "chat.completion"},
    ),
    "Q36-id-and-created-change": (
        [TEXT | {"id": "", "created": 0}, MORE | {"id": "a", "created": 5}, END | {"id": "stub", "created": 6}],
        {"id": "a", "created": 5},
    ),
    "Q36-never-an-id": ([TEXT | {"id": "", "created": 0}, END | {"id": None, "created": 0}], {"id": "", "created": 0}),
    "Q37-fingerprint-drift": (
        [TEXT | {"system_fingerprint": None}, MORE | {"system_fingerprint": "fp"}, END | {"system_fingerprint": None}],
        {"system_fingerprint": "fp"},
    ),
    "Q37-service-tier-late": ([TEXT, END | {"service_tier": "default"}], {"service_tier": "default"}),
    "Q38-choices-null-or-missing": (
        [TEXT, END, envelope(None), {"id": "x", "usage": USAGE}],
        {"usage": USAGE},
    ),
    "Q39-padding": (
        [TEXT | {"obfuscation": "aX", "p": "abc"}, END | {"obfuscation": "q"}],
        {"obfuscation": None, "p": None},
    ),
    "Q40-lists-replace": (
        [TEXT | {"citations": ["a"]}, END | {"citations": ["a", "b"]}],
        {"citations": ["a", "b"]},
    ),
    "Q40-objects-merge": ([TEXT | {"t": {"a": 1}}, END | {"t": {"b": [2]}}], {"t": {"a": 1, "b": [2]}}),
    "Q40-null-erases-nothing": ([TEXT | {"provider": "X"}, END | {"provider": None}], {"provider": "X"}),
    "Q41-odd-types-stay": (
        [TEXT | {"created": "1700000000.5", "cost": 1e-05}, END],
        {"created": "1700000000.5", "cost": 1e-05},
    ),
}


@pytest.mark.parametrize(("chunks", "members"), ENVELOPES.values(), ids=ENVELOPES)
def test_envelope(chunks: list[JsonObject], members: JsonObject) -> None:
    """These chunks give a completion with these members; None: without the member."""
    completion = whole(*chunks)
    assert {key: completion.get(key) for key in members} == members
    assert completion["object"] == "chat.completion"
    assert set(completion["choices"][0]["message"].values()) >= {"assistant", "hi"}


def test_q41_integers_keep_all_their_digits() -> None:
    completion = whole(b'data: {"seed_used":123456789012345678901234567890,"choices":[]}\n\n', TEXT, END)
    assert completion["seed_used"] == 123456789012345678901234567890


# --- choices --------------------------------------------------------------------------------------------------------


def logprob(token: str) -> JsonObject:
    return {"token": token, "logprob": -0.25, "bytes": [97], "top_logprobs": []}


CHOICES: dict[str, tuple[Any, JsonObject]] = {
    "Q27-choice-without-delta": (
        [
            TEXT,
            END,
            envelope([{"index": 0, "finish_reason": None, "content_filter_results": FILTERED}]),
            envelope([{"index": 0, "delta": None, "content_filter_results": {"violence": {"filtered": True}}}]),
            envelope([{"index": 0, "delta": {}, "content_filter_results": {}}]),
        ],
        {"finish_reason": "stop", "content_filter_results": {**FILTERED, "violence": {"filtered": True}}},
    ),
    "Q44-finish-reason-repeated": ([TEXT, END, END], {"finish_reason": "stop"}),
    "Q44-finish-reason-empty-until-the-end": (
        [chunk({"content": "hi"}, finish=""), chunk(finish="length")],
        {"finish_reason": "length"},
    ),
    "Q44-only-empty-finish-reasons": ([chunk({"content": "hi"}, finish="")], {"finish_reason": None}),
    "Q44-null-after-the-reason": ([TEXT, END, chunk()], {"finish_reason": "stop"}),
    "Q44-odd-reason-verbatim": ([TEXT, chunk(finish="eos")], {"finish_reason": "eos"}),
    "Q52-logprobs-extend": (
        [
            chunk({"content": "a"}, logprobs=None),
            chunk({"content": "b"}, logprobs={"content": [logprob("a")], "refusal": None}),
            chunk({"content": "c"}, logprobs={"content": [logprob("b")], "refusal": None}),
            chunk(finish="stop", logprobs=None),
        ],
        {"logprobs": {"content": [logprob("a"), logprob("b")], "refusal": None}},
    ),
    "Q52-logprobs-of-a-refusal": (
        [
            chunk({"refusal": "n"}, logprobs={"content": None, "refusal": [logprob("n")]}),
            chunk(finish="stop", logprobs={"content": None, "refusal": [logprob("o")]}),
        ],
        {"logprobs": {"content": None, "refusal": [logprob("n"), logprob("o")]}},
    ),
    "Q52-legacy-logprobs": (
        [
            chunk({"content": "a"}, logprobs={"tokens": ["a"], "token_logprobs": [-1]}),
            chunk({"content": "b"}, finish="stop", logprobs={"tokens": ["b"], "token_logprobs": [-2]}),
        ],
        {"logprobs": {"tokens": ["a", "b"], "token_logprobs": [-1, -2]}},
    ),
    "Q52-logprobs-are-a-list": (
        [chunk({"content": "a"}, logprobs=[-1]), chunk(finish="stop", logprobs=[-2])],
        {"logprobs": [-1, -2]},
    ),
    "Q52-logprobs-change-their-shape": (
        [
            chunk({"content": "a"}, logprobs={"content": None}),
            chunk({"content": "b"}, logprobs={"content": [logprob("b")], "model": "x"}),
            chunk(finish="stop", logprobs={"content": None, "model": "y"}),
        ],
        {"logprobs": {"content": [logprob("b")], "model": "y"}},
    ),
    "R9-other-members-of-a-choice": (
        [
            chunk({"content": "a"}, native_finish_reason=None, text="a", seed=7, token_ids=[1]),
            chunk(finish="stop", native_finish_reason="STOP"),
        ],
        {"native_finish_reason": "STOP", "text": None, "seed": None, "token_ids": None, "delta": None},
    ),
}


@pytest.mark.parametrize(("chunks", "members"), CHOICES.values(), ids=CHOICES)
def test_choice(chunks: list[JsonObject], members: JsonObject) -> None:
    """These chunks give a choice with these members; None: null, or without the member."""
    choice = whole(*chunks)["choices"][0]
    assert {key: choice.get(key) for key in members} == members


def test_q53_choices_are_told_apart_by_index_and_sorted() -> None:
    order = [2, 0, 1, 0, 2, 1]
    chunks = [chunk({"role": "assistant", "content": f"{index}"}, index=index) for index in order]
    several = envelope([{"index": index, "delta": {}, "finish_reason": f"f{index}"} for index in (1, 0, 2)])
    choices = whole(*chunks, several)["choices"]
    assert [(one["index"], one["message"]["content"], one["finish_reason"]) for one in choices] == [
        (0, "00", "f0"),
        (1, "11", "f1"),
        (2, "22", "f2"),
    ]


def test_r5_a_missing_index_is_the_position() -> None:
    both: Json = [{"delta": {"content": text}} for text in "ab"]
    choices = whole(envelope(both), envelope([{"delta": {"content": "c"}, "index": None}]))["choices"]
    assert [(one["index"], one["message"]["content"]) for one in choices] == [(0, "ac"), (1, "b")]


# --- messages -------------------------------------------------------------------------------------------------------


def detail(kind: str, index: int | None = 0, **members: Json) -> JsonObject:
    return {"type": kind, **members, **({} if index is None else {"index": index})}


def part(kind: str, text: str, **members: Json) -> JsonObject:
    said: Json = [{"type": "text", "text": text}] if kind == "thinking" else text
    return {"type": kind, kind: said, **members}


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


CITED: JsonObject = {"type": "url_citation", "url_citation": {"url": "https://example.org/1"}}
CITED_TOO: JsonObject = {"type": "url_citation", "url_citation": {"url": "https://example.org/2"}}
IMAGE: JsonObject = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TOOL_RUN: JsonObject = {"index": 0, "type": "search", "arguments": "{}"}

MESSAGES: dict[str, tuple[Any, JsonObject]] = {
    "Q41-content-is-a-number": ([{"content": "a"}, {"content": 6}, {"content": 1.5}], {"content": "a61.5"}),
    "Q42-role-in-every-delta": ([{"role": "assistant", "content": "a"}] * 2, {"role": "assistant", "content": "aa"}),
    "Q42-role-empty-or-null": ([{"role": ""}, {"role": "tool"}, {"role": None}], {"role": "tool"}),
    "Q42-role-never": ([{"content": "a"}], {"role": "assistant"}),
    "Q43-content-null-then-text": ([{"content": None}, {"content": "a"}, {"content": None}], {"content": "a"}),
    "Q43-a-lone-space-counts": ([{"content": "a"}, {"content": " "}, {"content": "b"}], {"content": "a b"}),
    "Q43-no-content-at-all": ([{"role": "assistant"}, {"content": None}], {"content": ""}),
    "Q43-no-content-beside-refusal": ([{"content": ""}, {"refusal": "no"}], {"content": None, "refusal": "no"}),
    "Q43-no-content-beside-audio": ([{"content": None, "audio": {"id": "a"}}], {"content": None}),
    "Q43-no-content-beside-tool-calls": ([{"content": "", "tool_calls": [{"index": 0, "id": "c"}]}], {"content": None}),
    "Q47-reasoning-under-its-own-name": (
        [
            {"reasoning_content": "th", "reasoning": "x", "content": None},
            {"reasoning_content": "ink", "content": ""},
            {"reasoning_content": None, "content": "a"},
        ],
        {"reasoning_content": "think", "reasoning": "x", "content": "a"},
    ),
    "Q48-fragments-join": (
        [
            {"reasoning_details": [detail("reasoning.text", text="Le", format="f")]},
            {"reasoning_details": [detail("reasoning.text", text="t", format="f")]},
            {"reasoning_details": [detail("reasoning.text", signature="S", format="f")]},
            {"reasoning_details": []},
            {"reasoning_details": None},
        ],
        {"reasoning_details": [detail("reasoning.text", text="Let", format="f", signature="S")]},
    ),
    "Q48-other-type-same-index": (
        [
            {"reasoning_details": [detail("reasoning.summary", summary="a")]},
            {"reasoning_details": [detail("reasoning.summary", summary="b")]},
            {"reasoning_details": [detail("reasoning.encrypted", data="X", id="r1")]},
            {"reasoning_details": [detail("reasoning.encrypted", data="Y", id="r2")]},
            {"reasoning_details": [detail("reasoning.encrypted", data="Z", id="r2")]},
        ],
        {
            "reasoning_details": [
                detail("reasoning.summary", summary="ab"),
                detail("reasoning.encrypted", data="X", id="r1"),
                detail("reasoning.encrypted", data="YZ", id="r2"),
            ]
        },
    ),
    "Q48-no-index": (
        [{"reasoning_details": [detail("t", None, text="a")]}, {"reasoning_details": [detail("t", None, text="b")]}],
        {"reasoning_details": [detail("t", None, text="ab")]},
    ),
    "Q49-content-in-parts": (
        [
            {"content": ""},
            {"content": [part("thinking", "Ok")]},
            {"content": [part("thinking", "ay")]},
            {"content": [part("text", "2 + 2")]},
            {"content": " = 4"},
            {"content": ""},
        ],
        {"content": [part("thinking", "Okay"), part("text", "2 + 2 = 4")]},
    ),
    "Q49-text-before-parts": ([{"content": "a"}, {"content": [part("text", "b")]}], {"content": [part("text", "ab")]}),
    "Q49-parts-that-do-not-grow": ([{"content": [IMAGE]}, {"content": [IMAGE]}], {"content": [IMAGE, IMAGE]}),
    "Q50-inline-thinking-stays": (
        [{"content": "<think>a", "channel": "analysis"}, {"content": "</think>b", "channel": "final"}],
        {"content": "<think>a</think>b", "channel": "final"},
    ),
    "Q51-refusal": ([{"refusal": "I'm"}, {"refusal": None}, {"refusal": " sorry"}], {"refusal": "I'm sorry"}),
    "Q51-empty-refusal": ([{"content": "a", "refusal": ""}] * 2, {"refusal": None}),
    "Q55-annotations": (
        [{"annotations": [CITED]}, {"annotations": [CITED]}, {"annotations": [CITED_TOO]}],
        {"annotations": [CITED, CITED_TOO]},
    ),
    "Q55-annotations-repeated-as-a-list": (
        [{"annotations": [CITED, CITED_TOO]}, {"annotations": [CITED, CITED_TOO]}, {"annotations": []}],
        {"annotations": [CITED, CITED_TOO]},
    ),
    "Q56-audio": (
        [
            {"content": None, "audio": {"id": "audio_1", "transcript": "He"}},
            {"audio": {"id": "audio_1", "transcript": "llo"}},
            {"audio": {"data": "AAAA"}},
            {"audio": {"data": "BBBB"}},
            {"audio": {"expires_at": 1700}},
            {"audio": {"expires_at": 1700}},
        ],
        {"audio": {"id": "audio_1", "transcript": "Hello", "data": "AAAABBBB", "expires_at": 1700}},
    ),
    "Q56-audio-pieces-padded-one-by-one": (
        [{"audio": {"data": base64_of(b"a")}}, {"audio": {"data": base64_of(b"bc")}}],
        {"audio": {"data": base64_of(b"abc")}},
    ),
    "Q56-audio-cut-anywhere": ([{"audio": {"data": "QU"}}, {"audio": {"data": "JD"}}], {"audio": {"data": "QUJD"}}),
    "Q57-function-call": (
        [
            {"content": None, "function_call": {"name": "f", "arguments": ""}},
            {"function_call": {"name": "f", "arguments": '{"a"'}},
            {"function_call": {"arguments": ":1}"}},
        ],
        {"content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
    ),
    "Q59-images-by-index": (
        [{"images": [IMAGE | {"index": 0}]}, {"images": [IMAGE | {"index": 1}]}, {"images": [{"index": 0, "x": 1}]}],
        {"images": [IMAGE | {"index": 0, "x": 1}, IMAGE | {"index": 1}]},
    ),
    "Q59-executed-tools-are-sent-again": (
        [{"executed_tools": [TOOL_RUN]}, {"executed_tools": [TOOL_RUN | {"output": "o"}]}],
        {"executed_tools": [TOOL_RUN | {"output": "o"}]},
    ),
    "Q59-unknown-list": ([{"notes": [1]}, {"notes": [{"a": 1}]}, {"notes": None}], {"notes": [1, {"a": 1}]}),
    "Q60-metadata-overwrites": (
        [{"extra_content": {"google": {"thought": True, "s": "a"}}}, {"extra_content": {"google": {"s": "b"}}}],
        {"extra_content": {"google": {"thought": True, "s": "b"}}},
    ),
    "Q71-tool-calls-empty": ([{"tool_calls": [], "content": "a"}, {"tool_calls": None}], {"tool_calls": None}),
    "R6-unknown-text-is-the-last": ([{"mood": "sad"}, {"mood": "gay"}, {"mood": None}], {"mood": "gay"}),
    "R6-unknown-thinking-grows": ([{"my_thinking": "a"}, {"my_thinking": "b"}], {"my_thinking": "ab"}),
    "R6-unknown-number-is-the-last": ([{"n": 1}, {"n": 2}], {"n": 2}),
    "R6-a-type-that-changes": ([{"x": "a"}, {"x": {"b": 1}}, {"x": [1]}], {"x": [1]}),
    "split-surrogate-pair": ([{"content": "\ud83d"}, {"content": "\ude00"}], {"content": "😀"}),
}  # fmt: skip


@pytest.mark.parametrize(("deltas", "members"), MESSAGES.values(), ids=MESSAGES)
def test_message(deltas: list[Json], members: JsonObject) -> None:
    """These deltas give a message with these members; None: null, or without the member."""
    said = message(*deltas)
    assert {key: said.get(key) for key in members} == members


def test_q46_deltas_after_the_finish_reason_count() -> None:
    completion = whole(TEXT, END, chunk({"content": " there", "role": "assistant"}))
    assert completion["choices"][0]["message"]["content"] == "hi there"
    assert completion["choices"][0]["finish_reason"] == "stop"


def test_q45_a_finish_reason_is_never_corrected() -> None:
    call: Json = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    assert whole(chunk(call), END)["choices"][0]["finish_reason"] == "stop"


def test_q56_audio_that_ends_without_a_finish_reason_is_finished() -> None:
    assembler = Reassembler()
    for event in parse(sse(chunk({"audio": {"data": "AAAA"}}), chunk({"audio": {"expires_at": 9}}), done=False)):
        assembler.add(event)
    assert assembler.finished
    assert assembler.finish_reasons() == [None]


def test_r11_members_of_a_message_come_in_one_order() -> None:
    said = message(
        {"zeta": 1, "tool_calls": [{"index": 0, "id": "c"}], "reasoning": "r", "refusal": None, "content": "a"}
    )
    assert list(said) == ["role", "content", "refusal", "reasoning", "tool_calls", "zeta"]
    assert "refusal" not in message({"content": "a"})


class TestCumulativeMessage:
    """Q58: a `message` beside or instead of the deltas."""

    def test_q58_is_ignored_where_deltas_spoke(self) -> None:
        first = chunk({"content": "Hel"}, message={"role": "assistant", "content": "Hel"})
        last = chunk({"content": "lo"}, finish="stop", message={"role": "assistant", "content": "Hello"})
        choice = whole(first, last)["choices"][0]
        assert choice["message"] == {"role": "assistant", "content": "Hello"}

    def test_q58_counts_where_no_delta_spoke(self) -> None:
        frame = envelope([{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}])
        assert whole(chunk({"role": "assistant", "content": ""}), frame)["choices"][0]["message"]["content"] == "Hello"

    def test_q58_adds_what_no_delta_named(self) -> None:
        last = chunk({"content": "a"}, finish="stop", message={"content": "a", "annotations": [CITED]})
        assert whole(last)["choices"][0]["message"]["annotations"] == [CITED]


# --- one object in one shape ----------------------------------------------------------------------------------------


class TestNormalise:
    def test_q54_choices_of_one_index_are_one_choice(self) -> None:
        text: Json = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "I call."}}
        calls: Json = {"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [called("c", "f", "{}")]}}
        (choice,) = self._normalised({"choices": [text, calls]})["choices"]
        assert choice["message"]["content"] == "I call."
        assert choice["message"]["tool_calls"] == [called("c", "f", "{}")]
        assert choice["finish_reason"] == "tool_calls"

    def test_q74_tool_calls_of_a_body_are_never_merged(self) -> None:
        calls: Json = [call("f", "", index=0), call("f", "", index=0), call("g", "{", index=0)]
        (choice,) = self._normalised({"choices": [{"message": {"tool_calls": calls}}]})["choices"]
        assert choice["message"]["tool_calls"] == [called(None, "f", ""), called(None, "f", ""), called(None, "g", "{")]

    def test_q48_reasoning_details_of_a_body_are_never_merged(self) -> None:
        details: Json = [detail("reasoning.text", text="a"), detail("reasoning.text", text="b")]
        (choice,) = self._normalised({"choices": [{"message": {"reasoning_details": details}}]})["choices"]
        assert [one["text"] for one in choice["message"]["reasoning_details"]] == ["a", "b"]
        assert [one["index"] for one in choice["message"]["reasoning_details"]] == [0, 1]

    def test_k8_nulls_and_stray_deltas_are_gone(self) -> None:
        stray: Json = {"delta": {"content": "x"}, "message": {"content": "a", "tool_calls": None, "audio": None}}
        (choice,) = self._normalised({"choices": [stray], "service_tier": None})["choices"]
        assert choice == {
            "index": 0,
            "message": {"role": "assistant", "content": "a", "refusal": None},
            "logprobs": None,
            "finish_reason": None,
        }

    @staticmethod
    def _normalised(completion: JsonObject) -> Any:
        return normalise(completion)


# --- laws -----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        "index",
        "id",
        "type",
        "function",
        "name",
        "arguments",
        "text",
        "content",
        "thinking",
        "data",
        "message",
        "delta",
        "role",
        "tool_calls",
        "audio",
        "transcript",
        "expires_at",
        "usage",
        "error",
        "custom",
        "input",
        "x",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-1, 1) | st.text(max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "role",
        "content",
        "refusal",
        "reasoning",
        "reasoning_details",
        "annotations",
        "images",
        "executed_tools",
        "audio",
        "tool_calls",
        "function_call",
        "extra_content",
        "x",
        "my_thinking",
    ]
)
DELTAS = st.dictionaries(FIELDS, VALUES, max_size=4).map(chunk)
CHUNKS = st.lists(DELTAS | st.dictionaries(st.sampled_from(["choices", "usage", "id", "x"]), VALUES, max_size=3))


class TestLaws:
    @given(CHUNKS)
    def test_odd_types_never_crash_and_give_one_shape(self, chunks: list[JsonObject]) -> None:
        """Whatever the chunks hold, the completion has choices with messages, and normalising it twice is as once."""
        completion = whole(*chunks)
        assert all(
            {"index", "message", "logprobs", "finish_reason"} <= choice.keys() for choice in completion["choices"]
        )
        once = normalise(completion)
        assert normalise(once) == once

    @given(st.lists(st.text(max_size=5), max_size=20), st.lists(st.text(max_size=5), max_size=20))
    def test_text_is_the_concatenation_of_its_pieces(self, content: list[str], reasoning: list[str]) -> None:
        deltas = [{"content": piece} for piece in content] + [{"reasoning": piece} for piece in reasoning]
        said = message(*deltas)
        assert said["content"] == "".join(content)
        assert said.get("reasoning", "") == "".join(reasoning)

    @given(st.lists(st.tuples(st.integers(0, 2), st.text(max_size=3)), max_size=20))
    def test_interleaved_choices_do_not_mix(self, pieces: list[tuple[int, str]]) -> None:
        completion = whole(*(chunk({"content": text}, index=index) for index, text in pieces))
        for choice in completion["choices"]:
            mine = "".join(text for index, text in pieces if index == choice["index"])
            assert choice["message"]["content"] == mine

    def test_r13_the_same_bytes_give_the_same_object(self) -> None:
        body = sse(TEXT, chunk({"tool_calls": [call("f", "{}")]}), END, envelope([], usage=USAGE))
        assert reassemble(parse(body)) == reassemble(parse(body))


GROWING: dict[str, Callable[[int], Json]] = {
    "content": lambda _: {"content": "ab"},
    "content-parts": lambda _: {"content": [part("thinking", "ab")]},
    "reasoning-details": lambda _: {"reasoning_details": [detail("reasoning.text", text="ab")]},
    "arguments": lambda n: {"tool_calls": [call("f" if n == 0 else "", "{", index=0)]},
    "arguments-with-the-name-repeated": lambda _: {"tool_calls": [call("f", "{", index=0)]},
    "names-in-pieces": lambda n: {"tool_calls": [call(f"f{n}", "", index=0, id="c")]},
    "audio": lambda _: {"audio": {"data": "AAAA"}},
    "annotations": lambda n: {"annotations": [{"n": n}]},
    "images": lambda n: {"images": [{"index": n}]},
    "many-calls": lambda n: {"tool_calls": [call("f", "{}", index=n, id=f"c{n}")]},
}


@pytest.mark.parametrize("delta", GROWING.values(), ids=GROWING)
def test_work_grows_with_the_stream(delta: Callable[[int], Json]) -> None:
    """Twice the deltas are at most a little over twice the lines of Python executed."""

    def work(length: int) -> int:
        events = parse(sse(*(chunk(delta(number)) for number in range(length))))
        return lines_executed(partial(reassemble, events))

    assert work(400) <= 2.1 * work(200)
