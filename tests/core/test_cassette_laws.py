"""Laws of the cassette: what is written is read, what is read is written the same, and order means nothing."""

import json
import random
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from chatreel.canonical import KeyOptions
from chatreel.errors import CassetteError
from chatreel.formats import cassette
from chatreel.formats.layout import fold, unfold
from chatreel.model import Piece, Recording, WireForm
from chatreel.request import DEFAULT_KEYS
from chatreel.wire.codec import dumps
from support.made_recordings import KEYED_BY, completion, events, recorded

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LINES = st.lists(TEXT, max_size=4).map("\n".join)
NAMES = st.one_of(st.sampled_from(["content", "content|", "a||", "|", "properties", "events", "request", "body"]), TEXT)
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, LINES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": LINES}), min_size=1, max_size=3
)
REQUESTS = st.builds(
    lambda messages, others: {"model": "m", "messages": messages} | others,
    MESSAGES,
    st.dictionaries(NAMES, VALUES, max_size=3),
)
SPELLINGS = st.sampled_from(
    [
        dumps,
        lambda value: json.dumps(value).encode(),
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        lambda value: json.dumps(value, indent=2).encode(),
        lambda value: json.dumps(value, indent=4, ensure_ascii=False).encode(),
        lambda value: json.dumps(value, separators=(" ,", ": ")).encode(),
        lambda value: dumps(value).replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026"),
    ]
)
PADDING = st.sampled_from([b"", b"\n", b"\r\n  \n", b" \t"])


@st.composite
def json_bodies(draw: st.DrawFn) -> bytes:
    value = completion(draw(LINES)) | draw(st.dictionaries(NAMES, VALUES, max_size=2))
    spelled: bytes = draw(SPELLINGS)(value)
    return draw(PADDING) + spelled + draw(PADDING)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from([b"\n\n", b"\r\n\r\n", b"\n"]))
    opening = draw(st.sampled_from([b"data: ", b"data:"]))
    parts = [part[6:-2] for part in events(*draw(st.lists(LINES, max_size=3)))]
    odd = st.sampled_from([b": ping\n\n", b"event: error\ndata: {}\n\n", b"data: nonsense\n\n", b"\n", b"\xff"])
    blocks = [opening + part + end for part in parts]
    for extra in draw(st.lists(odd, max_size=2)):
        blocks.insert(draw(st.integers(0, len(blocks))), extra)
    whole = b"".join(blocks)
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


BODIES = st.one_of(json_bodies(), streams(), st.binary(max_size=20), LINES.map(str.encode), st.just(b""))
MOMENTS = st.integers(0, 2 * 10**15).map(lambda micros: micros / 1e6)


@st.composite
def arrivals(draw: st.DrawFn, body: bytes) -> tuple[Piece, ...]:
    cuts = {position + 2 for position in range(len(body)) if body[position : position + 2] == b"\n\n"}
    if not draw(st.booleans()):
        cuts = set(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    ends = sorted({*cuts, len(body)})
    at = 0
    pieces = []
    for start, end in zip([0, *ends], ends, strict=False):
        at += draw(st.integers(0, 10**6))
        pieces.append(Piece(at / 1e6, end - start))
    return tuple(pieces) if draw(st.integers(0, 9)) else ()


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    body = draw(BODIES)
    one = recorded(
        draw(REQUESTS),
        body,
        at=draw(MOMENTS),
        status=draw(st.sampled_from([200, 201, 429, 500])),
        pieces=draw(arrivals(body)),
        headers=tuple(draw(st.lists(st.tuples(st.sampled_from(["content-type", "x-request-id"]), TEXT), max_size=3))),
        usage_added=draw(st.booleans()),
    )
    if not draw(st.integers(0, 4)):
        one = replace(one, form=draw(st.sampled_from(WireForm)))
    return replace(one, edited=draw(st.booleans()), model=draw(st.sampled_from(["m", "other"])))


def unchanged(text: str) -> str:
    return text


def written(*some: Recording) -> bytes:
    return cassette.dump(some, KEYED_BY, unchanged)


@given(recordings())
def test_what_is_written_is_read(one: Recording) -> None:
    assert cassette.load(written(one), DEFAULT_KEYS).recordings == (one,)


@given(recordings())
def test_a_reader_that_takes_nothing_for_granted_reads_the_same(one: Recording) -> None:
    """The quick way in and the long one agree; white space of another layout counts for nothing."""
    respaced = orjson.dumps(orjson.loads(written(one)))
    assert cassette.load(respaced, DEFAULT_KEYS).recordings == (one,)


@given(st.lists(recordings(), max_size=3))
@settings(max_examples=40)
def test_what_is_read_is_written_the_same(some: list[Recording]) -> None:
    text = written(*some)
    again = cassette.load(text, DEFAULT_KEYS)
    assert cassette.dump(again.recordings, again.keyed_by, unchanged) == text


@given(st.lists(recordings(), max_size=3, unique_by=lambda one: one.recorded_at), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_they_were_made_in_does_not_show(some: list[Recording], rng: random.Random) -> None:
    shuffled = rng.sample(some, len(some))
    assert written(*shuffled) == written(*some)


@given(st.lists(recordings(), min_size=1, max_size=3))
@settings(max_examples=40)
def test_what_is_read_when_it_is_needed_is_what_is_read_at_once(some: list[Recording]) -> None:
    text = written(*some)
    found = cassette.unread(text, DEFAULT_KEYS)
    assert found is not None
    apart = tuple(one for each in found for one in cassette.load(each.cassette, DEFAULT_KEYS).recordings)
    assert apart == cassette.load(text, DEFAULT_KEYS).recordings
    assert [each.key for each in found] == [one.identity.key for one in apart]


@given(st.lists(recordings(), min_size=1, max_size=2), st.data())
def test_a_cassette_of_which_a_byte_was_changed_is_read_at_once(some: list[Recording], data: st.DataObject) -> None:
    text = written(*some)
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))
    assert cassette.unread(text[:place] + bytes([byte]) + text[place + 1 :], DEFAULT_KEYS) is None


def test_a_change_of_any_byte_of_a_cassette_is_seen() -> None:
    text = written(recorded({"model": "m", "messages": []}, b"{}", at=0))
    assert cassette.unread(text, DEFAULT_KEYS)
    for place, byte in enumerate(text):
        for other in {byte ^ 1, ord("\b")} - {byte}:
            changed = text[:place] + bytes([other]) + text[place + 1 :]
            assert cassette.unread(changed, DEFAULT_KEYS) is None, changed[place - 20 : place + 20]


def test_a_cassette_that_is_keyed_by_other_rules_is_read_at_once() -> None:
    text = written(recorded({"model": "m", "messages": [], "user": "u"}, b"{}", at=0))
    others = replace(DEFAULT_KEYS, options=KeyOptions(ignore=("/user",)))
    assert cassette.unread(text, DEFAULT_KEYS)
    assert cassette.unread(text, others) is None


@given(VALUES)
def test_texts_in_lines_are_no_other_value(value: Any) -> None:
    if exact := _without_large_numbers(value):
        assert unfold(fold(exact)) == exact


def _without_large_numbers(value: Any) -> Any:
    try:
        unfold(fold(value))
    except CassetteError:
        return None
    return value
