"""Keys and passwords found in texts, and taken out, by the shapes of `chatreel.secret_shapes`.

A text is searched for all hints in one pass, and an expression is tried only where one stands: a text of any length and
content takes time in proportion to its length, and no single step of the search takes long. What has the shape is still
no secret if it is an example: few different characters, or a word such as EXAMPLE in it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import Final

from ahocorasick_rs import BytesAhoCorasick, Implementation

from chatreel.secret_shapes import PATTERNS, Pattern


@dataclass(frozen=True, slots=True)
class Found:
    """Something that looks like a secret."""

    name: str
    start: int
    end: int
    guessable: bool = False
    """As in `Pattern`."""


_EXAMPLE: Final = re.compile(
    r"(?i:example|your[_-]|redacted|placeholder|dummy|(?<![A-Za-z0-9])fake|xxxxxx|\*\*\*)|\.\.\.|1234567890|abcdefgh"
)
"""No shorter words: a long random key has any of four letters now and then."""
_LOOKED_AT: Final = 4_096
"""Characters of a match that say whether it is an example."""

_SHORTEST: Final = 8
"""Characters of the shortest text that holds a secret of these shapes: a password in a URL."""

_FEW: Final = 8
"""Different characters. Random keys of `_LONG` have about twice as many."""

_LONG: Final = 20

_AT_ONCE: Final = 1 << 16
"""Bytes that are searched for hints in one step: each that stands there makes an object, until the step is over."""

_REMEMBERED: Final = 50_000
"""Texts in which nothing was found."""

PLACEHOLDER: Final = re.compile(r"\[[\w .-]{1,60} removed(?: [0-9a-f]{32})?\]")
"""What stands where a secret was."""


class Hints:
    """Short texts that are looked for all at once (Aho and Corasick, 1975)."""

    def __init__(self, hints: Iterable[str]) -> None:
        self._hints = [*dict.fromkeys(hints)]
        raw = [hint.encode() for hint in self._hints]
        self._automaton = BytesAhoCorasick(raw, implementation=Implementation.DFA)
        self._overlap = max(map(len, raw), default=1) - 1

    def in_text(self, text: str) -> set[str]:
        """Those that stand in a text."""
        raw = text.encode("utf-8", "surrogatepass")
        found: set[int] = set()
        for at in range(0, len(raw), _AT_ONCE):
            step = raw[at : at + _AT_ONCE + self._overlap]
            found.update([hint for hint, _, _ in self._automaton.find_matches_as_indexes(step, overlapping=True)])
        return {self._hints[hint] for hint in found}


class Shapes:
    """Patterns, ready to be looked for."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.patterns = tuple(patterns)
        self._places = [(hint, place) for place, pattern in enumerate(self.patterns) for hint in pattern.hints]
        self._hints = Hints(hint for hint, _ in self._places)
        self._clean: dict[int, None] = {}
        """Hashes of texts, 64 bits with a seed of this process: an agent sends again all that it has sent before."""
        self._always = [place for place, pattern in enumerate(self.patterns) if not pattern.hints]
        self.shortest = 0 if self._always else _SHORTEST
        """Characters of the shortest text that can hold a secret."""

    def matches(self, text: str) -> list[tuple[int, int, int]]:
        """Start, place of the pattern and end of all that look like a secret, in order."""
        mark = hash(text)
        if mark in self._clean:
            return []
        found = [*_spans(self._plain_matches(text))]
        if len(text) >= _SHORTEST and (hints := self._hints.in_text(text)):
            hinted = [(hint, place) for hint, place in self._places if hint in hints]
            found += [span for span in _spans(self._hinted_matches(text, hinted)) if not _is_example(text, *span)]
        if not found:
            self._remember(mark)
        return sorted((start, place, end) for place, start, end in found if end > start)

    def _remember(self, mark: int) -> None:
        if len(self._clean) >= _REMEMBERED:
            self._clean.clear()
        self._clean[mark] = None

    def _plain_matches(self, text: str) -> Iterator[tuple[int, re.Match[str]]]:
        for place in self._always:
            for match in self.patterns[place].expression.finditer(text):
                yield place, match

    def _hinted_matches(self, text: str, hinted: Iterable[tuple[str, int]]) -> Iterator[tuple[int, re.Match[str]]]:
        for hint, place in hinted:
            pattern = self.patterns[place]
            at = text.find(hint)
            while at >= 0:
                end = 0
                for before in pattern.before:
                    if at >= before and (match := pattern.expression.match(text, at - before)):
                        yield place, match
                        end = match.end()
                        break
                at = text.find(hint, max(at + 1, end))


KNOWN: Final = Shapes(PATTERNS)


def find(text: str, shapes: Shapes = KNOWN) -> list[Found]:
    """What looks like a secret, in order; what overlaps is one, named by where it begins.

    More than one shape can match a text: of those that begin together the first pattern gives the name. What was taken
    out is not found again.
    """
    matches = shapes.matches(text)
    if not matches:
        return []
    gone = [match.span() for match in PLACEHOLDER.finditer(text)] if " removed" in text else []
    found: list[Found] = []
    for start, place, end in matches:
        before = bisect_right(gone, (start, len(text)))
        if before and end <= gone[before - 1][1]:
            continue
        if found and start < found[-1].end:
            found[-1] = replaced(found[-1], end=max(end, found[-1].end))
        else:
            found.append(Found(shapes.patterns[place].name, start, end, shapes.patterns[place].guessable))
    return found


def replace(text: str, shapes: Shapes = KNOWN) -> str:
    """The text without its secrets, the very same object if there are none. What was replaced is not found again."""
    found = find(text, shapes)
    if not found:
        return text
    pieces, done = [], 0
    for one in found:
        pieces += [text[done : one.start], f"[{one.name} removed]"]
        done = one.end
    return "".join([*pieces, text[done:]])


def _spans(matches: Iterable[tuple[int, re.Match[str]]]) -> Iterator[tuple[int, int, int]]:
    """Place of the pattern, start and end: of the value, where a label stands before it."""
    for place, match in matches:
        yield place, *match.span(match.lastindex or 0)


def _is_example(text: str, _place: int, start: int, end: int) -> bool:
    secret = text[start : min(end, start + _LOOKED_AT)]
    return _EXAMPLE.search(secret) is not None or (len(secret) >= _LONG and len(set(secret)) < _FEW)
