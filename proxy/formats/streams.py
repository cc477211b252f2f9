"""A stream, an event to a line: `[0.412, {...}]`, the second it arrived at and its data, or its text if it has no such.

The time is `null` for an event that came in one piece with the one above. `frame` is what stands around the data of
each event, `each` holds the members that all data begin with, so that a line shows what is new in it.
"""

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

import orjson

from chatreel.errors import CassetteError
from chatreel.formats.spelling import COMPACT, WRITERS, read, spelling_of
from chatreel.model import Json, JsonObject, Piece

FRAME: Final = (b"data: ", b"\n\n")
"""What nearly every server writes."""

_EVENT: Final = re.compile(rb"(data: ?)(\{[^\r\n]*\})((?:\r\n|\n|\r){1,2})\Z")
_EVENT_END: Final = re.compile(rb"\n\n|\r\n\r\n|\r\r")
_LINE_END: Final = re.compile(rb"\n")
_LONG: Final = 20
"""Lines of a body without a blank one; beyond it every line is taken for an event (Q19)."""


def stream_members(body: bytes, pieces: tuple[Piece, ...]) -> tuple[JsonObject, list[bytes], JsonObject]:
    """What stands before the events, the events as JSON text, and what stands after them. `body` is UTF-8."""
    blocks = _blocks(body)
    frame, spelling, found = _data_of(blocks)
    each = _common(list(found.values()))
    before: JsonObject = {}
    if spelling != COMPACT:
        before["spelling"] = spelling
    if frame != FRAME:
        before["frame"] = [part.decode() for part in frame]
    if each:
        before["each"] = each
    times = _times(blocks, pieces)
    events = [
        orjson.dumps([at, _without(found[place], len(each)) if place in found else block.decode()])
        for place, (block, at) in enumerate(zip(blocks, times.each, strict=True))
    ]
    return before, events, {} if times.tell_all else {"pieces": [[_microseconds(p.at), p.size] for p in pieces]}


def stream_of(response: JsonObject) -> tuple[bytes, tuple[Piece, ...]]:
    """The body that the events of a response make, and when it arrived. Raises `CassetteError`."""
    events = response["events"]
    if not isinstance(events, list):
        raise CassetteError("`events` has to be a list")
    write = WRITERS[spelling_named(response)]
    before, after = frame_of(response)
    each = response.get("each", {})
    if not isinstance(each, dict):
        raise CassetteError("`each` has to be an object")
    parts: list[bytes] = []
    times: list[Json] = []
    for event in events:
        if type(event) is not list or len(event) != 2:  # exact, and not `match`: there are thousands of these
            raise CassetteError(f"an event has to be [time, data or text], not {_shown(event)}")
        at, said = event
        if isinstance(said, dict):
            parts.append(before + write(each | said if each else said) + after)
        elif isinstance(said, str):
            parts.append(said.encode())
        else:
            raise CassetteError(f"an event has to be [time, data or text], not {_shown(event)}")
        times.append(at)
    return b"".join(parts), pieces_of(times, parts)


def pieces_of(times: list[Json], parts: list[bytes]) -> tuple[Piece, ...]:
    """Parts that came together, as their times say, are one piece. Raises `CassetteError`."""
    pieces: list[Piece] = []
    since, size = 0.0, 0
    for at, part in zip(times, parts, strict=True):
        if at is not None:
            if size:
                pieces.append(Piece(since, size))
            since, size = seconds(at), 0
        size += len(part)
    if size:
        pieces.append(Piece(since, size))
    return tuple(pieces)


def frame_of(response: JsonObject) -> tuple[bytes, bytes]:
    """What stands before and after the data of an event. Raises `CassetteError`."""
    match response.get("frame"):
        case None:
            return FRAME
        case [str(before), str(after)]:
            return before.encode(), after.encode()
    raise CassetteError("`frame` has to be what stands before and after the data of an event, as two texts")


def spelling_named(response: JsonObject) -> str:
    """The spelling that a response names. Raises `CassetteError`."""
    name = response.get("spelling", COMPACT)
    if not isinstance(name, str) or name not in WRITERS:
        raise CassetteError(f"there is no spelling {_shown(name)}; there are {', '.join(WRITERS)}")
    return name


def seconds(at: Json) -> float:
    """A time. Raises `CassetteError`."""
    if type(at) is float and at >= 0:
        return at
    if isinstance(at, bool) or not isinstance(at, int | float) or at < 0:
        raise CassetteError(f"a time has to be a number of seconds, not {_shown(at)}")
    return float(at)


def _microseconds(at: float) -> float:
    return round(at, 6)


def _blocks(body: bytes) -> list[bytes]:
    """The body cut after each event, or, where a server forgot the blank lines, after each line."""
    blocks = _cut(body, _EVENT_END)
    return _cut(body, _LINE_END) if len(blocks) < 3 and body.count(b"\n") > _LONG else blocks


def _cut(body: bytes, end: re.Pattern[bytes]) -> list[bytes]:
    ends = [match.end() for match in end.finditer(body)]
    if not ends or ends[-1] < len(body):
        ends.append(len(body))
    return [body[start:stop] for start, stop in zip([0, *ends], ends, strict=False)] if body else []


def _data_of(blocks: list[bytes]) -> tuple[tuple[bytes, bytes], str, dict[int, JsonObject]]:
    """Frame and spelling, those of the first event that has them, and the data, by place, that they give back."""
    frame, spelling = FRAME, ""
    found: dict[int, JsonObject] = {}
    for place, block in enumerate(blocks):
        event = _EVENT.match(block)
        if event is None or (spelling and (event[1], event[3]) != frame):
            continue
        try:
            data = read(event[2])
        except ValueError:
            continue
        if not isinstance(data, dict):
            continue
        if not spelling and (named := spelling_of(event[2], data)):
            frame, spelling = (event[1], event[3]), named
        if spelling and _is_written(event[2], data, spelling):
            found[place] = data
    return frame, spelling or COMPACT, found


def _is_written(text: bytes, data: JsonObject, spelling: str) -> bool:
    try:
        return WRITERS[spelling](data) == text
    except (TypeError, ValueError, RecursionError):
        return False


def _common(datas: list[JsonObject]) -> JsonObject:
    """The members that all of several objects begin with, equal to the byte."""
    if len(datas) < 2:
        return {}
    common: JsonObject = {}
    for members in zip(*(data.items() for data in datas), strict=False):
        (name, value), *others = members
        if not all(other == name and _same(said, value) for other, said in others):
            break
        common[name] = value
    return common


def _same(left: Json, right: Json) -> bool:
    """Whether two values are written alike: `1` is not `1.0`, and not `true`."""
    if type(left) is not type(right) or left != right:
        return False
    return isinstance(left, str) or orjson.dumps(left) == orjson.dumps(right)


def _without(data: JsonObject, count: int) -> JsonObject:
    return dict([*data.items()][count:]) if count else data


class _times:  # noqa: N801 - a value with two members, made in one place
    """When each block arrived: `None` with the one before it. `tell_all`: the pieces can be had again from that."""

    def __init__(self, blocks: list[bytes], pieces: tuple[Piece, ...]) -> None:
        ends = [*accumulate(map(len, blocks))]
        starts = [0, *ends[:-1]]
        cuts = [*accumulate(piece.size for piece in pieces)]
        begins = dict(zip([0, *cuts[:-1]], pieces, strict=False))
        self.tell_all = (
            bool(pieces)
            and all(piece.size for piece in pieces)
            and cuts[-1:] == ends[-1:]
            and begins.keys() <= set(starts)
        )
        self.each: list[float | None] = [*_known(starts, begins)] if self.tell_all else [*_last(ends, cuts, pieces)]


def _known(starts: list[int], begins: dict[int, Piece]) -> Iterator[float | None]:
    for start in starts:
        yield _microseconds(begins[start].at) if start in begins else None


def _last(ends: list[int], cuts: list[int], pieces: tuple[Piece, ...]) -> Iterator[float | None]:
    """When the last byte of each block came."""
    place = 0
    for end in ends:
        while place < len(cuts) and cuts[place] < end:
            place += 1
        yield _microseconds(pieces[min(place, len(pieces) - 1)].at) if pieces else None


def _shown(value: Json) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
