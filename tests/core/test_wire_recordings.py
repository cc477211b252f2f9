"""Every real recording is read, converted both ways and understood by the official client; none is left unexplained.

The recordings live beside the repository. Where they are absent, these tests are skipped, and say so.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatreel.model import JsonObject, WireForm
from chatreel.wire.codec import loads
from chatreel.wire.convert import NotConvertible, to_json, to_sse
from chatreel.wire.reading import Reading, Verdict, read
from chatreel.wire.reassemble import normalise, reassemble
from chatreel.wire.rechunk import rechunk, with_ids
from chatreel.wire.sse import SSEParser, encode, parse
from chatreel.wire.usage import with_usage, without_usage
from support import official_client, response_schema
from support.resources import needs_shared, traffic
from support.streams import SIZES, feed
from support.vcr import chat_interactions

SEED = "v1:seed"

pytestmark = needs_shared


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded response."""

    name: str
    body: bytes
    status: int = 200
    lenient: bool = False

    @property
    def reading(self) -> Reading:
        return read(self.body, status=self.status, lenient=self.lenient)

    @property
    def completion(self) -> JsonObject:
        """What a complete one amounts to, ids included."""
        completion = self.reading.completion
        assert completion is not None
        return with_ids(completion, SEED)


def _cases() -> Iterator[Case]:
    for path in traffic(".yaml", ".yml", ".json", ".txt", ".sse"):
        if "_licenses" not in path.parts:
            yield from _of_file(path)


def _of_file(path: Path) -> Iterator[Case]:
    if path.name.endswith(".chunks.txt"):  # a chunk per line, unframed (V18)
        yield Case(path.name, b"".join(encode(line) for line in path.read_bytes().splitlines() if line.strip()))
    elif "__fixtures__" in path.parts:
        yield Case(path.name, path.read_bytes())
    else:
        for number, one in enumerate(chat_interactions(path)):
            yield Case(f"{path.stem}#{number}", one.body, one.status, lenient=True)


CASES = list(_cases())
COMPLETE = [case for case in CASES if case.reading.verdict is Verdict.COMPLETE]
STREAMS = [case for case in COMPLETE if case.reading.form is WireForm.SSE]

# Everything that is not complete, by the end of its name, and why.
EXPLAINED: dict[str, tuple[Verdict, str]] = {
    "test_llm_with_tools#1": (Verdict.TRUNCATED, "The body is empty."),
    "gpustack_qwen3_streams_thinking_content_when_available#0": (Verdict.ERROR, "The stream reported an error."),
    "test_tool_use_failed_error_streaming#0": (Verdict.ERROR, "The stream reported an error."),
    "test_tool_use_failed_error_streaming_with_text#0": (Verdict.ERROR, "The stream reported an error."),
    "test_openrouter_stream_error#0": (Verdict.ERROR, "The stream reported an error."),
    "test_prompt_content_filtering_with_events_with_content#0": (Verdict.ERROR, "The body reports an error."),
    "test_invalid_response#0": (Verdict.CORRUPT, "it has no choices."),
    "test_text_response#0": (Verdict.CORRUPT, "The body is not JSON"),
}


def _ids(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


def test_the_census(capsys: pytest.CaptureFixture[str]) -> None:
    """How many there are of each kind, and what each becomes: a change of this table is a change of behaviour."""
    counts = Counter((case.reading.form.value, case.reading.verdict.value) for case in CASES)
    assert counts == {
        ("json", "complete"): 95,
        ("json", "error"): 14,
        ("json", "corrupt"): 2,
        ("json", "truncated"): 1,
        ("sse", "complete"): 60,
        ("sse", "error"): 4,
    }
    with capsys.disabled():
        print(f"\n  {len(COMPLETE):4d}  exact in the form they came in, converted into the other one")
        refused = Counter(case.reading.reason for case in CASES if case not in COMPLETE)
        print(*(f"  {count:4d}  refused: {reason}" for reason, count in refused.most_common()), sep="\n")


@pytest.mark.parametrize("case", [case for case in CASES if case not in COMPLETE], ids=lambda case: case.name)
def test_what_is_not_complete_is_explained(case: Case) -> None:
    """By its status, or by the table above; and it is never converted into an answer that looks complete."""
    reading = case.reading
    if case.status < 400:
        verdict, why = next(why for name, why in EXPLAINED.items() if case.name.endswith(name))
        assert (reading.verdict, why in reading.reason) == (verdict, True)
    else:
        assert reading.verdict is Verdict.ERROR
    if reading.verdict is Verdict.ERROR and reading.form is WireForm.SSE:
        assert to_json(reading, SEED).status >= 400
    elif reading.verdict is not Verdict.ERROR:
        with pytest.raises(NotConvertible):
            to_sse(reading, SEED, include_usage=True)


def test_no_recording_has_lines_that_nobody_reads() -> None:
    assert [case.name for case in CASES if case.reading.ignored_lines] == []


@pytest.mark.parametrize("case", COMPLETE, ids=_ids(COMPLETE))
class TestComplete:
    def test_k11_survives_the_way_there_and_back(self, case: Case) -> None:
        """As a stream and back, the completion is the same object; and its stream is the same bytes."""
        body = rechunk(case.completion, include_usage=True)
        assert reassemble(parse(body)) == normalise(case.completion)
        assert rechunk(reassemble(parse(body)), include_usage=True) == body

    def test_the_official_client_understands_all_of_it(self, case: Case) -> None:
        snapshot = official_client.accumulate(rechunk(case.completion, include_usage=True))
        assert official_client.understood(snapshot) == official_client.expected(normalise(case.completion))

    def test_every_client_gets_an_answer_in_its_own_form(self, case: Case) -> None:
        reading = case.reading
        in_json, in_sse = to_json(reading, SEED), to_sse(reading, SEED, include_usage=None)
        same, other = (in_json, in_sse) if reading.form is WireForm.JSON else (in_sse, in_json)
        assert same.body == case.body
        again = read(other.body)
        assert (again.verdict, again.form is reading.form) == (Verdict.COMPLETE, False)
        assert again.completion is not None
        usage_apart = {"usage": None}
        assert normalise(again.completion) | usage_apart == normalise(case.completion) | usage_apart


@pytest.mark.parametrize("case", STREAMS, ids=_ids(STREAMS))
class TestStreams:
    def test_reads_of_any_size_and_any_line_end_give_the_same(self, case: Case) -> None:
        events = parse(case.body, lenient=case.lenient)
        for size in SIZES:
            assert feed(SSEParser(lenient=case.lenient), case.body, size) == events
        if b"\r" not in case.body:
            assert parse(case.body.replace(b"\n", b"\r\n"), lenient=case.lenient) == events

    def test_comments_and_a_missing_sentinel_change_nothing(self, case: Case) -> None:
        commented = case.body.replace(b"\n\n", b"\n\n: ping\n\n")
        bare = case.body.replace(b"data: [DONE]", b"")
        for body in (commented, bare):
            assert read(body, lenient=case.lenient).completion == case.reading.completion

    def test_a_stream_cut_between_events_is_whole_or_not_complete(self, case: Case) -> None:
        """What Q8 calls complete has every choice finished: nothing of a message is missing."""
        whole: Any = case.reading.completion
        blocks = case.body.replace(b"\r\n", b"\n").split(b"\n\n")
        for count in range(0, len(blocks), 1 + len(blocks) // 40):
            cut = read(b"".join(block + b"\n\n" for block in blocks[:count]), lenient=case.lenient)
            if cut.verdict is Verdict.COMPLETE:
                said: Any = cut.completion
                assert [one["message"] for one in said["choices"]] == [one["message"] for one in whole["choices"]]

    def test_usage_comes_and_goes(self, case: Case) -> None:
        """Taking usage out leaves the rest alone; putting it in says it once more."""
        whole: Any = case.reading.completion
        bare = without_usage(case.body)
        left: Any = read(bare, lenient=case.lenient).completion
        assert left["choices"] == whole["choices"]
        assert "usage" not in left or "x_groq" in left
        filled = with_usage(bare, whole.get("usage"))
        again: Any = read(filled, lenient=case.lenient).completion
        assert again.get("usage") == whole.get("usage")
        assert without_usage(filled) == bare

    @pytest.mark.skipif(not response_schema.SPECIFICATION.is_file(), reason="the specification is not beside them")
    def test_its_json_is_valid(self, case: Case) -> None:
        """But for what the API or the vendor sends although the specification does not list it."""
        found = response_schema.violations(loads(to_json(case.reading, SEED).body), response_schema.of_status(200))
        tolerated = (
            ".choices[].message.content: null is no string",  # beside tool calls
            ".choices[].message.content: [",  # Mistral's thinking parts
            ".choices[].finish_reason: ",  # Snowflake's null, Together's eos
        )
        unknown_counts = [line for line in found if line.startswith(".usage.") and ": null is no " in line]
        assert [line for line in found if not line.startswith(tolerated) and line not in unknown_counts] == []
