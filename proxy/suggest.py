"""Which rules would have made a miss a hit: those that take out all that differs from a recording, if it is volatile.

Only the texts of messages are looked at, and only what nobody writes by hand counts as volatile: what the shipped rules
match, times and dates in other spellings, and identifiers, known by a digit among at least six characters behind words
that both texts have. A word or a small number that differs is a different question.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from string import ascii_letters, digits

from chatreel.canonical import SHIPPED, Rule, shipped_rules
from chatreel.canonical.normalizing import normalize
from chatreel.canonical.shipped import TEXTS
from chatreel.canonical.values import Tree
from chatreel.explain import differences
from chatreel.textdiff import common_ends

EVIDENCE = 3
"""Misses from which on a rule is proposed that was made up for them."""

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,? )?"
_DAY = r"[0-3]?[0-9](?:st|nd|rd|th)?"

SPELLINGS: dict[str, str] = {
    "date-in-words": rf"(?<!\w){_WEEKDAY}(?:{_MONTH} {_DAY}|{_DAY} {_MONTH}),? [0-9]{{4}}(?![0-9])",
    "date-with-slashes": r"(?<![0-9/])[0-3]?[0-9]/[0-3]?[0-9]/[0-9]{4}(?![0-9/])",
    "time": r"(?<![0-9:])(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?(?: ?[AaPp][Mm])?(?![0-9:])",
}
"""Patterns that are proposed although they are not shipped: too many texts mean what they match."""

_IDENTIFIER = r"(?=[A-Za-z]*[0-9])[0-9A-Za-z]{6,}(?![0-9A-Za-z])"
_TOKEN = re.compile(r"\S+\s*")
_MAX_TOKENS = 2_000
"""Of two texts, that are aligned: the cost is quadratic."""


@dataclass(frozen=True, slots=True, order=True)
class Proposal:
    """One entry of `normalize`."""

    name: str
    pointer: str = ""
    """Empty, as the pattern, for a shipped rule: its name says all."""
    pattern: str = ""
    made_up: bool = False
    """Whether the pattern was made from the texts themselves."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        return (Rule(self.name, self.pointer, self.pattern),) if self.pattern else shipped_rules(self.name)


def proposals(asked: bytes, recorded: bytes) -> tuple[Proposal, ...]:
    """Return the fewest entries by which two canonical documents are the same; none if more than volatile text differs.

    Of several that would do, the shipped ones are taken.
    """
    pairs = _texts(asked, recorded)
    if not pairs:
        return ()
    candidates = [Proposal(name) for name in SHIPPED]
    candidates += [
        Proposal(name, place, pattern)
        for place in sorted({pointer for pointer, _, _ in pairs})
        for name, pattern in SPELLINGS.items()
    ]
    bodies = _body(asked), _body(recorded)
    left = _texts(*(json.dumps({"body": _without(body, candidates)}).encode() for body in bodies))
    candidates += sorted({made for pair in left for made in _made_up(*pair)})
    return _fewest(*bodies, candidates)


def _texts(asked: bytes, recorded: bytes) -> list[tuple[str, str, str]]:
    """Where the texts of messages differ, and how; empty if anything else does."""
    found = differences(asked, recorded)
    pairs = [
        (pointer, one.asked, one.recorded)
        for one in found
        if isinstance(one.asked, str) and isinstance(one.recorded, str) and (pointer := _place(one.pointer))
    ]
    return pairs if len(pairs) == len(found) else []


def _fewest(asked: Tree, recorded: Tree, candidates: list[Proposal]) -> tuple[Proposal, ...]:
    if not _same(asked, recorded, candidates):
        return ()
    for candidate in reversed(candidates):
        others = [other for other in candidates if other is not candidate]
        if _same(asked, recorded, others):
            candidates = others
    return tuple(candidates)


def _same(asked: Tree, recorded: Tree, candidates: list[Proposal]) -> bool:
    return _without(asked, candidates) == _without(recorded, candidates)


def _without(body: Tree, candidates: list[Proposal]) -> Tree:
    """`body` without what the candidates take out."""
    normalized, _ = normalize(body, [rule for candidate in candidates for rule in candidate.rules])
    return normalized


def _body(document: bytes) -> Tree:
    body: Tree = json.loads(document)["body"]
    return body


def _place(pointer: str) -> str:
    """The pointer of a rule that reaches this text of a message; empty if it is none."""
    general = re.sub(r"/[0-9]+(?=/|$)", "/*", pointer.removeprefix("/body"))
    return general if general in TEXTS else ""


def _made_up(pointer: str, asked: str, recorded: str) -> Iterator[Proposal]:
    """Yield a rule for each identifier that stands in both texts behind the same words."""
    new, old = (_TOKEN.findall(text)[:_MAX_TOKENS] for text in (asked, recorded))
    for tag, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "replace" and old_end - old_start == new_end - new_start:
            for place in range(new_start, new_end):
                before = new[place - 1] if place else ""
                prefix = _prefix(before, new[place], old[old_start + place - new_start])
                if prefix:
                    yield Proposal(_name(prefix), pointer, re.escape(prefix) + _IDENTIFIER, made_up=True)


def _prefix(before: str, one: str, other: str) -> str:
    """What stands before the identifiers that two tokens are, with at least one word; empty if they are none."""
    common, _ = common_ends(one, other)
    start = len(one[:common].rstrip(ascii_letters + digits))
    if not all(re.match(_IDENTIFIER, token[start:]) for token in (one, other)):
        return ""
    prefix = one[:start] if re.search(r"\w", one[:start]) else before + one[:start]
    return prefix if re.search(r"\w", prefix) else ""


def _name(prefix: str) -> str:
    words = re.findall(r"[0-9A-Za-z]+", prefix)
    name = "-".join(words[-2:]).lower() or "identifier"
    return f"{name}-here" if name in SHIPPED else name
