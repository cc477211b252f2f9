"""Bodies are read strictly: what readers may disagree on has no key, what nobody can read is malformed."""

import json
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatreel.canonical import MAX_DEPTH, Malformed, NotKeyable, identify, parse_body
from chatreel.errors import ChatreelError

NOT_KEYABLE: list[tuple[str, bytes, str]] = [
    ("a name stands twice", b'{"a":1,"a":2}', '"a" twice'),
    ("even with one value", b'{"a":1,"a":1}', '"a" twice'),
    ("even deep inside", b'{"a":[{"b":{"c":1,"d":2,"c":3}}]}', '"c" twice'),
    ("even spelled differently", b'{"a":1,"\\u0061":2}', '"a" twice'),
    ("even if it is empty", b'{"":1,"":2}', '"" twice'),
    ("even beside spaces", b'{"a" : 1, "a"\n:\t2}', '"a" twice'),
    ("even if it ends in a backslash", b'{"a\\\\":1,"a\\\\":2}', "twice"),
    ("even if the quotes add up", b'{"a":1,"a":2,"b":"\\u0022\\u0022"}', '"a" twice'),
    ("even if the colons add up", b'{"a":1,"a":2,"b":":\\u0022:"}', '"a" twice'),
    ("NaN is a number to some", b'{"temperature":NaN}', "NaN"),
    ("Infinity is a number to some", b'{"a":[Infinity]}', "Infinity"),
    ("-Infinity is a number to some", b'{"a":-Infinity}', "-Infinity"),
    ("a fraction may be beyond a double", b'{"a":1e400}', "1e400"),
    ("also a negative one", b'{"a":-1.5E999}', "-1.5E999"),
    ("an integer may be beyond a double", b'{"a":' + b"9" * 310 + b"}", "99999"),
    ("even by little", b'{"a":' + str(int(sys.float_info.max) + 1).encode() + b"}", "17976931"),
    ("even by very much", b'{"a":-' + b"9" * 10_000 + b"}", "-99999"),
    ("a high surrogate stands alone", b'{"a":"\\ud800"}', "surrogate"),
    ("a low surrogate stands alone", b'{"a":"\\udc00x"}', "surrogate"),
    ("also in a name", b'{"\\ud800":1}', "surrogate"),
    ("a byte order mark is ignored by some", b'\xef\xbb\xbf{"a":1}', "some readers"),
    ("some guess the encoding", '{"a":1}'.encode("utf-16-le"), "some readers"),
    ("too many arrays", b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "deeper than"),
    ("too many objects", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deeper than"),
    ("one level too many", b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "deeper than"),
    ("also with spaces", b'{ "a": ' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "deeper than"),
]

MALFORMED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "empty"),
    ("only spaces", b" \n", "not JSON"),
    ("no JSON", b"hello", "not JSON"),
    ("a form", b"model=m&messages=hi", "not JSON"),
    ("a truncated object", b'{"model":"m"', "not JSON"),
    ("two objects", b"{}{}", "not JSON"),
    ("a trailing comma", b'{"a":1,}', "not JSON"),
    ("single quotes", b"{'a':1}", "not JSON"),
    ("a comment", b'{"a":1} // b', "not JSON"),
    ("a name without quotes", b"{a:1}", "not JSON"),
    ("a control character in a text", b'{"a":"\n"}', "not JSON"),
    ("a leading zero", b'{"a":01}', "not JSON"),
    ("a number without digits", b'{"a":1.}', "not JSON"),
    ("an unknown escape", b'{"a":"\\x41"}', "not JSON"),
    ("a zero byte at the end", b"{}\x00", "not JSON"),
    ("Latin-1", '{"a":"é"}'.encode("latin-1"), "not UTF-8"),
    ("an encoded surrogate", b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    ("an overlong encoding", b'{"a":"\xc0\xaf"}', "not UTF-8"),
    ("an array", b'[{"model":"m"}]', "an array"),
    ("a text", b'"{}"', "a string"),
    ("a number", b"1", "a number"),
    ("a fraction", b"1.5", "a number"),
    ("a truth value", b"true", "a boolean"),
    ("null", b"null", "null"),
]


@pytest.mark.parametrize(("raw", "reason"), [line[1:] for line in NOT_KEYABLE], ids=[line[0] for line in NOT_KEYABLE])
def test_what_readers_may_disagree_on_is_not_keyable(raw: bytes, reason: str) -> None:
    with pytest.raises(NotKeyable) as caught:
        parse_body(raw)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 200, "a reason is one sentence"


@pytest.mark.parametrize(("raw", "reason"), [line[1:] for line in MALFORMED], ids=[line[0] for line in MALFORMED])
def test_what_nobody_can_read_is_malformed(raw: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        parse_body(raw)


@pytest.mark.parametrize("space", ["", " "], ids=["compact", "spaced"])
def test_the_deepest_body_that_can_be_read_has_a_key(space: str) -> None:
    raw = f'{{"a":{space}' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    identify(upstream="", path="", query="", body=parse_body(raw.encode()))


UNREADABLE: list[tuple[str, Any]] = [
    ("NaN", {"a": float("nan")}),
    ("infinity", {"a": [float("inf")]}),
    ("an integer beyond a double", {"a": -(10**400)}),
    ("a lone surrogate", {"a": "\ud800"}),
    ("a lone surrogate in a name", {"\ud800": 1}),
]


@pytest.mark.parametrize("body", [line[1] for line in UNREADABLE], ids=[line[0] for line in UNREADABLE])
def test_a_body_from_elsewhere_is_refused_as_well(body: Any) -> None:
    with pytest.raises(NotKeyable):
        identify(upstream="", path="", query="", body=body)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 10_000])
def test_a_deep_body_from_elsewhere_is_refused_as_well(levels: int) -> None:
    body: Any = 1
    for _ in range(levels):
        body = {"a": body}
    with pytest.raises(NotKeyable):
        identify(upstream="", path="", query="", body=body)


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(NotKeyable):
        identify(upstream="", path="/\udc80", query="", body={})


# Texts full of what could be taken for the end of a name.
TRICKY = st.text(st.sampled_from('ab\\":,{}[]/u0022 é\n'), max_size=6)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TRICKY)


class Members(list[tuple[str, Any]]):
    """The members of an object as they are written: a name may stand twice."""


def nested(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    members = st.lists(st.tuples(TRICKY, children), max_size=4)
    return st.one_of(st.lists(children, max_size=3), members.map(Members))


TREES = st.recursive(SCALARS, nested, max_leaves=12)


def has_twin(tree: Any) -> bool:
    """Whether a name stands twice in an object of `tree`, told from how it was made."""
    if isinstance(tree, Members):
        names = [name for name, _ in tree]
        return len(set(names)) < len(names) or any(has_twin(child) for _, child in tree)
    return isinstance(tree, list) and any(has_twin(child) for child in tree)


def written(tree: Any, *, colon: str, ascii_only: bool, numeric_quotes: bool) -> str:
    if isinstance(tree, Members):
        members = (
            written(name, colon=colon, ascii_only=ascii_only, numeric_quotes=numeric_quotes)
            + colon
            + written(child, colon=colon, ascii_only=ascii_only, numeric_quotes=numeric_quotes)
            for name, child in tree
        )
        return "{" + ",".join(members) + "}"
    if isinstance(tree, list):
        items = (written(child, colon=colon, ascii_only=ascii_only, numeric_quotes=numeric_quotes) for child in tree)
        return "[" + ", ".join(items) + "]"
    if isinstance(tree, str) and numeric_quotes:
        return json.dumps(tree.replace('"', "\x7f"), ensure_ascii=ascii_only).replace("\x7f", "\\u0022")
    return json.dumps(tree, ensure_ascii=ascii_only)


@given(
    tree=st.lists(st.tuples(TRICKY, TREES), max_size=4).map(Members),
    colon=st.sampled_from([":", ": ", " :", "\n:\t", "  : "]),
    ascii_only=st.booleans(),
    numeric_quotes=st.booleans(),
)
@example(Members([("a", 1), ("a", 2), ("b", '""')]), ":", False, True)
@example(Members([("a\\", ":"), ("b", '":')]), ":", False, False)
def test_a_name_that_stands_twice_is_found_wherever_it_is(
    tree: Members, colon: str, ascii_only: bool, numeric_quotes: bool
) -> None:
    raw = written(tree, colon=colon, ascii_only=ascii_only, numeric_quotes=numeric_quotes).encode()
    if has_twin(tree):
        with pytest.raises(NotKeyable, match="twice"):
            parse_body(raw)
    else:
        assert repr(parse_body(raw)) == repr(json.loads(raw))


@given(st.one_of(st.binary(), st.text(st.sampled_from('{}[]":,\\u0d8eE+-.1 aNItrufalsn\n')).map(str.encode)))
def test_reading_ends_in_an_object_or_in_an_error_of_ours(raw: bytes) -> None:
    try:
        body = parse_body(raw)
    except ChatreelError:
        return
    assert body == json.loads(raw)
    identify(upstream="", path="", query="", body=body)


@given(st.integers(-(10**300), 10**300))
def test_integers_keep_their_digits(number: int) -> None:
    assert parse_body(b'{"seed": %d}' % number) == {"seed": number}
