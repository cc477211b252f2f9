"""A rule is proposed if, and only if, it makes two requests the same that differ in volatile text alone."""

import re
from typing import Any

import pytest

from chatreel.canonical import KeyOptions, identify
from chatreel.suggest import Proposal, proposals

UUID, OTHER_UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "a8098c1a-f86e-11da-bd1a-00112444be1e"
TEXT = "/messages/*/content"


def body(*texts: str, **more: Any) -> Any:
    return {"messages": [{"role": "user", "content": text} for text in texts]} | more


def identity(request: Any, found: tuple[Proposal, ...] = ()) -> Any:
    options = KeyOptions(normalize=tuple(rule for one in found for rule in one.rules))
    return identify(upstream="u", path="p", query="", body=request, options=options)


def proposed(one: Any, other: Any) -> tuple[Proposal, ...]:
    return proposals(identity(one).document, identity(other).document)


PARTS: list[Any] = [
    {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "text", "text": "b"}]}]}
    for text in (f"id {UUID}", f"id {OTHER_UUID}")
]

VOLATILE: list[tuple[str, Any, Any, list[str]]] = [
    ("a date", body("Today is 2026-01-01."), body("Today is 2026-01-02."), ["iso-date"]),
    ("a time stamp", body("2026-01-01T10:00:00Z: hi"), body("2026-01-02T11:00:00Z: hi"), ["iso-datetime"]),
    ("an id", body(f"run {UUID}"), body(f"run {OTHER_UUID}"), ["uuid"]),
    ("an id in a part", *PARTS, ["uuid"]),
    ("seconds", body("t=1764000000"), body("t=1764000001"), ["epoch"]),
    ("a folder", body("in /tmp/tmpab12_9zk/a"), body("in /tmp/tmpzzzzzzz1/a"), ["tmp-path"]),
    ("a commit", body("at 0123456789abcdef"), body("at fedcba9876543210"), ["hex-id"]),
    (
        "two kinds",
        body(f"2026-01-01 {UUID}", "and 2026-01-01"),
        body(f"2026-01-02 {OTHER_UUID}", "and 2026-01-02"),
        ["iso-date", "uuid"],
    ),
    (
        "a long date",
        body("It is Monday, November 23, 2026."),
        body("It is Sunday, March 1st, 2026."),
        ["date-in-words"],
    ),
    ("a short date", body("It is 23 Nov 2026."), body("It is 1 Mar. 2026."), ["date-in-words"]),
    ("a date with slashes", body("on 11/23/2026"), body("on 1/2/2026"), ["date-with-slashes"]),
    ("a time of day", body("at 9:05 pm"), body("at 10:15 am"), ["time"]),
    ("a request id", body("see req_8f3ab2c91, please"), body("see req_77aa01bcd9, please"), ["req"]),
    ("an id after a word", body("ticket 8f3ab2c91 is open"), body("ticket 0a1b2c3d4 is open"), ["ticket"]),
    ("an id that begins another", body("see req_8f3ab2 now"), body("see req_8f3ab2c9 now"), ["req"]),
    ("a name that is taken", body("uuid 8f3ab2c91"), body("uuid 0a1b2c3d4"), ["uuid-here"]),
]

MEANT: list[tuple[str, Any, Any]] = [
    ("nothing", body("a"), body("a")),
    ("a word", body("the capital of France"), body("the capital of Spain")),
    ("a small number", body("What is 3+5?"), body("What is 3+6?")),
    ("a year", body("Who won in 1998?"), body("Who won in 2002?")),
    ("a version", body("python 3.12.1"), body("python 3.13.0")),
    ("a word beside an id", body(f"open {UUID}"), body(f"close {OTHER_UUID}")),
    ("a setting", body("a", seed=1), body("a", seed=2)),
    ("a setting beside a date", body("2026-01-01", seed=1), body("2026-01-02", seed=2)),
    ("a message more", body("2026-01-01"), body("2026-01-02", "b")),
    ("a model that has a date", body("a", model="m-2026-01-01"), body("a", model="m-2026-01-02")),
    ("a schema that has one", body("a", tools=[{"x": "2026-01-01"}]), body("a", tools=[{"x": "2026-01-02"}])),
    ("an id that has nothing before it", body("8f3ab2c91 is open"), body("0a1b2c3d4 is open")),
    ("a long word", body("see req_international"), body("see req_interpersonal")),
    ("how often a date stands there", body("2026-01-01"), body("2026-01-01 2026-01-02")),
    ("text that was turned round", body("a b c d"), body("d c b a")),
]


@pytest.mark.parametrize(("one", "other", "names"), [line[1:] for line in VOLATILE], ids=[line[0] for line in VOLATILE])
def test_what_is_volatile_is_named_and_the_proposal_makes_it_a_hit(one: Any, other: Any, names: list[str]) -> None:
    found = proposed(one, other)
    assert sorted(proposal.name for proposal in found) == names
    assert identity(one).key != identity(other).key
    assert identity(one, found).key == identity(other, found).key
    for left_out in found:
        fewer = tuple(proposal for proposal in found if proposal is not left_out)
        assert identity(one, fewer).key != identity(other, fewer).key, "each of them is needed"


@pytest.mark.parametrize(("one", "other"), [line[1:] for line in MEANT], ids=[line[0] for line in MEANT])
def test_what_may_be_meant_is_not_proposed_away(one: Any, other: Any) -> None:
    assert proposed(one, other) == ()


def test_a_made_up_rule_says_where_and_what() -> None:
    [found] = proposed(body("see req_8f3ab2c91, please"), body("see req_77aa01bcd9, please"))
    assert (found.pointer, found.made_up) == (TEXT, True)
    assert re.findall(found.pattern, "req_123456 req_abcdef req_12345 xreq_abc123456789") == [
        "req_123456",
        "req_abc123456789",
    ]


def test_rules_that_are_there_already_are_not_proposed_again() -> None:
    today = KeyOptions(normalize=Proposal("iso-date").rules)
    documents = [
        identify(upstream="u", path="p", query="", body=body(text), options=today).document
        for text in (f"2026-01-01 {UUID}", f"2026-01-02 {OTHER_UUID}")
    ]
    assert proposals(*documents) == (Proposal("uuid"),)
