"""`chatreel diff`: what two recordings have not in common."""

from collections.abc import Iterator, Sequence
from typing import Any

from chatreel.comparison import Comparison, compare
from chatreel.explain import MAX_LINE, Difference, Missing, short_pointer, shown
from chatreel.keeping.showing import Shown
from chatreel.plaintext import printable
from chatreel.textdiff import changed_words, cut

_SECTIONS = ("request", "answer", "usage", "timing")


def comparison(first: Shown, second: Shown) -> Comparison:
    """What differs between two recordings."""
    return compare(first.recording, second.recording)


def as_text(first: Shown, second: Shown, found: Comparison) -> Iterator[str]:
    """Yield the lines that a person reads: the first as what was, the second as what became of it."""
    one, other = first.recording, second.recording
    same = one.identity.key == other.identity.key
    yield f"recordings {one.id} and {other.id}: {'the same call' if same else 'different calls'}"
    yield from (f"  {recording.id}: {recording.identity.key}" for recording in ((one,) if same else (one, other)))
    for section in _SECTIONS:
        differences: Sequence[Difference] = getattr(found, section)
        yield f"{section}{'' if differences else ': the same'}"
        yield from (f"  {printable(change_line(difference))}" for difference in differences)


def as_json(first: Shown, second: Shown, found: Comparison) -> dict[str, Any]:
    """The same for programs."""
    sections = {section: [_members(difference) for difference in getattr(found, section)] for section in _SECTIONS}
    return {
        "first": first.recording.id,
        "second": second.recording.id,
        "same_key": first.recording.identity.key == second.recording.identity.key,
        "equal": found.equal,
        **sections,
    }


def change_line(difference: Difference) -> str:
    """One difference in one line: words as wdiff writes them, `[-first-]{+second+}`, values with an arrow between."""
    first, second = difference.recorded, difference.asked
    pointer = short_pointer(difference.pointer)
    room = MAX_LINE - len(pointer) - len(":  → ")
    if isinstance(first, dict) and isinstance(second, dict):
        one, other = (f"the order {', '.join(members)}" for members in (first, second))
    else:
        one, other = shown(first), shown(second)
    if isinstance(first, str) and isinstance(second, str) and (words := changed_words(second, first)):
        return f"{pointer}: {cut(words, room)}"
    return f"{pointer}: {cut(one, room - min(len(other), room // 2))} → {cut(other, room - min(len(one), room // 2))}"


def _members(difference: Difference) -> dict[str, Any]:
    """A side that has nothing there has no member here."""
    sides = {"first": difference.recorded, "second": difference.asked}
    return {"pointer": difference.pointer} | {
        name: side for name, side in sides.items() if not isinstance(side, Missing)
    }
