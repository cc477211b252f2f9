"""The file name of a test's cassette: readable, and nobody else's."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatreel.cassette_names import LONGEST, cassette_name

IDENTIFIERS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True) | st.text(min_size=1, max_size=12).filter(
    str.isidentifier
)
PARAMETERS = st.text(max_size=20) | st.sampled_from(
    ["True", "true", "gpt-4o", "GPT-4o", "a/b", "a_b", "a:b", "x" * 200]
)
TESTS = st.tuples(
    st.lists(IDENTIFIERS, max_size=2).map(tuple),
    st.builds(lambda name, ids: name + ids, IDENTIFIERS, st.just("") | PARAMETERS.map("[{}]".format)),
)


@pytest.mark.parametrize(
    ("owners", "test", "name"),
    [
        ((), "test_rain", "test_rain.json"),
        (("TestOslo",), "test_rain", "TestOslo.test_rain.json"),
        (("TestNorway", "TestOslo"), "test_rain", "TestNorway.TestOslo.test_rain.json"),
        ((), "test_rain[gpt-4o-1.5]", "test_rain[gpt-4o-1.5].json"),
        ((), "test_rain[True-None-x]", "test_rain[True-None-x].json"),
    ],
)
def test_an_ordinary_test_finds_its_name_again(owners: tuple[str, ...], test: str, name: str) -> None:
    assert cassette_name(owners, test) == name


@pytest.mark.parametrize(
    ("test", "start"),
    [
        ("test_rain[a/b]", "test_rain[a_b]~"),
        ("test_rain[Oslo]", "test_rain[Oslo]~"),
        ("test_rain[true]", "test_rain[true]~"),
        ("test_größe", "test_gr_e~"),
        ("test_rain[" + "x" * 300 + "]", "test_rain[xxxx"),
        ("con", "con~"),
    ],
)
def test_a_name_that_is_no_file_name_is_told_apart_by_a_digest(test: str, start: str) -> None:
    name = cassette_name((), test)
    assert name.startswith(start)
    assert re.fullmatch(r".*~[0-9a-f]{10}\.json", name)


@given(TESTS, TESTS)
@example(((), "test_a[x.y]"), (("test_a[x",), "y]"))
@example(((), "test_a[true]"), ((), "test_a[True]"))
@example(((), "test_a[a/b]"), ((), "test_a[a_b]"))
@example(((), "test_a[a]~0"), ((), "test_a[a]"))
def test_two_tests_never_share_a_file_even_where_case_does_not_count(
    one: tuple[tuple[str, ...], str], other: tuple[tuple[str, ...], str]
) -> None:
    def folded(test: tuple[tuple[str, ...], str]) -> str:
        return ".".join((*test[0], test[1].partition("[")[0])).casefold()

    namesakes = folded(one) == folded(other) and one != other
    names = [cassette_name(owners, test, ambiguous=namesakes) for owners, test in (one, other)]
    assert (names[0].casefold() == names[1].casefold()) == (one == other)


@given(TESTS)
def test_every_name_is_a_file_name_everywhere(test: tuple[tuple[str, ...], str]) -> None:
    name = cassette_name(*test)
    assert re.fullmatch(r"[A-Za-z0-9_.\-\[\]~]+\.json", name)
    assert len(name) <= LONGEST + len(".json")
    assert name.partition(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
