"""One completion to the canonical stream (K1-K11), judged by the laws and by the official client."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import loads
from chatreel.wire.reassemble import normalise, reassemble
from chatreel.wire.rechunk import SLICE, rechunk, with_ids
from chatreel.wire.sse import parse
from support import official_client
from support.streams import called

USAGE: JsonObject = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
LOGPROB: JsonObject = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def completion(*messages: Json, finish: Json = "stop", **members: Json) -> JsonObject:
    """A completion with a choice per message."""
    choices: Json = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
        for index, message in enumerate(messages)
    ]
    head: JsonObject = {"id": "chatcmpl-7", "object": "chat.completion", "created": 1700000000, "model": "m-1"}
    return {**head, "choices": choices, **members}


def said(content: Json = "hi", **members: Json) -> JsonObject:
    return {"role": "assistant", "content": content, **members}


def chunks(whole: JsonObject, *, include_usage: bool = False) -> list[Any]:
    """The chunks of a re-chunked completion, `[DONE]` left out."""
    *events, done = parse(rechunk(whole, include_usage=include_usage))
    assert done.is_done
    return [loads(event.data) for event in events]


def deltas(message: JsonObject) -> list[Any]:
    """The deltas of one message, the final {} left out."""
    *spoken, last = chunks(completion(message))
    assert last["choices"][0]["delta"] == {}
    return [chunk["choices"][0]["delta"] for chunk in spoken]


FIRST = {"role": "assistant", "content": "", "refusal": None}
SILENT = {"role": "assistant", "content": None, "refusal": None}
CALL = called("c1", "f", '{"a":1}')
SIGNED = called("c1", "f", "", extra_content={"google": {"thought_signature": "S"}})
CITATION: JsonObject = {"url": "https://example.org", "title": "t", "start_index": 0, "end_index": 2}
CITED: JsonObject = {"type": "url_citation", "url_citation": CITATION}
ENCRYPTED: JsonObject = {"type": "reasoning.encrypted", "index": 0, "data": "X"}
SUMMARY: JsonObject = {"type": "reasoning.summary", "index": 0, "summary": "s"}
PARTS: Json = [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "a"}]

DELTAS: dict[str, tuple[JsonObject, list[Any]]] = {
    "K2-text": (said(), [FIRST, {"content": "hi"}]),
    "K2-empty-text": (said(""), [FIRST]),
    "Q24-long-text-in-slices": (said("x" * (SLICE + 1)), [FIRST, {"content": "x" * SLICE}, {"content": "x"}]),
    "Q47-reasoning-before-content": (
        said(reasoning_content="th", annotations=[{"a": 1}]),
        [FIRST, {"reasoning_content": "th", "annotations": [{"a": 1}]}, {"content": "hi"}],
    ),
    "Q48-distinct-indexes": (
        said(reasoning_details=[SUMMARY, ENCRYPTED]),
        [FIRST, {"reasoning_details": [SUMMARY, ENCRYPTED | {"index": 1}]}, {"content": "hi"}],
    ),
    "Q49-parts-in-one-delta": (said(PARTS), [SILENT, {"content": PARTS}]),
    "Q51-refusal": (said(None, refusal="no"), [SILENT, {"refusal": "no"}]),
    "K2-tool-calls": (
        said(None, tool_calls=[CALL, called("c2", "g", "")]),
        [
            SILENT,
            {"tool_calls": [{"index": 0, **called("c1", "f", "")}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
            {"tool_calls": [{"index": 1, **called("c2", "g", "")}]},
        ],
    ),
    "Q60-thought-signature-on-the-first-delta": (
        said(None, tool_calls=[SIGNED]),
        [SILENT, {"tool_calls": [{"index": 0, **SIGNED}]}],
    ),
    "Q68-type-always": (
        said(None, tool_calls=[{"id": "c1", "function": {"name": "f"}}]),
        [SILENT, {"tool_calls": [{"index": 0, **called("c1", "f", "")}]}],
    ),
    "Q73-custom-tool": (
        said(None, tool_calls=[{"id": "c1", "type": "custom", "custom": {"name": "m", "input": "4"}}]),
        [
            SILENT,
            {"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "m", "input": ""}}]},
            {"tool_calls": [{"index": 0, "custom": {"input": "4"}}]},
        ],
    ),
    "Q74-calls-are-renumbered": (
        said(None, tool_calls=[called("c1", "f", "", index=4), called("c2", "f", "", index=4)]),
        [SILENT, *({"tool_calls": [{"index": at, **called(f"c{at + 1}", "f", "")}]} for at in (0, 1))],
    ),
    "Q57-function-call": (
        said(None, function_call={"name": "f", "arguments": "{}"}),
        [SILENT, {"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}],
    ),
    "Q56-audio-of-an-odd-type": (said(None, audio="x"), [SILENT, {"audio": "x"}]),
    "Q57-function-call-without-arguments": (
        said(None, function_call={"name": "f"}),
        [SILENT, {"function_call": {"name": "f", "arguments": ""}}],
    ),
    "Q56-audio": (
        said(None, audio={"id": "a", "expires_at": 9, "data": "AAAA", "transcript": "Hi"}),
        [
            SILENT,
            {"audio": {"id": "a", "transcript": "Hi"}},
            {"audio": {"data": "AAAA"}},
            {"audio": {"expires_at": 9}},
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), DELTAS.values(), ids=DELTAS)
def test_deltas(message: JsonObject, expected: list[Any]) -> None:
    """A message goes out in these deltas (K2)."""
    assert deltas(message) == expected


class TestEnvelope:
    def test_k1_is_the_same_on_every_chunk(self) -> None:
        found = chunks(completion(said(), service_tier="default", system_fingerprint="fp"), include_usage=True)
        head = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1700000000, "model": "m-1"}
        whole = head | {"service_tier": "default", "system_fingerprint": "fp"}
        assert len(found) == 3
        assert all({key: chunk[key] for key in whole} == whole for chunk in found)

    def test_k3_only_the_last_chunk_of_a_choice_has_a_finish_reason(self) -> None:
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks(completion(said(), finish="length"))]
        assert reasons == [None, None, "length"]

    @pytest.mark.parametrize("reason", [None, ""])
    def test_k10_a_missing_finish_reason_stays_null(self, reason: Json) -> None:
        assert chunks(completion(said(), finish=reason))[-1]["choices"][0]["finish_reason"] is None

    def test_k4_usage_comes_last_for_a_client_that_asked(self) -> None:
        *before, last = chunks(completion(said(), usage=USAGE), include_usage=True)
        assert [chunk["usage"] for chunk in before] == [None] * 3
        assert (last["choices"], last["usage"]) == ([], USAGE)

    def test_k4_there_is_no_usage_for_a_client_that_did_not_ask(self) -> None:
        assert b"usage" not in rechunk(completion(said(), usage=USAGE), include_usage=False)

    def test_q34_unknown_usage_is_not_invented(self) -> None:
        found = chunks(completion(said()), include_usage=True)
        assert [chunk["usage"] for chunk in found] == [None] * 3

    def test_k5_done_is_the_end(self) -> None:
        assert rechunk(completion(said()), include_usage=True).endswith(b"}\n\ndata: [DONE]\n\n")

    def test_k6_a_chunk_is_one_line_of_compact_json_and_a_blank_line(self) -> None:
        body = rechunk(completion(said("a\nb\u2028c"), note={"x": [1, 2]}), include_usage=True)
        lines = body.decode().split("\n")
        assert lines[1::2] == [""] * (len(lines) // 2)
        assert all(line.startswith(('data: {"id":', "data: [DONE]")) for line in lines[:-1:2])

    def test_q26_the_prompt_filter_comes_first_with_a_real_envelope(self) -> None:
        first, *others = chunks(completion(said(), prompt_filter_results=[{"prompt_index": 0}]))
        assert first["choices"] == []
        assert first["object"] == "chat.completion.chunk"
        assert first["prompt_filter_results"] == [{"prompt_index": 0}]
        assert all("prompt_filter_results" not in chunk for chunk in others)

    def test_q27_what_belongs_to_a_choice_is_on_its_last_chunk(self) -> None:
        whole = completion(said())
        choice: Any = whole["choices"]
        choice[0] |= {"content_filter_results": {"hate": {}}, "native_finish_reason": "STOP"}
        *before, last = chunks(whole)
        assert last["choices"][0]["content_filter_results"] == {"hate": {}}
        assert last["choices"][0]["native_finish_reason"] == "STOP"
        assert all("native_finish_reason" not in chunk["choices"][0] for chunk in before)

    def test_q40_vendor_members_come_once_on_the_final_choices_chunk(self) -> None:
        found = chunks(completion(said(), said(), citations=["a"], usage=USAGE), include_usage=True)
        assert [number for number, chunk in enumerate(found) if "citations" in chunk] == [len(found) - 2]

    def test_q36_an_id_is_always_there(self) -> None:
        whole = completion(said(), id="")
        body = rechunk(whole, include_usage=False, fallback_id="chatcmpl-from-the-key")
        assert reassemble(parse(body))["id"] == "chatcmpl-from-the-key"

    def test_q53_choices_start_in_the_order_of_their_indexes(self) -> None:
        whole = completion(said("a"), said("b"), said("c"))
        choices: Any = whole["choices"]
        choices.reverse()
        indexes = [chunk["choices"][0]["index"] for chunk in chunks(whole)]
        assert indexes == sorted(indexes)
        assert set(indexes) == {0, 1, 2}

    def test_q52_logprobs_come_with_the_text(self) -> None:
        whole = completion(said())
        choices: Any = whole["choices"]
        choices[0]["logprobs"] = {"content": [LOGPROB], "refusal": None}
        beside = [(chunk["choices"][0]["delta"], chunk["choices"][0]["logprobs"]) for chunk in chunks(whole)]
        assert beside == [(FIRST, None), ({"content": "hi"}, {"content": [LOGPROB], "refusal": None}), ({}, None)]


class TestIds:
    """Q66: ids that nobody sent are made from the seed, so that both wire forms carry the same."""

    def test_every_tool_call_gets_an_id_of_its_own(self) -> None:
        bare = called(None, "f", "")
        ids = [call["id"] for call in self._calls(completion(said(None, tool_calls=[bare, bare])))]
        assert len(set(ids)) == 2
        assert all(identity.startswith("call_") for identity in ids)

    def test_choices_do_not_share_ids(self) -> None:
        bare = said(None, tool_calls=[called(None, "f", "")])
        whole: Any = with_ids(completion(bare, bare), "seed")
        first, second = (choice["message"]["tool_calls"][0]["id"] for choice in whole["choices"])
        assert first != second

    def test_existing_ids_stay(self) -> None:
        calls: Json = [called("c1", "f", ""), called("", "g", "")]
        first, second = self._calls(completion(said(None, tool_calls=calls)))
        assert first["id"] == "c1"
        assert second["id"].startswith("call_")

    def test_the_seed_alone_decides(self) -> None:
        bare = completion(said(None, tool_calls=[called(None, "f", "")]), id="")
        assert with_ids(bare, "a") == with_ids(bare, "a")
        assert with_ids(bare, "a")["id"] != with_ids(bare, "b")["id"]
        assert self._calls(bare, "a") != self._calls(bare, "b")

    @staticmethod
    def _calls(whole: JsonObject, seed: str = "seed") -> list[Any]:
        done: Any = with_ids(whole, seed)
        calls: list[Any] = done["choices"][0]["message"]["tool_calls"]
        return calls


# --- laws -----------------------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=20) | st.text(st.characters(min_codepoint=0x2026, max_codepoint=0x202A), max_size=3)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.just("index"), inner, max_size=3),
    max_leaves=6,
)
FUNCTION_CALLS = st.builds(called, TEXTS | st.none(), TEXTS, TEXTS, index=st.integers(0, 2), extra_content=JSON)
CUSTOM_CALLS = st.fixed_dictionaries(
    {"id": TEXTS, "type": st.just("custom"), "custom": st.fixed_dictionaries({"name": TEXTS, "input": TEXTS})}
)
DETAILS = st.fixed_dictionaries(
    {"type": st.sampled_from(["reasoning.text", "reasoning.encrypted"])},
    optional={"text": TEXTS, "data": TEXTS, "index": st.integers(0, 1), "id": TEXTS, "signature": TEXTS | st.none()},
)
AUDIO = st.fixed_dictionaries(
    {"id": TEXTS, "transcript": TEXTS, "expires_at": st.integers(0)},
    optional={"data": st.binary(max_size=9).map(lambda raw: raw.hex())},
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": TEXTS | st.none() | st.just(PARTS)},
    optional={
        "refusal": TEXTS | st.none(),
        "reasoning": TEXTS,
        "reasoning_content": TEXTS | st.none(),
        "reasoning_details": st.lists(DETAILS, max_size=3),
        "annotations": st.lists(JSON, max_size=3),
        "images": st.lists(JSON, max_size=3),
        "audio": AUDIO,
        "tool_calls": st.lists(FUNCTION_CALLS | CUSTOM_CALLS, max_size=3),
        "function_call": st.fixed_dictionaries({"name": TEXTS, "arguments": TEXTS}),
        "vendor_field": JSON,
    },
)
LOGPROBS = st.none() | st.fixed_dictionaries({"content": st.lists(st.just(LOGPROB)), "refusal": st.none()})
CHOICES = st.fixed_dictionaries(
    {
        "message": MESSAGES,
        "finish_reason": st.sampled_from(["stop", "tool_calls", "", None, "eos"]),
        "logprobs": LOGPROBS,
    },
    optional={"index": st.integers(0, 3), "content_filter_results": JSON, "native_finish_reason": JSON, "delta": JSON},
)
COMPLETIONS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"id": TEXTS.filter(bool), "choices": st.lists(CHOICES, min_size=1, max_size=3)},
    optional={
        "created": st.integers(),
        "model": TEXTS,
        "usage": st.dictionaries(TEXTS, JSON, max_size=3),
        "system_fingerprint": TEXTS | st.none(),
        "service_tier": TEXTS,
        "prompt_filter_results": st.lists(JSON, max_size=2),
        "x_groq": st.fixed_dictionaries({"id": TEXTS}, optional={"usage": JSON}),
        "vendor": JSON,
    },
)  # fmt: skip


class TestLaws:
    @given(COMPLETIONS)
    def test_k11_reassembling_a_rechunked_completion_gives_it_back(self, whole: JsonObject) -> None:
        assert reassemble(parse(rechunk(whole, include_usage=True))) == normalise(whole)

    @given(COMPLETIONS)
    def test_k11_without_usage_only_the_usage_is_missing(self, whole: JsonObject) -> None:
        back = reassemble(parse(rechunk(whole, include_usage=False)))
        expected = normalise(whole)
        assert {**back, "usage": None} == {**expected, "usage": None}

    @given(COMPLETIONS)
    def test_k7_the_same_completion_gives_the_same_bytes(self, whole: JsonObject) -> None:
        body = rechunk(whole, include_usage=True)
        assert rechunk(whole, include_usage=True) == body
        assert rechunk(reassemble(parse(body)), include_usage=True) == body

    @given(JSON, JSON, JSON)
    def test_odd_types_never_crash(self, choices: Json, message: Json, other: Json) -> None:
        for whole in (
            {"choices": choices},
            completion(message),
            completion(said(other, tool_calls=other, audio=other)),
        ):
            assert reassemble(parse(rechunk(whole, include_usage=True)))["object"] == "chat.completion"

    def test_a_rechunked_completion_leaves_its_source_alone(self) -> None:
        whole = completion(said(None, tool_calls=[called("", "f", "{}", index=3)]))
        before = deepcopy(whole)
        with_ids(whole, "seed")
        rechunk(whole, include_usage=True)
        assert whole == before


UNDERSTOOD: dict[str, JsonObject] = {
    "text": completion(said("Hello \u2028 there"), usage=USAGE),
    "several-choices": completion(said("a"), said("b"), said(None, tool_calls=[CALL]), usage=USAGE),
    "tool-calls": completion(said(None, tool_calls=[CALL, called("c2", "g", "")]), finish="tool_calls"),
    "reasoning": completion(said(reasoning_content="th", reasoning="x", reasoning_details=[SUMMARY, ENCRYPTED])),
    "refusal": completion(said(None, refusal="no")),
    "audio": completion(said(None, audio={"id": "a", "data": "AAAA", "transcript": "Hi", "expires_at": 9})),
    "function-call": completion(said(None, function_call={"name": "f", "arguments": "{}"}), finish="function_call"),
    "annotations": completion(said(annotations=[CITED, CITED])),
    "parts": completion(said(PARTS)),
    "length": completion(said(), finish="length"),
    "logprobs": completion() | {"choices": [{"message": said(), "logprobs": {"content": [LOGPROB, LOGPROB]}}]},
    "azure": completion(said(), prompt_filter_results=[{"prompt_index": 0}], usage=USAGE),
}  # fmt: skip


@pytest.mark.parametrize("whole", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_the_official_client_understands_all_of_it(whole: JsonObject) -> None:
    snapshot = official_client.accumulate(rechunk(whole, include_usage=True))
    assert official_client.understood(snapshot) == official_client.expected(normalise(whole))
