"""What is remembered is what was put, within bounds, and what is asked for stays."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatreel.generations import Generations, Returning

STEPS = st.lists(st.tuples(st.sampled_from(("put", "get", "forget")), st.integers(0, 12), st.integers(1, 40)))


@given(STEPS, st.integers(1, 100))
def test_it_never_says_anything_but_what_was_put_last_and_keeps_within_its_limit(
    steps: list[tuple[str, int, int]], limit: int
) -> None:
    memory: Generations[int, bytes] = Generations(limit, len)
    put: dict[int, bytes] = {}
    for what, key, size in steps:
        if what == "put":
            put[key] = bytes([size]) * size
            memory.put(key, put[key])
            assert (memory.get(key) is not None) is (size <= limit)
        elif what == "forget":
            put.pop(key, None)
            memory.forget(key)
        found = memory.get(key)
        assert found is None or found is put[key]
        assert sum(len(one) for one in (*memory._young.values(), *memory._old.values())) == memory.size <= limit


def test_what_is_asked_for_again_and_again_stays_while_others_come_and_go() -> None:
    memory: Generations[int, bytes] = Generations(100, len)
    memory.put(-1, b"hot")
    for number in range(10_000):
        memory.put(number, b"x" * 10)
        assert memory.get(-1) == b"hot"
    assert len(memory) <= 10
    assert memory.get(0) is None


@given(STEPS, st.integers(1, 100))
def test_what_comes_but_once_is_not_remembered_and_what_comes_again_is(
    steps: list[tuple[str, int, int]], limit: int
) -> None:
    memory: Returning[int, bytes] = Returning(limit, len)
    put: dict[int, bytes] = {}
    times: Counter[int] = Counter()
    for what, key, size in steps:
        if what == "put":
            times[key] += 1
            put[key] = bytes([size]) * size
            memory.put(key, put[key])
            assert (memory.get(key) is not None) is (times[key] > 1 and size <= limit)
        elif what == "forget":
            put.pop(key, None)
            memory.forget(key)
        found = memory.get(key)
        assert found is None or found is put[key]


def test_what_is_wanted_at_once_is_remembered_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatreel.generations._MARKS", 1)
    memory: Returning[int, bytes] = Returning(100, len)
    memory.put_at_once(1, b"one")
    memory.put(2, b"two")
    assert (memory.get(1), memory.get(2)) == (b"one", None)
    memory.put(3, b"three")
    memory.put(1, b"anew")  # that it came before is forgotten by now, and so is what came
    assert memory.get(1) is None
