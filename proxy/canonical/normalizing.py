"""The user's own rules: volatile text leaves the document, for the key only, and leaves a trace of the rule.

All rules see the original text; where matches overlap the leftmost counts, and of two that begin together the one whose
rule stands first. A match is replaced by the rule's name in angle quotation marks. So that no text can pass for such a
mark, a mark that is already there is doubled, which counts as a change by all rules of the place.
"""

import re
from collections.abc import Iterator, Sequence

from chatreel.canonical.rules import Rule
from chatreel.canonical.values import Tree

_OPEN, _CLOSE = "‹", "›"

type _Active = list[tuple[Rule, int]]
"""Rules that may apply below a node, each with the number of tokens of its pointer that have led there."""


def normalize(body: Tree, rules: Sequence[Rule]) -> tuple[Tree, list[Tree]]:
    """Return a copy of `body` after `rules`, and the sorted labels of those that changed something."""
    labels: set[str] = set()
    normalized = _node(body, [(rule, 0) for rule in rules], labels)
    return normalized, [*sorted(labels)]


def _node(node: Tree, active: _Active, labels: set[str]) -> Tree:
    if isinstance(node, str):
        return _text(node, [rule for rule, used in active if used == len(rule.tokens)], labels)
    if isinstance(node, dict):
        return {name: _child(name, child, active, labels) for name, child in node.items()}
    if isinstance(node, list):
        return [_child(str(index), child, active, labels) for index, child in enumerate(node)]
    return node


def _child(token: str, child: Tree, active: _Active, labels: set[str]) -> Tree:
    below = [(rule, used + 1) for rule, used in active if rule.tokens[used : used + 1] in ((token,), ("*",))]
    return _node(child, below, labels) if below else child


def _text(text: str, rules: list[Rule], labels: set[str]) -> str:
    matches = list(_matches(text, rules))
    if not matches and (not rules or _OPEN not in text):
        return text
    labels.update(rule.label for rule in ([rule for _, _, rule in matches] or rules))
    pieces, done = [], 0
    for start, end, rule in matches:
        pieces += [text[done:start].replace(_OPEN, _OPEN * 2), _OPEN, rule.name, _CLOSE]
        done = end
    return "".join([*pieces, text[done:].replace(_OPEN, _OPEN * 2)])


def _matches(text: str, rules: list[Rule]) -> Iterator[tuple[int, int, Rule]]:
    """Yield start, end and rule of the matches that count, from left to right."""
    found = [
        (match.start(), order, match.end(), rule)
        for order, rule in enumerate(rules)
        for match in re.finditer(rule.pattern, text)
        if match.end() > match.start()
    ]
    done = 0
    for start, _, end, rule in sorted(found, key=lambda entry: entry[:2]):
        if start >= done:
            yield start, end, rule
            done = end
