"""What is remembered is what was put, within bounds, and what is asked for stays."""

from hypothesis import given
from hypothesis import strategies as st

from chatreel.generations import Generations

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
