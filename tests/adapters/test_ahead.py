"""Which recordings are read in advance: those that follow, as long as they are asked for in order."""

import random
from itertools import pairwise

from chatreel.store.ahead import Ahead


def test_in_order_ever_more_are_read_and_none_twice() -> None:
    ahead, read = Ahead(), []
    for number in range(1_000, 1_200):
        if ahead.pop("", f"k{number}"):
            continue
        if found := ahead.next(number):
            first, last = found
            ahead.keep("", 1, [(one, f"k{one}") for one in range(first, last + 1)])
            read.append(found)
    assert [last - first + 1 for first, last in read] == [3, 7, 15, 31, 32, 32, 32, 32, 32]
    assert all(first > before for (_, before), (first, _) in pairwise(read))


def test_out_of_order_none_is_read() -> None:
    ahead, numbers = Ahead(), random.Random(1)
    assert not any(ahead.next(numbers.randrange(10**9)) for _ in range(1_000))
    assert not any(ahead.next(number) for number in range(2_000, 1_000, -1))


def test_what_nobody_asks_for_does_not_pile_up() -> None:
    ahead = Ahead()
    for first in range(0, 10_000, 32):
        ahead.keep("", 1, [(number, f"k{number}") for number in range(first, first + 32)])
    assert len(ahead._rows) <= 64
