"""A memory of bounded size that costs a hit one look into a dictionary.

What is asked for is young. When the young have grown to all that may be remembered, they are the old ones, and go one
by one as new ones come, but for those that are asked for again. So it forgets about what was used least recently, as
an LRU cache does exactly and at ten times the price: that keeps all in order, for each look.
"""

from collections.abc import Callable

_MARKS = 2**16
"""What came, of which that is remembered."""


class Generations[K, V]:
    """Values by key, none of them `None`. Used by one thread."""

    def __init__(self, limit: int, size_of: Callable[[V], int]) -> None:
        """`limit`: what the sizes of all may add up to. `size_of`: of a value, always the same."""
        self.limit = limit
        self._size_of = size_of
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self.size = 0
        """Of all that is remembered."""

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """What is remembered under a key."""
        found = self._young.get(key)
        if found is None and self._old and (found := self._old.pop(key, None)) is not None:
            self._young[key] = found
        return found

    def put(self, key: K, value: V) -> None:
        """Remember a value, unless it is larger than all of the memory; others may be forgotten for it."""
        if key in self._young or (self._old and key in self._old):
            self.forget(key)
        size = self._size_of(value)
        if size > self.limit:
            return
        self.size += size
        while self.size > self.limit:
            if not self._old:
                self._old, self._young = self._young, {}
            self.size -= self._size_of(self._old.popitem()[1])
        self._young[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self.size = {}, {}, 0

    def forget(self, key: K) -> None:
        """Forget what is under a key, if anything is."""
        found = self._young.pop(key, None) or self._old.pop(key, None)
        if found is not None:
            self.size -= self._size_of(found)


class Marks:
    """What has come before."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        """Hashes."""

    def again(self, one: object) -> bool:
        """Whether it has come before; from now on it has."""
        mark = hash(one)
        if mark in self._known:
            return True
        if len(self._known) >= _MARKS:
            self._known = set()
        self._known.add(mark)
        return False


class Returning[K, V](Generations[K, V]):
    """The same of what is put for a second time. What comes but once takes no memory, and no time to forget it."""

    def __init__(self, limit: int, size_of: Callable[[V], int]) -> None:
        super().__init__(limit, size_of)
        self._marks = Marks()

    def put(self, key: K, value: V) -> None:
        """Remember a value if there was one of this key before; what that was is forgotten in any case."""
        if self.returns(key):
            super().put(key, value)

    def returns(self, key: K) -> bool:
        """Whether what is put under this key now would be remembered; what was, is forgotten."""
        if self._marks.again(key):
            return True
        self.forget(key)
        return False

    def put_at_once(self, key: K, value: V) -> None:
        """Remember a value, the first of its key as well."""
        super().put(key, value)
