"""Tool calls from their deltas: which delta continues which call (Q60-Q73), a case each, named after them."""

from typing import Any

import pytest

from chatreel.model import JsonObject
from chatreel.wire.reassemble import reassemble
from chatreel.wire.sse import parse
from support.streams import answer, call, called

CALLS: dict[str, tuple[Any, list[JsonObject]]] = {
    "Q61-canonical": (
        [
            [call("f", index=0, id="c1", type="function")],
            [call(arguments='{"a"', index=0)],
            [call(arguments=":1}", index=0)],
            [call("g", index=1, id="c2", type="function")],
            [call(arguments="{}", index=1)],
        ],
        [called("c1", "f", '{"a":1}'), called("c2", "g", "{}")],
    ),
    "Q61-interleaved": (
        [
            [call("f", index=0, id="c1")],
            [call("g", index=1, id="c2")],
            [call(arguments="1", index=0)],
            [call(arguments="2", index=1)],
        ],
        [called("c1", "f", "1"), called("c2", "g", "2")],
    ),
    "Q62-whole-call-in-one-delta": ([[call("f", "{}", index=0, id="c1")]], [called("c1", "f", "{}")]),
    "Q63-index-missing": (
        [
            [call("f", "{", id="c1")],
            [call("", "}", id="c1")],
            [call("g", "[", id="c2", index=None)],
            [call("", "]")],
        ],
        [called("c1", "f", "{}"), called("c2", "g", "[]")],
    ),
    "Q63-index-and-id-missing": (
        [[call("f", "{")], [call("", "}")], [call("g", "{}")]],
        [called(None, "f", "{}"), called(None, "g", "{}")],
    ),
    "Q64-index-always-0": (
        [[call("f", '{"a":1}', index=0, id="c1")], [call("g", '{"b":2}', index=0, id="c2")]],
        [called("c1", "f", '{"a":1}'), called("c2", "g", '{"b":2}')],
    ),
    "Q64-index-always-0-and-back-again": (
        [[call("f", "1", index=0, id="c1")], [call("g", "2", index=0, id="c2")], [call("", "3", index=0, id="c1")]],
        [called("c1", "f", "13"), called("c2", "g", "2")],
    ),
    "Q64-index-always-0-no-ids": (
        [[call("f", '{"a":"}"', index=0)], [call("", "}", index=0)], [call("g", "{}", index=0)]],
        [called(None, "f", '{"a":"}"}'), called(None, "g", "{}")],
    ),
    "Q64-brackets-in-strings-do-not-count": (
        [
            [call("f", '{"a":"\\', index=0)],
            [call("", '"}', index=0)],
            [call("f", "]", index=0)],
            [call("f", '\\\\"}', index=0)],
            [call("g", "{}", index=0)],
        ],
        [called(None, "f", '{"a":"\\"}]\\\\"}'), called(None, "g", "{}")],
    ),
    "Q65-index-starts-at-1": (
        [[call("f", "{}", index=1, id="c1")], [call("g", "{}", index=7, id="c2")]],
        [called("c1", "f", "{}"), called("c2", "g", "{}")],
    ),
    "Q66-id-in-every-delta": (
        [[call("f", "{", index=0, id="c1")], [call("", "}", index=0, id="c1")]],
        [called("c1", "f", "{}")],
    ),
    "Q66-id-empty-later": (
        [[call("f", "{", index=0, id="c1")], [call("", "}", index=0, id="")]],
        [called("c1", "f", "{}")],
    ),
    "Q66-id-late": ([[call("f", "{", index=0, id="")], [call("", "}", index=0, id="c1")]], [called("c1", "f", "{}")]),
    "Q67-name-late": ([[call(index=0, id="c1")], [call("f", "{}", index=0)]], [called("c1", "f", "{}")]),
    "Q67-name-repeated": (
        [[call("f", "{", index=0, id="c1")], [call("f", "}", index=0, id="c1")]],
        [called("c1", "f", "{}")],
    ),
    "Q67-name-empty-later": (
        [[call("f", index=0, id="c1")], [{"index": 0, "function": {"name": "", "arguments": "{}"}}]],
        [called("c1", "f", "{}")],
    ),
    "Q67-name-split": (
        [[call("get_", index=0, id="c1")], [call("time", "{}", index=0, id="c1")]],
        [called("c1", "get_time", "{}")],
    ),
    "Q68-type-missing-or-repeated": (
        [[call("f", index=0, id="c1")], [call("", "{}", index=0, type="function")]],
        [called("c1", "f", "{}")],
    ),
    "Q69-arguments-null-or-absent": (
        [[call("f", None, index=0, id="c1")], [call("g", index=1, id="c2")]],
        [called("c1", "f", ""), called("c2", "g", "")],
    ),
    "Q69-arguments-are-an-object": ([[call("f", {"a": [1, 2]}, id="c1")]], [called("c1", "f", '{"a":[1,2]}')]),
    "Q69-arguments-are-opaque": ([[call("f", '{ "a" :1', id="c1")]], [called("c1", "f", '{ "a" :1')]),
    "Q70-same-index-twice-in-one-delta": (
        [[call("f", "{", index=0, id="c1"), call("", "}", index=0), call("g", "{}", index=1, id="c2")]],
        [called("c1", "f", "{}"), called("c2", "g", "{}")],
    ),
    "Q72-empty-delta-after-the-call": (
        [[call("f", "{}", index=0, id="c1")], [{"index": 0, "function": {"arguments": ""}}]],
        [called("c1", "f", "{}")],
    ),
    "Q72-name-repeated-after-the-call": (
        [[call("f", "{}", index=0, id="c1")], [{"index": 0, "function": {"name": "f", "arguments": ""}}]],
        [called("c1", "f", "{}")],
    ),
    "Q73-custom-tool": (
        [
            [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "math", "input": "4 "}}],
            [{"index": 0, "custom": {"input": "+ 4"}}],
        ],
        [{"id": "c1", "type": "custom", "custom": {"name": "math", "input": "4 + 4"}}],
    ),
    "Q73-junk-custom": (
        [[call("f", "{}", index=0, id="c1", type="function", custom={"name": "", "input": ""})]],
        [called("c1", "f", "{}")],
    ),
    "Q60-thought-signature": (
        [
            [call("f", "{}", index=0, id="c1", extra_content={"google": {"thought_signature": "A"}})],
            [{"index": 0, "extra_content": {"google": {"thought_signature": "B"}}}],
        ],
        [called("c1", "f", "{}", extra_content={"google": {"thought_signature": "B"}})],
    ),
    "entries-that-are-no-objects": ([["x", None, 3], [call("f", "{}", index=0, id="c")]], [called("c", "f", "{}")]),
}  # fmt: skip


@pytest.mark.parametrize(("deltas", "calls"), CALLS.values(), ids=CALLS)
def test_tool_calls(deltas: Any, calls: list[JsonObject]) -> None:
    """These deltas give these calls, without `index`, in order of first appearance (R7)."""
    completion: Any = reassemble(parse(answer(*({"tool_calls": entries} for entries in deltas))))
    said = completion["choices"][0]["message"]
    assert said["tool_calls"] == calls
    assert said["content"] is None
