"""Small streams, spelled briefly."""

from chatreel.model import Json, JsonObject
from chatreel.wire.codec import dumps
from chatreel.wire.sse import DONE, Event, SSEParser, encode

SIZES = (1, 2, 7, 10**9)
"""Bytes per read; the last stands for the whole body at once."""


def chunk(delta: Json = None, *, index: int = 0, finish: Json = None, **members: Json) -> JsonObject:
    """A canonical chunk with one choice; `members` are added to the choice."""
    choice: JsonObject = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish, **members}
    return envelope([choice])


def envelope(choices: Json, **members: Json) -> JsonObject:
    """A chunk with these choices; `members` are added to the chunk, or replace what it has."""
    head: JsonObject = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1700000000, "model": "m-1"}
    return {**head, "choices": choices, **members}


def sse(*chunks: JsonObject | bytes, done: bool = True) -> bytes:
    """A stream; bytes go in as they are."""
    body = b"".join(part if isinstance(part, bytes) else encode(dumps(part)) for part in chunks)
    return body + encode(DONE) if done else body


def answer(*deltas: Json, finish: Json = "stop") -> bytes:
    """A complete stream of one choice: a chunk per delta, then the end."""
    return sse(*(chunk(delta) for delta in deltas), chunk(finish=finish))


def feed(parser: SSEParser, body: bytes, size: int) -> list[Event]:
    """All events of a body that arrives in reads of `size` bytes."""
    step = min(size, len(body) or 1)
    events = [event for start in range(0, len(body), step) for event in parser.feed(body[start : start + step])]
    return events + parser.close()


def call(name: str = "", arguments: Json = "", **members: Json) -> JsonObject:
    """A delta of a tool call; name and arguments are left out if empty."""
    function: JsonObject = {"name": name} if name else {}
    function |= {} if arguments == "" else {"arguments": arguments}
    return {**members, "function": function}


def called(identity: str | None, name: str, arguments: str, **members: Json) -> JsonObject:
    head: JsonObject = {} if identity is None else {"id": identity}
    return {**head, "type": "function", "function": {"name": name, "arguments": arguments}, **members}
