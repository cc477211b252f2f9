"""Which recordings are read in advance: those that follow, as long as they are asked for in order."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from chatreel.model import Replayable
from chatreel.store.ahead import Ahead
from support.stores import take


def answer(number: int) -> Replayable:
    return replace(take(f"k{number}"), id=number).replayable


def asked(numbers: Iterable[int]) -> tuple[list[tuple[int, int]], int]:
    """What is read in advance if these are asked for, and how many of them had been."""
    ahead, read, found = Ahead(), [], 0
    for number in numbers:
        if ahead.take("", f"k{number}"):
            assert ahead.asked
            assert ahead.asked.id == number
            found += 1
        elif several := ahead.next(number):
            ahead.keep("", [answer(one) for one in range(several[0], several[1] + 1) if one != number])
            read.append(several)
    return read, found


def clients(count: int, first: int, last: int, chance: random.Random) -> Iterator[int]:
    """Numbers as they are asked for by clients who share them: in any order, and now and then one misses its turn."""
    several = [iter(range(first + client, last, count)) for client in range(count)]
    while several:
        for client in chance.sample(several, len(several)):
            if chance.random() < 0.1:
                continue
            if number := next(client, None):
                yield number
            else:
                several.remove(client)


def test_in_order_ever_more_are_read_and_none_twice() -> None:
    read, found = asked(range(1_000, 1_200))
    assert [last - first + 1 for first, last in read] == [4, 8, 16, *[17] * 10]
    assert all(first > before for (_, before), (first, _) in pairwise(read))
    assert found == 200 - 2 - len(read)


def test_clients_who_share_what_is_asked_for_are_not_out_of_order() -> None:
    read, found = asked(clients(16, 1_000, 3_000, random.Random(1)))
    assert sum(last - first + 1 for first, last in read) < 2_000 * 1.1
    assert found > 2_000 * 0.9


def test_several_who_replay_are_each_read_for_in_their_own_place() -> None:
    places = [range(first, first + 500) for first in (1_000, 50_000, 9_000, 70_000)]
    _, found = asked(number for together in zip(*places, strict=True) for number in together)
    assert found > 2_000 * 0.9


def test_out_of_order_none_is_read() -> None:
    ahead, numbers = Ahead(), random.Random(1)
    assert not any(ahead.next(numbers.randrange(10**9)) for _ in range(1_000))
    assert not any(ahead.next(number) for number in range(2_000, 1_000, -1))


def test_what_nobody_asks_for_does_not_pile_up() -> None:
    ahead = Ahead()
    for first in range(0, 10_000, 32):
        ahead.keep("", [answer(number) for number in range(first, first + 32)])
    assert len(ahead._waiting) <= 256
