"""Which recordings are read in advance: those that follow, as long as they are asked for in order."""

import random
from dataclasses import replace
from itertools import pairwise

from chatreel.model import Replayable
from chatreel.store.ahead import Ahead
from support.stores import take


def answer(number: int) -> Replayable:
    return replace(take(f"k{number}"), id=number).replayable


def test_in_order_ever_more_are_read_and_none_twice() -> None:
    ahead, read = Ahead(), []
    for number in range(1_000, 1_200):
        if found := ahead.take("", f"k{number}"):
            assert ahead.asked
            assert found.id == ahead.asked.id == number
            continue
        if numbers := ahead.next(number):
            first, last = numbers
            ahead.keep("", [answer(one) for one in range(first, last + 1)])
            read.append(numbers)
    assert [last - first + 1 for first, last in read] == [3, 7, 15, *[16] * 10]
    assert all(first > before for (_, before), (first, _) in pairwise(read))


def test_out_of_order_none_is_read() -> None:
    ahead, numbers = Ahead(), random.Random(1)
    assert not any(ahead.next(numbers.randrange(10**9)) for _ in range(1_000))
    assert not any(ahead.next(number) for number in range(2_000, 1_000, -1))


def test_what_nobody_asks_for_does_not_pile_up() -> None:
    ahead = Ahead()
    for first in range(0, 10_000, 32):
        ahead.keep("", [answer(number) for number in range(first, first + 32)])
    assert len(ahead._waiting) <= 100
