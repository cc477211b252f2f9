"""A miss is explained by the nearest recording and what differs from it, in few words."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.canonical import MAX_DEPTH, identify
from chatreel.explain import MISSING, Difference, Missing, differences, miss_message, nearest
from chatreel.model import Identity
from chatreel.textdiff import changed_words, common_ends, cut

ORIGIN = "https://api.example"
PATH = "/v1/chat/completions"


def identity(body: Any, *, upstream: str = ORIGIN, path: str = PATH, query: str = "") -> Identity:
    return identify(upstream=upstream, path=path, query=query, body=body)


def document(body: Any, **route: str) -> bytes:
    return identity(body, **route).document


def said(*texts: str, **members: Any) -> Any:
    """A body whose messages say `texts`, with further `members`."""
    return {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]} | members


def schema(*names: str) -> Any:
    return {"type": "object", "properties": {name: {} for name in names}}


B: Any = {"content": "b", "role": "user"}

TABLE: list[tuple[str, Any, Any, list[tuple[str, Any, Any]]]] = [
    ("equal bodies do not differ", said("a"), said("a", stream=True), []),
    ("a value differs", said("a", seed=1), said("a", seed=2), [("/body/seed", 1, 2)]),
    ("a type differs", said("a", x=1), said("a", x=True), [("/body/x", 1, True)]),
    ("also inside of arrays", said("a", x=[1]), said("a", x=[True]), [("/body/x/0", 1, True)]),
    ("null is a value", said("a", x={"y": None}), said("a", x={}), [("/body/x/y", None, MISSING)]),
    ("a member is new", said("a", seed=1), said("a"), [("/body/seed", 1, MISSING)]),
    ("a member is gone", said("a"), said("a", seed=1), [("/body/seed", MISSING, 1)]),
    ("a message differs", said("a", "b"), said("a", "c"), [("/body/messages/1/content", "b", "c")]),
    ("a message is new at the end", said("a", "b"), said("a"), [("/body/messages/1", B, MISSING)]),
    ("a message is new at the start", said("b", "a"), said("a"), [("/body/messages/0", B, MISSING)]),
    ("a message is gone", said("a"), said("a", "b"), [("/body/messages/1", MISSING, B)]),
    (
        "a message is new and a later one differs",
        said("b", "x", "y", "z"),
        said("x", "y", "a"),
        [("/body/messages/0", B, MISSING), ("/body/messages/3/content", "z", "a")],
    ),
    (
        "one message became two",
        said("x", "a", "b", "y"),
        said("x", "c", "y"),
        [("/body/messages/1/content", "a", "c"), ("/body/messages/2", B, MISSING)],
    ),
    (
        "two messages became one",
        said("x", "c", "y"),
        said("x", "a", "b", "y"),
        [("/body/messages/1/content", "c", "a"), ("/body/messages/2", MISSING, B)],
    ),
    ("names are escaped", said("a", **{"x/y~z": 1}), said("a"), [("/body/x~1y~0z", 1, MISSING)]),
    (
        "long integers keep their digits",
        said("a", seed=2**70),
        said("a", seed=2**70 + 1),
        [("/body/seed", 2**70, 2**70 + 1)],
    ),
    (
        "the order of properties differs",
        said("a", format=schema("a", "b")),
        said("a", format=schema("b", "a")),
        [("/body/format/properties", {"a": {}, "b": {}}, {"b": {}, "a": {}})],
    ),
    (
        "so it does beside a new property",
        said("a", format=schema("a", "b", "c")),
        said("a", format=schema("b", "a")),
        [
            ("/body/format/properties/c", {}, MISSING),
            ("/body/format/properties", {"a": {}, "b": {}, "c": {}}, {"b": {}, "a": {}}),
        ],
    ),
]


@pytest.mark.parametrize(
    ("asked", "recorded", "expected"), [line[1:] for line in TABLE], ids=[line[0] for line in TABLE]
)
def test_what_differs_is_found(asked: Any, recorded: Any, expected: list[tuple[str, Any, Any]]) -> None:
    found = differences(document(asked), document(recorded))
    assert [repr(difference) for difference in found] == [repr(Difference(*line)) for line in expected]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"upstream": "https://other.example"}, ("/upstream", "https://other.example", ORIGIN)),
        ({"path": "/v2"}, ("/path", "/v2", PATH)),
        ({"query": "a=1"}, ("/query/0", ["a", "1"], MISSING)),
    ],
)
def test_where_the_request_goes_may_differ(route: dict[str, str], expected: tuple[str, Any, Any]) -> None:
    assert differences(document({}, **route), document({})) == (Difference(*expected),)


TEXT = st.text(st.sampled_from("ab <\n"), max_size=5)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.integers(2**64, 2**64 + 2), st.just(0.5), TEXT)
NAMES = st.sampled_from(["properties", "a", "b", "c"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_documents_differ_if_and_only_if_differences_are_found(one: Any, other: Any) -> None:
    documents = document({"x": one}), document({"x": other})
    assert bool(differences(*documents)) == (documents[0] != documents[1])


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_the_elements_of_one_array_can_be_told_from_the_other_and_what_differs(
    one: list[str], other: list[str]
) -> None:
    """No element is left out or told twice: what only one side has makes up the difference in length."""
    found = differences(document({"x": one}), document({"x": other}))
    added = sum(difference.recorded is MISSING for difference in found)
    removed = sum(difference.asked is MISSING for difference in found)
    assert len(one) - added == len(other) - removed
    for difference in found:
        index = int(difference.pointer.rpartition("/")[2])
        side, value = (other, difference.recorded) if isinstance(difference.asked, Missing) else (one, difference.asked)
        assert side[index] == value


def test_long_arrays_are_compared_element_by_element() -> None:
    one: Any = [0, *range(1_000), 0]
    other: Any = [0, *range(1_000, 2_000), 0]
    found = differences(document({"x": one}), document({"x": other}))
    assert [difference.pointer for difference in found] == [f"/body/x/{index}" for index in range(1, 1_001)]


def test_deep_documents_are_compared() -> None:
    bodies: list[Any] = [1, 2]
    for _ in range(MAX_DEPTH):
        bodies = [{"a": body} for body in bodies]
    (found,) = differences(*map(document, bodies))
    assert (found.asked, found.recorded) == (1, 2)


def test_nothing_is_nearest_to_nothing() -> None:
    assert nearest(document(said("a")), []) is None


def conversations() -> list[Any]:
    """Bodies that are alike in most of their members."""
    rules = "You are a careful assistant. " * 20
    return [
        said(rules, f"What is the capital of {country}, and how many people live there?", temperature=0.2, seed=seed)
        for country in ("France", "Spain", "Peru", "Chad", "Fiji", "Oman")
        for seed in range(10)
    ]


@pytest.mark.parametrize("index", [0, 7, 33, 59])
@pytest.mark.parametrize("change", ["member", "text", "message", "model"])
def test_the_nearest_recording_is_the_one_that_was_changed(index: int, change: str) -> None:
    bodies = conversations()
    asked = copy.deepcopy(bodies[index])
    match change:
        case "member":
            asked["top_p"] = 0.5
        case "text":
            asked["messages"][1]["content"] += " Be brief."
        case "message":
            asked["messages"].insert(1, {"role": "user", "content": "Wait."})
        case _:
            asked["model"] = "n"
    found = nearest(document(asked), list(map(document, bodies)))
    assert found is not None
    assert (found[0], len(found[1])) == (index, 1)


def test_of_equally_near_recordings_the_first_is_named() -> None:
    candidates = [document(said("a", seed=seed)) for seed in (2, 3, 4)]
    found = nearest(document(said("a", seed=1)), candidates)
    assert found is not None
    assert found[0] == 0


def test_a_miss_says_which_places_differ() -> None:
    asked = identity(said("hi", "the capital", temperature=0.7, format=schema("a", "b")))
    recorded = document(said("hi", "the capitol", seed=7, temperature=0.2, format=schema("b", "a")))
    assert miss_message(asked, [recorded], recorded_count=1).splitlines() == [
        f"No recording matches this request (key {asked.key[:15]}).",
        "The nearest of one recording differs in 4 places:",
        "  /format/properties: asked the order a, b, recorded the order b, a",
        '  /messages/1/content: asked "the capital", recorded "the capitol"',
        "  /temperature: asked 0.7, recorded 0.2",
        "  /seed: asked nothing, recorded 7",
        "To record it, run once in the mode `cache` or `record`.",
    ]


def test_a_miss_shows_the_changed_words_of_a_long_text() -> None:
    words = [f"word{number}" for number in range(100)]
    changed = [*words[:50], "another", "thing", *words[51:]]
    message = miss_message(identity(said(" ".join(changed))), [document(said(" ".join(words)))], recorded_count=3)
    assert (
        "  /messages/0/content [-recorded-]{+asked+}: "
        "…word47 word48 word49 [-word50 -]{+another thing +}word51 word52 word53 …"
    ) in message.splitlines()
    assert "The nearest of 3 recordings differs in 1 place:" in message


def test_a_miss_with_nothing_recorded_says_so_and_names_the_remedy() -> None:
    assert miss_message(identity(said("a")), [], recorded_count=0).splitlines() == [
        f"No recording matches this request (key {identity(said('a')).key[:15]}).",
        f"Nothing is recorded for {ORIGIN}{PATH} yet.",
        "To record it, run once in the mode `cache` or `record`.",
    ]


def test_a_miss_whose_recordings_went_elsewhere_says_so() -> None:
    asked = identity(said("a"), upstream="https://other.example")
    message = miss_message(asked, [document(said("a"))], recorded_count=1_200)
    assert (
        f"Nothing is recorded for https://other.example{PATH}; the 1,200 recordings at hand went elsewhere." in message
    )
    assert f'  /upstream: asked "https://other.example", recorded "{ORIGIN}"' in message.splitlines()


def test_a_miss_with_a_recording_of_the_same_request_says_so() -> None:
    asked = identity(said("a"))
    assert "There is a recording of the very same request" in miss_message(asked, [asked.document], recorded_count=1)


def test_differences_beyond_the_eighth_are_counted() -> None:
    asked = identity(said("a", **{f"x{number}": 1 for number in range(11)}))
    lines = miss_message(asked, [document(said("a"))], recorded_count=1).splitlines()
    assert sum(line.startswith("  /x") for line in lines) == 8
    assert "  ... and 3 more" in lines


LONG = "lorem ipsum " * 5_000
WIDE: list[tuple[str, Any, Any]] = [
    ("long texts without a common word", said("x" * 50_000), said("y" * 50_000)),
    ("long texts with one", said(LONG + "a"), said(LONG + "b")),
    ("many changes", said(" ".join(map(str, range(3_000)))), said(" ".join(map(str, range(0, 6_000, 2))))),
    ("long names", said("a", **{f"{number}{'n' * 5_000}": 1 for number in range(9)}), said("a")),
    (
        "long orders",
        said("a", format=schema(*map(str, range(999)))),
        said("a", format=schema(*map(str, range(998, -1, -1)))),
    ),
    ("long messages", said("a", *[f"{number}{LONG}" for number in range(20)]), said("a")),
    ("wide characters", said("我" * 5_000, *["你" * 300] * 20), said("他" * 5_000, *["她" * 300] * 20)),
]


@pytest.mark.parametrize(("asked", "recorded"), [line[1:] for line in WIDE], ids=[line[0] for line in WIDE])
def test_a_message_stays_short_whatever_differs(asked: Any, recorded: Any) -> None:
    route = {"upstream": f"https://{'a' * 500}.example", "path": "/" + "p" * 500}
    message = miss_message(identity(asked, **route), [document(recorded)] * 3, recorded_count=3)
    assert len(message) <= 2_000
    assert max(map(len, message.splitlines())) <= 200


CHANGES: list[tuple[str, str, str, str]] = [
    ("a word replaced", "a b c", "a x c", "a [-x -]{+b +}c"),
    ("a word added", "a b c", "a c", "a {+b +}c"),
    ("a word removed", "a c", "a b c", "a [-b -]c"),
    ("two places", "a b c d e", "x b c d y", "[-x -]{+a +}b c d [-y-]{+e+}"),
    ("what is far from a change", "1 2 3 4 5 x 6 7 8 9", "1 2 3 4 5 y 6 7 8 9", "…3 4 5 [-y -]{+x +}6 7 8 …"),
    ("what is between two", "x 1 2 3 4 5 6 7 y", "a 1 2 3 4 5 6 7 b", "[-a -]{+x +}1 2 3 … 5 6 7 [-b-]{+y+}"),
    ("white space", "a  b", "a b", "[-a -]{+a  +}b"),
    ("a line end", "a\nb", "a\tb", "[-a\\t-]{+a\\n+}b"),
    ("white space at the start", " a", "a", "{+ +}a"),
    ("scripts without spaces", "今天很好", "今天不好", "今天[-不-]{+很+}好"),
    ("nothing in common", "a b", "c d", ""),
    ("a common beginning only", "k" * 40 + "a", "k" * 40 + "b", "[-…b-]{+…a+}"),
    ("long words", "a " + "b" * 99, "a c", f"a [-c-]{{+{'b' * 59}…+}}"),
]


@pytest.mark.parametrize(
    ("asked", "recorded", "shown"), [line[1:] for line in CHANGES], ids=[line[0] for line in CHANGES]
)
def test_changed_words_are_shown_with_their_neighbours(asked: str, recorded: str, shown: str) -> None:
    assert changed_words(asked, recorded) == shown


@given(st.lists(st.sampled_from("ab")), st.lists(st.sampled_from("ab")))
def test_common_ends_are_common_and_do_not_overlap(one: list[str], other: list[str]) -> None:
    head, tail = common_ends(one, other)
    assert one[:head] == other[:head]
    assert one[len(one) - tail :] == other[len(other) - tail :]
    assert head + tail <= min(len(one), len(other))


@given(st.text(), st.integers(1, 20))
def test_a_cut_text_is_short_and_says_that_it_was_cut(text: str, length: int) -> None:
    short = cut(text, length)
    assert short == text or (len(short) == length and short.endswith("…") and text.startswith(short[:-1]))
    assert len(short) <= length
