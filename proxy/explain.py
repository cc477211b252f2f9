"""Why a request was a miss: the nearest recording, and what differs.

Works on canonical documents (`chatreel.canonical`), so that nothing is named as a difference that does not count. What
it writes ends up in the error body of a refused call and in a test's report: read by someone who wants to know which
line of a program to look at, hence short, with one JSON pointer a line.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from heapq import nlargest
from typing import Final

import orjson

from chatreel.canonical.pointers import format_token
from chatreel.model import Identity, Json
from chatreel.textdiff import changed_words, common_ends, cut


class Missing(Enum):
    """The type of `MISSING`, which stands for a value that one side does not have: `None` is JSON's null."""

    MISSING = "nothing"


MISSING: Final = Missing.MISSING

CANDIDATES = 32
"""Recordings that a request is compared with: those that an index finds to be most like it."""

FINALISTS = 16
"""Candidates that are compared word by word, after all have been compared member by member."""

MAX_ALIGNED = 500
"""Elements of an array that are aligned, besides those that both begin and end with: the cost is quadratic."""

MAX_LINES = 8
"""Differences that are told; the others are counted."""

MAX_LINE = 190
"""Characters of one of them, so that the whole message has less than 2,000."""

STALE = "Some recordings were keyed by other rules than today's: `chatreel rekey` makes them be found again."

MAX_POINTER = 80
MAX_ROUTE = 100
"""Characters of a pointer, and of an address."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two documents differ."""

    pointer: str
    """Into the document, as in `/body/messages/0/content`. Positions are those of the request that was asked, except of
    an element that was only recorded."""
    asked: Json | Missing
    recorded: Json | Missing
    """Two objects differ in nothing but the order of the members that both have."""


def differences(asked: bytes, recorded: bytes) -> tuple[Difference, ...]:
    """Return where two canonical documents differ, in the order of the first. Empty if, and only if, they are equal."""
    # The standard library, because it keeps the digits of long integers.
    return tuple(_compare("", json.loads(asked), json.loads(recorded)))


def nearest(asked: bytes, candidates: Sequence[bytes]) -> tuple[int, tuple[Difference, ...]] | None:
    """Return the index of the candidate most like `asked`, the first of equals, and what differs; `None` if none is."""
    ranking = rank(asked, candidates)
    return (ranking[0], differences(asked, candidates[ranking[0]])) if ranking else None


def rank(asked: bytes, candidates: Sequence[bytes]) -> list[int]:
    """Return the indexes of the candidates most like `asked`, `FINALISTS` at most, the likest first."""
    pieces = _members(asked)
    rated = ((_overlap(pieces, _members(candidate)), -index) for index, candidate in enumerate(candidates))
    words = frozenset(asked.split())
    finalists = (
        (rate, _overlap(words, frozenset(candidates[-place].split())), place)
        for rate, place in nlargest(FINALISTS, rated)
    )
    return [-place for _, _, place in sorted(finalists, reverse=True)]


def _members(document: bytes) -> frozenset[bytes]:
    """The members of all objects in a document, name and value, without reading it: no text contains `,"`."""
    return frozenset(document.split(b',"'))


def _overlap(one: frozenset[bytes], other: frozenset[bytes]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common or 1)


def _compare(pointer: str, asked: Json, recorded: Json) -> Iterator[Difference]:
    if isinstance(asked, dict) and isinstance(recorded, dict):
        yield from _compare_objects(pointer, asked, recorded)
    elif isinstance(asked, list) and isinstance(recorded, list):
        yield from _compare_arrays(pointer, asked, recorded)
    elif type(asked) is not type(recorded) or asked != recorded:
        yield Difference(pointer, asked, recorded)


def _compare_objects(pointer: str, asked: dict[str, Json], recorded: dict[str, Json]) -> Iterator[Difference]:
    for name in asked | recorded:
        place = f"{pointer}/{format_token(name)}"
        if name in asked and name in recorded:
            yield from _compare(place, asked[name], recorded[name])
        else:
            yield Difference(place, asked.get(name, MISSING), recorded.get(name, MISSING))
    if [name for name in asked if name in recorded] != [name for name in recorded if name in asked]:
        yield Difference(pointer, asked, recorded)


def _compare_arrays(pointer: str, asked: list[Json], recorded: list[Json]) -> Iterator[Difference]:
    """Align equal elements, so that an inserted message is one difference and not one in every message after it."""
    for asked_at, asked_to, recorded_at, recorded_to in _changed_runs(asked, recorded):
        for offset in range(max(asked_to - asked_at, recorded_to - recorded_at)):
            one, other = asked_at + offset, recorded_at + offset
            if one >= asked_to:
                yield Difference(f"{pointer}/{other}", MISSING, recorded[other])
            elif other >= recorded_to:
                yield Difference(f"{pointer}/{one}", asked[one], MISSING)
            else:
                yield from _compare(f"{pointer}/{one}", asked[one], recorded[other])


def _changed_runs(asked: list[Json], recorded: list[Json]) -> Iterator[tuple[int, int, int, int]]:
    """Yield start and end, on both sides, of the runs of elements that differ."""
    new, old = ([json.dumps(item) for item in side] for side in (asked, recorded))
    head, tail = common_ends(new, old)
    new, old = new[head : len(new) - tail], old[head : len(old) - tail]
    if max(len(new), len(old)) > MAX_ALIGNED:
        yield head, head + len(new), head, head + len(old)
        return
    for tag, new_start, new_end, old_start, old_end in SequenceMatcher(None, new, old, autojunk=False).get_opcodes():
        if tag != "equal":
            yield head + new_start, head + new_end, head + old_start, head + old_end


def miss_message(asked: Identity, candidates: Sequence[bytes], *, recorded_count: int, stale: bool = False) -> str:
    """Return what to tell the sender of a request that no recording matches, in at most 2,000 characters.

    `candidates` are the documents to look for the nearest in, `recorded_count` is how many recordings there are in all,
    and `stale` says whether some of them may have keys that were made in another way.
    """
    lines = [f"No recording matches this request (key {asked.key[:15]})."]
    if not any(_route(document) == _route(asked.document) for document in candidates):
        lines.append(_nothing_there(asked.document, recorded_count))
    found = nearest(asked.document, candidates)
    if found is not None:
        lines += _difference_lines(found[1], recorded_count)
    if stale:
        lines.append(STALE)
    lines.append("To record it, run once in the mode `cache` or `record`.")
    return "\n".join(lines)


def _route(document: bytes) -> tuple[str, str]:
    members = orjson.loads(document)
    return members["upstream"], members["path"]


def _nothing_there(document: bytes, recorded_count: int) -> str:
    upstream, path = _route(document)
    others = f"; the {_recordings(recorded_count)} at hand went elsewhere" if recorded_count else " yet"
    return f"Nothing is recorded for {cut(upstream + path, MAX_ROUTE)}{others}."


def _difference_lines(found: Sequence[Difference], recorded_count: int) -> Iterator[str]:
    if not found:
        yield "There is a recording of the very same request, but it may not be used here."
        return
    yield f"The nearest of {_recordings(recorded_count)} differs in {len(found)} place{'s' if len(found) > 1 else ''}:"
    for difference in found[:MAX_LINES]:
        yield f"  {difference_line(difference)}"
    if len(found) > MAX_LINES:
        yield f"  ... and {len(found) - MAX_LINES} more"


def _recordings(count: int) -> str:
    return "one recording" if count == 1 else f"{count:,} recordings"


def difference_line(difference: Difference) -> str:
    """Return one difference in one line. Places in the body are named as the body's own, so that they can be copied."""
    asked, recorded = difference.asked, difference.recorded
    pointer = short_pointer(difference.pointer)
    room = MAX_LINE - len(pointer) - len(": asked , recorded ")
    if isinstance(asked, dict) and isinstance(recorded, dict):
        one, other = (f"the order {', '.join(members)}" for members in (asked, recorded))
    else:
        one, other = shown(asked), shown(recorded)
    if isinstance(asked, str) and isinstance(recorded, str) and len(one) + len(other) > room:
        changed = changed_words(asked, recorded)
        if changed:
            return f"{pointer} [-recorded-]{{+asked+}}: {cut(changed, room)}"
    one, other = cut(one, room - min(len(other), room // 2)), cut(other, room - min(len(one), room // 2))
    return f"{pointer}: asked {one}, recorded {other}"


def short_pointer(pointer: str) -> str:
    """Return a pointer as it is told: into the body if it leads there, its end alone if it is long."""
    own = pointer.removeprefix("/body") or pointer
    return own if len(own) <= MAX_POINTER else f"…{own[1 - MAX_POINTER :]}"


def shown(value: Json | Missing) -> str:
    """Return a side of a difference as one line of JSON."""
    return value.value if isinstance(value, Missing) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
