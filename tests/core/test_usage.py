"""Usage taken out of a recorded stream or put into it (Q28-Q31), every other byte untouched."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.model import JsonObject
from chatreel.wire.codec import dumps
from chatreel.wire.reassemble import reassemble
from chatreel.wire.sse import parse
from chatreel.wire.usage import UsageRemover, with_usage, without_usage
from support import official_client
from support.streams import SIZES, chunk, envelope, sse

USAGE: JsonObject = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
TEXT = chunk({"role": "assistant", "content": "hi"})
END = chunk(finish="stop")
USED = envelope([], usage=USAGE)
DONE = b"data: [DONE]\n\n"

WITHOUT: dict[str, tuple[bytes, bytes]] = {
    "Q28-usage-chunk": (sse(TEXT | {"usage": None}, END | {"usage": None}, USED), sse(TEXT, END)),
    "Q29-usage-on-the-finish-chunk": (sse(TEXT, END | {"usage": USAGE}), sse(TEXT, END)),
    "Q30-usage-in-every-chunk": (sse(TEXT | {"usage": USAGE}, END | {"usage": USAGE}), sse(TEXT, END)),
    "Q31-usage-twice": (sse(TEXT, END | {"usage": USAGE}, USED), sse(TEXT, END)),
    "Q31-the-vendors-own-stays": (sse(END | {"x_groq": {"usage": USAGE}}), sse(END | {"x_groq": {"usage": USAGE}})),
    "Q33-chunk-after-usage": (sse(TEXT, USED, envelope([], moderation={})), sse(TEXT, envelope([], moderation={}))),
    "Q39-usage-chunk-with-padding": (sse(TEXT, USED | {"obfuscation": "x"}), sse(TEXT)),
    "Q40-usage-chunk-that-says-more": (sse(USED | {"timings": {"ms": 3}}), sse(envelope([], timings={"ms": 3}))),
    "Q26-azure-filter-chunk": (
        sse(envelope([], prompt_filter_results=[], usage=None)),
        sse(envelope([], prompt_filter_results=[])),
    ),
    "nothing-to-do": (sse(TEXT, END), sse(TEXT, END)),
    "first-of-several-members": (b'data: {"usage": null, "a": 1}\n\n', b'data: {"a": 1}\n\n'),
    "in-the-middle": (b'data: {"a" : 1 , "usage" : {"x": [1, {}]} , "b":2 }\n\n', b'data: {"a" : 1 , "b":2 }\n\n'),
    "a-vendors-null-beside-ours": (
        b'data: {"x_groq":{"id":1,"usage":null},"usage":null}\n\n',
        b'data: {"x_groq":{"id":1,"usage":null}}\n\n',
    ),
    "a-vendors-null-beside-a-member-spelled-with-escapes": (
        b'data: {"x_groq":{"id":1,"usage":null},"\\u0075sage":null}\n\n',
        b'data: {"x_groq":{"id":1,"usage":null}}\n\n',
    ),
    "the-only-member": (b'data: { "usage":null }\n\n', b"data: {  }\n\n"),
    "twice-in-one-object": (b'data: {"usage":null,"usage":1,"a":2,"usage":3}\n\n', b'data: {"a":2}\n\n'),
    "spelling-is-kept": (b'data:{"a":1.50,"b":"\\u00e9","usage":0}\r\n\r\n', b'data:{"a":1.50,"b":"\\u00e9"}\r\n\r\n'),
    "a-text-about-usage": (sse(chunk({"content": '"usage":null'})), sse(chunk({"content": '"usage":null'}))),
    "deeper-than-the-top": (sse(chunk({"usage": 1})), sse(chunk({"usage": 1}))),
    "comments-stay": (b": a\n" + sse(USED, b": b\n", TEXT), b": a\n: b\n" + sse(TEXT)),
    "id-and-event-go-with-the-chunk": (b"id: 4\nevent: x\n" + sse(USED), DONE),
    "Q19-single-newlines": (
        b'data: {"a":1,"usage":null}\ndata: {"choices":[],"usage":{}}\ndata: [DONE]\n',
        b'data: {"a":1}\ndata: [DONE]\n',
    ),
    "Q20-bom": (b'\xef\xbb\xbfdata: {"usage":null,"a":1}\n\n', b'\xef\xbb\xbfdata: {"a":1}\n\n'),
    "Q22-last-event-open": (b'data: {"a":1,"usage":null}', b'data: {"a":1}'),
    "Q25-corrupt-json-stays": (b'data: {"usage":null,\n\n', b'data: {"usage":null,\n\n'),
    "invalid-utf-8-stays": (b'data: {"a":"\xff","usage":null}\n\n', b'data: {"a":"\xff","usage":null}\n\n'),
}  # fmt: skip


@pytest.mark.parametrize(("body", "left"), WITHOUT.values(), ids=WITHOUT)
def test_without_usage(body: bytes, left: bytes) -> None:
    """A stream loses its usage and nothing else."""
    assert without_usage(body) == left
    assert without_usage(left) == left


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("body", "left"), WITHOUT.values(), ids=WITHOUT)
def test_usage_remover(body: bytes, left: bytes, size: int) -> None:
    """The same, while the stream arrives in reads of any size."""
    remover = UsageRemover()
    parts = [remover.feed(body[start : start + size]) for start in range(0, len(body), size)]
    assert b"".join(parts) + remover.close() == left


def test_a_line_is_passed_on_as_soon_as_it_is_complete() -> None:
    remover = UsageRemover()
    assert remover.feed(b'data: {"a":1,"usage":nu') == b""
    assert remover.feed(b"ll}\n") == b'data: {"a":1}\n'
    assert remover.feed(b"\nda") == b"\n"
    assert remover.close() == b"da"


class TestWithUsage:
    def test_q28_comes_last_before_the_sentinel_and_null_before(self) -> None:
        expected = sse(TEXT | {"usage": None}, END | {"usage": None}, USED)
        assert with_usage(sse(TEXT, END), USAGE) == expected

    def test_q14_comes_last_where_there_is_no_sentinel(self) -> None:
        assert with_usage(sse(TEXT, END, done=False), USAGE) == sse(
            TEXT | {"usage": None}, END | {"usage": None}, USED, done=False
        )

    @pytest.mark.parametrize("open_end", [b"", b"\n"])
    def test_q22_closes_an_event_that_was_left_open(self, open_end: bytes) -> None:
        body = b"data: " + dumps(END) + open_end
        assert with_usage(body, USAGE) == sse(END | {"usage": None}, USED, done=False)

    @pytest.mark.parametrize("body", [sse(TEXT, END, USED), sse(TEXT, END | {"usage": USAGE}), sse(), b"", b"data: {"])
    def test_changes_nothing_where_usage_is_known_or_there_is_no_chunk(self, body: bytes) -> None:
        assert with_usage(body, USAGE) == body

    def test_lines_before_the_sentinel_stay_with_it(self) -> None:
        """An `event:` line in front of the new chunk would make it an event of that name."""
        body = sse(TEXT, END, b": latency=3\nevent: x\n")
        assert with_usage(body, USAGE).endswith(b"data: " + dumps(USED) + b"\n\n: latency=3\nevent: x\n" + DONE)

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_the_official_client_finds_it(self, end: bytes) -> None:
        body = with_usage(sse(TEXT, END).replace(b"\n", end), USAGE)
        assert official_client.accumulate(body)["usage"] == USAGE


CHUNKS = st.sampled_from([TEXT, END, chunk({"content": '"usage":1 \u2028'}), envelope([], note={"usage": None}), {}])
KEPT = st.sampled_from([b": ping\n\n", b": c\n", b"event: message\n", b"id: 3\n", b"data: rubbish\n\n", b"\n"])


class TestLaws:
    @given(st.lists(CHUNKS | KEPT, max_size=8), st.booleans())
    def test_taking_out_what_was_put_in_gives_the_same_bytes(self, parts: list[Any], done: bool) -> None:
        body = sse(*parts, TEXT, done=done)
        assert without_usage(with_usage(body, USAGE)) == body

    @given(st.lists(st.tuples(CHUNKS, st.sampled_from(["", "null", "usage"])), min_size=1, max_size=8))
    def test_the_completion_keeps_everything_else(self, parts: list[tuple[JsonObject, str]]) -> None:
        usages: dict[str, JsonObject] = {"": {}, "null": {"usage": None}, "usage": {"usage": USAGE}}
        body = sse(*(whole | usages[kind] for whole, kind in parts))
        before, after = reassemble(parse(body)), reassemble(parse(without_usage(body)))
        assert "usage" not in after
        assert {**before, "usage": None} == {**after, "usage": None}

    @given(st.binary(max_size=200) | st.lists(KEPT | st.just(b'data: {"usage":1'), max_size=9).map(b"".join))
    def test_any_bytes_pass(self, body: bytes) -> None:
        assert len(without_usage(body)) <= len(body)
        assert isinstance(with_usage(body, USAGE), bytes)
