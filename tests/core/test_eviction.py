"""Laws of the policy that holds a store to a size."""

from hypothesis import given
from hypothesis import strategies as st

from chatreel.eviction import Candidate, evicted

CANDIDATES = st.lists(
    st.builds(Candidate, id=st.integers(1, 50), last_used=st.integers(0, 9).map(float), size=st.integers(1, 500)),
    max_size=12,
    unique_by=lambda candidate: candidate.id,
)
SPARED = st.frozensets(st.integers(1, 50), max_size=5)


@given(CANDIDATES, st.integers(0, 5_000), st.integers(0, 5_000), SPARED)
def test_the_least_recently_used_go_and_no_more_than_have_to(
    candidates: list[Candidate], used: int, limit: int, spared: frozenset[int]
) -> None:
    gone = evicted(candidates, used=used, limit=limit, room=0, spared=spared)
    by_age = [one for one in sorted(candidates, key=lambda one: (one.last_used, one.id)) if one.id not in spared]
    assert gone == [one.id for one in by_age[: len(gone)]]
    sizes = [one.size for one in by_age[: len(gone)]]
    if gone:
        assert used - sum(sizes[:-1]) > limit, "the last one did not have to go"
    if len(gone) < len(by_age):
        assert used - sum(sizes) <= limit, "one more has to go"


@given(CANDIDATES, st.integers(0, 5_000), SPARED)
def test_within_the_limit_nothing_goes(candidates: list[Candidate], used: int, spared: frozenset[int]) -> None:
    assert evicted(candidates, used=used, limit=used, spared=spared) == []


def test_room_is_made_for_the_next_ones() -> None:
    candidates = [Candidate(number, float(number), 100) for number in range(1, 21)]
    assert evicted(candidates, used=2_001, limit=2_000, room=0.1) == [1, 2, 3]
    assert evicted(candidates, used=2_001, limit=2_000, room=0.0) == [1]


def test_what_is_being_served_stays_even_if_it_is_the_oldest() -> None:
    candidates = [Candidate(1, 1.0, 100), Candidate(2, 2.0, 100)]
    assert evicted(candidates, used=150, limit=100, room=0, spared=frozenset({1})) == [2]
    assert evicted(candidates, used=150, limit=100, room=0, spared=frozenset({1, 2})) == []
