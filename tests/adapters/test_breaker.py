"""A store that does not answer is tried by one at a time; whoever asks meanwhile is told at once."""

import pytest

from chatreel.errors import StoreError
from chatreel.store.breaker import RETRY, SLOW, Breaker


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refused(breaker: Breaker) -> bool:
    try:
        breaker.enter()
    except StoreError:
        return True
    return False


def test_what_fails_at_once_may_be_tried_by_everybody(clock: Clock) -> None:
    breaker = Breaker(clock)
    breaker.failed(StoreError("locked"), SLOW / 2)
    assert [refused(breaker) for _ in range(3)] == [False] * 3


def test_after_a_slow_failure_one_at_a_time_tries(clock: Clock) -> None:
    breaker = Breaker(clock)
    breaker.failed(StoreError("locked"), 5.0)
    with pytest.raises(StoreError, match="locked"):
        breaker.enter()
    clock.now += RETRY
    assert [refused(breaker) for _ in range(3)] == [False, True, True]
    breaker.failed(StoreError("locked"), 0.1)
    assert refused(breaker)
    clock.now += RETRY
    assert [refused(breaker) for _ in range(2)] == [False, True]
    breaker.succeeded()
    assert [refused(breaker) for _ in range(3)] == [False] * 3


def test_an_attempt_that_never_ends_does_not_keep_all_others_out(clock: Clock) -> None:
    breaker = Breaker(clock)
    breaker.failed(StoreError("locked"), 5.0)
    clock.now += RETRY
    assert not refused(breaker)
    clock.now += 5.0
    assert refused(breaker)
    clock.now += RETRY
    assert not refused(breaker)
