"""Bytes to server-sent events: the framing quirks Q10-Q25, and the laws of an incremental parser."""

import re
from functools import partial
from typing import Any, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.wire.codec import dumps, loads
from chatreel.wire.sse import DONE, Event, Origin, SSEParser, encode, parse
from support.streams import SIZES, feed
from support.work import lines_executed

A, B = b'{"n":1}', b'{"n":2}'
LOOKALIKES = '{"t":"a\u2028b\u2029c\u0085d\x0be\x0c"}'.encode()
LONG = b'"%s"' % (b"x" * 200_000)


def event(data: bytes, name: str = "") -> Event:
    return Event(data, name)


def cut(data: bytes) -> Event:
    """The event that the end of the body left open."""
    return Event(data, terminated=False)


def stray(line: bytes) -> Event:
    return Event(line, origin=Origin.STRAY)


FRAMING = {
    "Q11-comment": (b": keep-alive\n\ndata: %s\n\n" % A, [event(A)]),
    "Q11-comment-between-lines-of-an-event": (b"data: {\n: ping\ndata: }\n\n", [event(b"{\n}")]),
    "Q11-comment-before-sentinel": (b"data: %s\n\n: latency=3\ndata: [DONE]\n\n" % A, [event(A), event(DONE)]),
    "Q11-empty-comment": (b":\n: \n\n", []),
    "Q12-crlf": (b"data: %s\r\n\r\ndata: %s\r\n\r\n" % (A, B), [event(A), event(B)]),
    "Q12-cr": (b"data: %s\r\rdata: %s\r\r" % (A, B), [event(A), event(B)]),
    "Q12-mixed": (b"data: %s\r\n\ndata: %s\n\r\n" % (A, B), [event(A), event(B)]),
    "Q13-no-space": (b"data:%s\n\n" % A, [event(A)]),
    "Q13-two-spaces": (b"data:  %s\n\n" % A, [event(b" " + A)]),
    "Q15-trailing-space": (b"data: [DONE] \n\n", [event(b"[DONE] ")]),
    "Q15-no-blank-line": (b"data: [DONE]", [cut(DONE)]),
    "Q16-error-event": (b'event: error\ndata: {"code":4}\n\n', [event(b'{"code":4}', "error")]),
    "Q16-error-event-without-data": (b"event: error\n\n", [event(b"", "error")]),
    "Q16-ping-without-data": (b"event: ping\n\ndata: %s\n\n" % A, [event(A)]),
    "Q16-name-ends-with-its-event": (b"event: a\ndata: %s\n\ndata: %s\n\n" % (A, B), [event(A, "a"), event(B)]),
    "Q17-id-and-retry": (b"id: 9\nretry: 3000\n\ndata: %s\n\n" % A, [event(A)]),
    "Q18-empty-data": (b"data:\n\ndata: \n\ndata\n\ndata: %s\n\n" % A, [event(A)]),
    "Q19-data-on-several-lines": (b'data: {\ndata: "a":\ndata: 1}\n\n', [event(b'{\n"a":\n1}')]),
    "Q19-single-newline": (b"data: %s\ndata: %s\ndata: [DONE]\n" % (A, B), [cut(A), cut(B), cut(DONE)]),
    "Q19-neither-whole-nor-by-line": (b"data: {\ndata: %s\n\n" % A, [event(b"{\n" + A)]),
    "Q20-bom": (b"\xef\xbb\xbfdata: %s\n\n" % A, [event(A)]),
    "Q20-bom-only-once": (b"data: %s\n\n\xef\xbb\xbfid: 1\n\n" % A, [event(A), stray(b"\xef\xbb\xbfid: 1")]),
    "Q21-error-line": (b'error: {"code":5}\n\n', [Event(b'{"code":5}', "error", Origin.ERROR_LINE)]),
    "Q21-bare-json": (b'{"error":{}}\n\n', [stray(b'{"error":{}}')]),
    "Q21-indented-data": (b" data: %s\n\ndata: %s\n\n" % (A, B), [stray(b" data: " + A), event(B)]),
    "Q21-html": (b"<html>\n", [stray(b"<html>")]),
    "Q21-unknown-field": (b"x-trace: 7\ndata: %s\n\n" % A, [event(A)]),
    "Q22-no-blank-line-at-the-end": (b"data: %s\n\ndata: %s\n" % (A, B), [event(A), cut(B)]),
    "Q22-cut-in-a-line": (b"data: %s\n\ndata: {" % A, [event(A), cut(b"{")]),
    "Q23-line-ends-of-unicode": (b"data: %s\n\n" % LOOKALIKES, [event(LOOKALIKES)]),
    "Q24-long-line": (b"data: %s\n\n" % LONG, [event(LONG)]),
    "Q25-glued-events": (b'data: {"a":{"b":"cdata: {"a":1}\n\n', [event(b'{"a":{"b":"cdata: {"a":1}')]),
    "empty-body": (b"", []),
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("body", "events"), FRAMING.values(), ids=FRAMING)
def test_framing(body: bytes, events: list[Event], size: int) -> None:
    """A body gives these events, in reads of any size (Q10)."""
    if size == 1 and len(body) > 100_000:
        size = 997
    assert feed(SSEParser(), body, size) == events


def test_q21_an_indented_field_counts_when_asked_to_be_lenient() -> None:
    assert parse(b" data: %s\n\n" % A, lenient=True) == [event(A)]


@pytest.mark.parametrize("spelling", [b"[DONE]", b"[DONE] ", b" [DONE]", b"[DONE]\t"])
def test_q15_sentinel_in_all_spellings(spelling: bytes) -> None:
    assert event(spelling).is_done


def test_q15_a_text_that_only_starts_like_the_sentinel_is_none() -> None:
    assert not event(b"[DONE]!").is_done
    assert not stray(DONE).is_done


def test_q13_an_event_is_written_as_every_client_reads_it() -> None:
    assert encode(A) == b'data: {"n":1}\n\n'


def test_q23_what_weak_clients_take_for_line_ends_is_written_as_escapes() -> None:
    text = "a\u2028b\u2029c\u0085d"
    written = dumps({"t": text})
    assert written == rb'{"t":"a\u2028b\u2029c\u0085d"}'
    assert loads(written) == {"t": text}


class TestLimit:
    """A line, or an event, larger than the limit is given up and reported; what follows is read."""

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize(
        "large",
        [b"data: " + b"x" * 100, b": " + b"x" * 100, b"\n".join([b"data: xxxxxxxxxx"] * 10)],
        ids=["line", "comment", "event"],
    )
    def test_reports_it_and_goes_on(self, large: bytes, size: int) -> None:
        events = feed(SSEParser(limit=64), large + b"\n\ndata: %s\n\n" % A, size)
        assert Event(b"", origin=Origin.OVERLONG) in events
        assert events[-1] == event(A)

    def test_holds_no_more_than_the_limit(self) -> None:
        parser = SSEParser(limit=1000)
        for _ in range(100):
            parser.feed(b"x" * 100)
            assert sum(map(len, parser._pieces)) <= 1000


LINES = st.sampled_from(
    [b"data: " + A, b"data:" + B, b"data: {", b"data: }", b"data:", b": c", b"event: error", b"event: x", b"id: 1",
     b"retry: 1", b"", b"", b"", b"data: [DONE]", b"error: {}", b"{}", b" data: {}", b"data: \xff\xe2\x80\xa8"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
BODIES = st.lists(LINES, max_size=30).flatmap(
    lambda lines: ENDS.map(lambda end: b"".join(line + end for line in lines))
)


class TestLaws:
    @given(BODIES | st.binary(max_size=200), st.lists(st.integers(1, 9), min_size=1, max_size=9))
    def test_reads_of_any_size_give_the_same_events(self, body: bytes, sizes: list[int]) -> None:
        parser, events, start = SSEParser(), list[Event](), 0
        while start < len(body):
            size = sizes[start % len(sizes)]
            events += parser.feed(body[start : start + size])
            start += size
        assert events + parser.close() == parse(body)

    @given(st.lists(LINES, max_size=30))
    def test_the_kind_of_line_end_does_not_matter(self, lines: list[bytes]) -> None:
        lf, crlf, cr = (parse(b"".join(line + end for line in lines)) for end in (b"\n", b"\r\n", b"\r"))
        assert lf == crlf == cr

    @given(st.lists(LINES, max_size=30), st.data())
    def test_comments_anywhere_change_nothing(self, lines: list[bytes], data: st.DataObject) -> None:
        commented = [text for line in lines for text in [line, *data.draw(st.sampled_from([[], [b": ping"]]))]]
        assert parse(b"\n".join([*commented, b""])) == parse(b"\n".join([*lines, b""]))

    @given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), max_size=5))
    def test_what_is_encoded_is_parsed_back(self, values: list[dict[str, Any]]) -> None:
        body = b"".join(encode(dumps(value)) for value in values)
        assert [loads(found.data) for found in parse(body)] == values

    @given(st.binary(max_size=2000))
    def test_any_bytes_give_no_more_than_they_hold(self, body: bytes) -> None:
        """The fuzz: no exception, and the data of all events together is no larger than the body."""
        events = parse(body)
        assert sum(len(found.data) for found in events) <= len(body)
        assert len(events) <= len(re.split(rb"[\r\n]", body))


class _Counted(bytes):
    """Bytes that count how many of them were looked at for line ends."""

    looked_at = 0

    def splitlines(self, keepends: bool = False) -> list[bytes]:
        _Counted.looked_at += len(self)
        return super().splitlines(keepends)

    def removeprefix(self, prefix: Any, /) -> "_Counted":
        return _Counted(super().removeprefix(prefix))

    def startswith(self, prefix: Any, start: SupportsIndex | None = None, end: SupportsIndex | None = None, /) -> bool:
        return super().startswith(prefix, start, end)


class TestWorkIsLinear:
    """Twice the bytes, twice the work, however small the reads are (Q24)."""

    @staticmethod
    def _body(length: int) -> bytes:
        return b"data: " + b"x" * length

    def test_every_byte_is_searched_for_line_ends_once(self) -> None:
        parser, body = SSEParser(), self._body(5000)
        _Counted.looked_at = 0
        for start in range(len(body)):
            parser.feed(_Counted(body[start : start + 1]))
        assert _Counted.looked_at == len(body)

    def test_lines_executed_grow_with_the_bytes(self) -> None:
        small, large = (lines_executed(partial(feed, SSEParser(), self._body(n), 1)) for n in (2000, 4000))
        assert large <= 2.1 * small

    def test_a_line_in_pieces_is_joined_once(self) -> None:
        parser = SSEParser()
        for _ in range(1000):
            parser.feed(b"x")
        assert len(parser._pieces) == 1000
        parser.feed(b"\n")
        assert parser._pieces == []
