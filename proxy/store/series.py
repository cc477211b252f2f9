"""Contents that follow upon each other, and which of them the next one is stored as a difference to.

A difference to the one before would be the smallest, but reading the last of n would take n steps. So of every
`STRIDE` in a row, the first is a difference to the first of the `STRIDE` before them, and so on: the skip-delta of
Subversion with another radix. The way to number n has as many steps as the sum of the digits of n in base `STRIDE`, and
what is new in one content is stored at most once for each digit.
"""

from dataclasses import dataclass, field
from hashlib import sha256

STRIDE = 64
"""It takes 77 steps at most to the last of 1,000."""

_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Base:
    """A content that others can be a difference to, if it is still there."""

    digest: bytes
    content: bytes = field(repr=False)
    below: "Base | None" = field(default=None, repr=False)
    """What it is stored as a difference to itself, as far as the writer knows."""


def based_on(content: bytes) -> Base:
    """A content, before anything is known of where it lies."""
    return Base(sha256(content).digest(), content)


@dataclass(frozen=True, slots=True)
class Series:
    """So much of a series as the next content needs to know."""

    count: int
    last: tuple[Base, ...]
    """Of each level the last one: of all, of every 64th, of every 4,096th."""

    @classmethod
    def beginning_with(cls, first: Base) -> "Series":
        return cls(1, (first,) * _LEVELS)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        kept = {id(base): base for level in self.last for base in (level, level.below) if base}
        return 500 + sum(len(base.content) for base in kept.values())

    def next_base(self) -> Base:
        """What the next one is a difference to."""
        return self.last[self._level]

    def followed_by(self, base: Base) -> "Series":
        """The series with its next one."""
        level = self._level + 1
        return Series(self.count + 1, (base,) * level + self.last[level:])

    @property
    def _level(self) -> int:
        """How often the stride divides the number of the next one."""
        return next((level for level in range(_LEVELS - 1) if self.count // STRIDE**level % STRIDE), _LEVELS - 1)
