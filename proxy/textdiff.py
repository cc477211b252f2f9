"""What differs between two texts, word by word, in one short line."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile

MAX_WORDS = 400
"""Words of each text that are aligned, once what both begin and end with has been set aside: the cost is quadratic."""

MAX_CHANGE = 60
"""Characters shown of a run of changed words."""

CONTEXT = 3
"""Words of unchanged text shown on each side of a change."""

# Scripts that put no spaces between words count by character.
_WORD = re.compile(r"[\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]+\s*|\s+")

_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


def changed_words(asked: str, recorded: str) -> str:
    """Return the changes between two texts, a few words around each, as wdiff writes them: `[-recorded-]{+asked+}`.

    Empty if the texts have no word in common, and do not begin alike either.
    """
    new, old = _WORD.findall(asked), _WORD.findall(recorded)
    head, tail = common_ends(new, old)
    before, after = new[:head], new[len(new) - tail :]
    new, old = new[head : len(new) - tail][:MAX_WORDS], old[head : len(old) - tail][:MAX_WORDS]
    runs = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    alike = before or after or any(tag == "equal" for tag, *_ in runs)
    if not alike and _common(zip(asked, recorded, strict=False)) <= MAX_CHANGE // 2:
        return ""
    pieces = ["…" if head > CONTEXT else "", *before[-CONTEXT:]]
    for tag, old_start, old_end, new_start, new_end in runs:
        if tag == "equal":
            pieces += _middle(old[old_start:old_end])
        else:
            pieces += _change("".join(old[old_start:old_end]), "".join(new[new_start:new_end]))
    pieces += [*after[:CONTEXT], "…" if tail > CONTEXT else ""]
    return "".join(pieces).translate(_ESCAPES)


def _middle(words: list[str]) -> list[str]:
    return words if len(words) <= 2 * CONTEXT else [*words[:CONTEXT], "… ", *words[-CONTEXT:]]


def _change(old: str, new: str) -> Iterator[str]:
    """What was taken out and what was put in; of long ones, the part where they begin to differ."""
    start = _common(zip(old, new, strict=False))
    if start > MAX_CHANGE // 2:
        old, new = f"…{old[start:]}", f"…{new[start:]}"
    if old:
        yield f"[-{cut(old, MAX_CHANGE)}-]"
    if new:
        yield f"{{+{cut(new, MAX_CHANGE)}+}}"


def common_ends(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """Return how many items both begin with, and how many of the remaining ones both end with."""
    head = _common(zip(one, other, strict=False))
    tail = _common(zip(reversed(one), reversed(other), strict=False))
    return head, min(tail, len(one) - head, len(other) - head)


def _common(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def cut(text: str, length: int) -> str:
    """Return `text`, or its beginning and an ellipsis, in at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
