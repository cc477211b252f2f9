"""`chatreel show`: one recording, for a person, for a program, or as the bytes that travelled."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chatreel.keeping import units
from chatreel.model import Json, Recording
from chatreel.plaintext import printable, printable_lines
from chatreel.portrait import completion_lines, request_lines, usage_line
from chatreel.selection import parse_subject
from chatreel.store import Call
from chatreel.store.archive import Archive
from chatreel.store.listing import Use
from chatreel.timeline import sparkline, timeline
from chatreel.wire.codec import loads

_BARS = 40


@dataclass(frozen=True, slots=True)
class Shown:
    """A recording, and what the store knows about it besides."""

    recording: Recording
    use: Use
    take: int
    """Its number among the recordings of its key, from 1."""
    call: Call | None
    """The call it was asked for by, if it was."""


def show(archive: Archive, text: str) -> Shown:
    """The recording that is named; of a key with several, the newest.

    Raises `ConfigError` or `NotFound` if there is none, `StoreError` if it is damaged.
    """
    subject = parse_subject(text)
    recording, use, take = archive.load(archive.find(subject)[-1])
    return Shown(recording, use, take, archive.call(subject.call_id) if subject.call_id else None)


def as_text(shown: Shown) -> Iterator[str]:
    """Yield the lines that a person reads."""
    recording = shown.recording
    yield from (f"{name:9} {value}" for name, value in _facts(shown) if value)
    yield ""
    yield "request"
    yield from _indented(_request_lines(recording))
    yield ""
    yield "completion" if recording.completion else "error"
    yield from _indented(_answer_lines(recording))


def as_json(shown: Shown) -> dict[str, Any]:
    """The same for programs."""
    recording, use = shown.recording, shown.use
    line = timeline(recording.pieces)
    return {
        "id": recording.id,
        "cassette": recording.cassette,
        "key": recording.identity.key,
        "take": shown.take,
        "takes": use.takes,
        "recorded_at": recording.recorded_at,
        "model": recording.model,
        "upstream": recording.upstream,
        "path": recording.path,
        "query": recording.query,
        "form": recording.form.value,
        "status": recording.status,
        "headers": recording.headers,
        "usage_added": recording.usage_added,
        "hits": use.hits,
        "last_used": use.last_used,
        "request": _parsed(recording.request),
        "document": _parsed(recording.identity.document),
        "completion": _parsed(recording.completion) if recording.completion else None,
        "error": None if recording.completion else _parsed(recording.body),
        "timing": {
            "first": line.first,
            "duration": line.duration,
            "pieces": [{"at": piece.at, "size": piece.size} for piece in recording.pieces],
        },
    }


def _facts(shown: Shown) -> Iterator[tuple[str, str]]:
    recording, use = shown.recording, shown.use
    takes = f", take {shown.take} of {use.takes}" if use.takes > 1 else ""
    cassette = f", cassette {recording.cassette}" if recording.cassette else ""
    yield "recording", printable(f"{recording.id}{takes}{cassette}")
    yield "key", recording.identity.key
    if call := shown.call:
        yield (
            "call",
            f"{call.call_id}, {call.outcome} at {units.moment(call.started_at)}, {units.seconds(call.latency)}",
        )
    yield "recorded", units.moment(recording.recorded_at)
    yield "used", f"{_times(use.hits)}, last at {units.moment(use.last_used)}" if use.hits else "never since"
    yield "model", printable(f"{recording.model or 'none named'}{_answered_by(recording)}")
    query = f"?{recording.query}" if recording.query else ""
    yield "upstream", printable(f"{recording.upstream}{recording.path}{query}")
    yield "response", f"status {recording.status}, {recording.form}, {units.size(len(recording.body))}"
    yield from ((("headers", "")[number > 0], text) for number, text in enumerate(_headers(recording)))
    yield from _timing(recording)
    completion = _parsed(recording.completion) if recording.completion else None
    added = " (asked for by chatreel)" if recording.usage_added else ""
    usage = usage_line(completion.get("usage")) if isinstance(completion, dict) else ""
    yield "usage", f"{usage}{added}" if usage else "none reported"


def _timing(recording: Recording) -> Iterator[tuple[str, str]]:
    line = timeline(recording.pieces)
    pieces = "1 piece" if line.pieces == 1 else f"{line.pieces:,} pieces"
    yield "timing", f"first piece after {units.seconds(line.first)}, {pieces}, {units.seconds(line.duration)} in all"
    if line.gaps:
        yield "gaps", f"{sparkline(line.gaps, _BARS)}  the longest {units.seconds(line.longest_gap)}"


def _headers(recording: Recording) -> list[str]:
    return [printable(f"{name}: {value}") for name, value in recording.headers]


def _answered_by(recording: Recording) -> str:
    completion = _parsed(recording.completion) if recording.completion else None
    model = completion.get("model") if isinstance(completion, dict) else None
    return f", answered by {model}" if isinstance(model, str) and model != recording.model else ""


def _request_lines(recording: Recording) -> Iterator[str]:
    body = _parsed(recording.request)
    return request_lines(body) if isinstance(body, dict) else iter(printable_lines(str(body)))


def _answer_lines(recording: Recording) -> Iterator[str]:
    answer = _parsed(recording.completion or recording.body)
    if recording.completion and isinstance(answer, dict):
        yield from completion_lines(answer)
    else:
        text = answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False)
        yield from printable_lines(text)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in lines)


def _parsed(content: bytes) -> Json:
    """JSON as far as it is some; else the text."""
    try:
        return loads(content)
    except ValueError:
        return content.decode(errors="replace")


def _times(count: int) -> str:
    return "1 hit" if count == 1 else f"{count:,} hits"
