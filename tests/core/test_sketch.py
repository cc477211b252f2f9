"""Documents that are alike have marks in common, those of different endpoints have none."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.canonical import KeyOptions, identify
from chatreel.sketch import CROWDED, MAX_MARKS, MAX_STORED, SHORT, WINDOW, marks, worth_storing

RNG = random.Random(3)
WORDS = ["".join(RNG.choices("abcdefghijklmnop", k=6)) for _ in range(5_000)]


def document(
    *texts: str, upstream: str = "https://h", path: str = "/p", tenant: str | None = None, **more: Any
) -> bytes:
    body = {"messages": [{"role": "user", "content": text} for text in texts]} | more
    options = KeyOptions(scope="credential" if tenant else "shared")
    return identify(upstream=upstream, path=path, query="", body=body, options=options, tenant=tenant).document


def prose(words: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


NOTHING = marks(document(""), "")


@pytest.mark.parametrize("length", [7, 20, SHORT, SHORT + 1, 2_000])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_text_with_a_word_changed_has_marks_of_the_text(length: int, place: float) -> None:
    words = prose(length, 1).split()
    changed = [*words]
    changed[round(place * (length - 1))] = "changed"
    common = marks(document(" ".join(words)), "") & marks(document(" ".join(changed)), "")
    assert common - NOTHING, "besides those that all documents have"


def test_a_long_text_that_has_a_run_of_words_of_another_has_a_mark_of_it() -> None:
    """Wherever the run stands; winnowing promises it from `WINDOW` marks on, that is, from two words more."""
    run = prose(WINDOW + 2, 2)
    for number in range(20):
        one, other = (document(f"{prose(n, n)} {run} {prose(300, n + 1)}") for n in (150 + number, 300 + number))
        assert marks(one, "") & marks(other, "") - NOTHING


def test_texts_without_common_words_have_nothing_in_common() -> None:
    assert marks(document(prose(300, 1)), "") & marks(document(prose(300, 2)), "") <= NOTHING


@pytest.mark.parametrize("text", ["今天天气很好我们去公园", "오늘 날씨가 좋습니다", "Æther und Größe"])
def test_texts_of_any_script_have_marks(text: str) -> None:
    assert len(marks(document(text), "") - NOTHING) >= 2


@pytest.mark.parametrize("where", [{"upstream": "https://i"}, {"path": "/q"}, {"tenant": "t"}])
def test_documents_of_another_endpoint_or_tenant_are_never_near(where: Any) -> None:
    assert not marks(document("the same words"), "") & marks(document("the same words", **where), "")
    assert not marks(document("the same words"), "") & marks(document("the same words"), "c")


def test_members_beside_the_messages_have_marks() -> None:
    tool = {"type": "function", "function": {"name": "weather", "description": "tells the weather of tomorrow"}}
    assert len(marks(document("", tools=[tool]), "") - NOTHING) > 5


def test_the_last_messages_of_a_long_history_count() -> None:
    history = [prose(200, number) for number in range(400)]
    last = "what was said at the very end"
    common = marks(document(*history, last), "") & marks(document(last), "")
    assert common - NOTHING
    assert len(marks(document(*history, last), "")) <= MAX_MARKS


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_every_document_has_marks_always_the_same(messages: Any) -> None:
    document = identify(upstream="u", path="p", query="", body={"messages": messages}).document
    assert marks(document, "") == marks(document, "")
    assert all(0 <= mark < 2**32 for mark in marks(document, ""))


@given(st.frozensets(st.integers(0, 99)), st.dictionaries(st.integers(0, 99), st.integers(0, CROWDED)))
def test_the_rarest_marks_are_stored_and_none_that_is_crowded(
    found: frozenset[int], frequencies: dict[int, int]
) -> None:
    chosen = worth_storing(found, frequencies)
    assert len(chosen) == min(MAX_STORED, sum(frequencies.get(mark, 0) < CROWDED for mark in found))
    rarest_left = min((frequencies.get(mark, 0) for mark in found - {*chosen}), default=CROWDED)
    assert all(frequencies.get(mark, 0) <= rarest_left for mark in chosen)
    assert all(frequencies.get(mark, 0) < CROWDED for mark in chosen)
