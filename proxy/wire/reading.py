"""What the body of a response amounts to. Only a `complete` reading may ever become a cache hit."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from chatreel.model import Json, JsonObject, WireForm
from chatreel.wire.api_errors import GIVEN_UP, find_error
from chatreel.wire.codec import MOST_VALUES, has_too_many_values, is_json, loads
from chatreel.wire.reassemble import Reassembler
from chatreel.wire.spoken import SILENT, Spoken
from chatreel.wire.stream_reader import StreamReader

_SSE_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry|error)?:")
_SSE_LINE: Final = re.compile(rb"[\r\n]data:")
_WITHHELD: Final = {"finish_reason", "content_filter_results"}
_BOM: Final = b"\xef\xbb\xbf"


class Verdict(StrEnum):
    """Whether a response can be relied on."""

    COMPLETE = "complete"
    """One whole completion."""
    ERROR = "error"
    """The API reported an error: by status, inside a 200, or in the middle of a stream (Q6, Q75, Q76)."""
    TRUNCATED = "truncated"
    """The answer stopped before it was over (Q8)."""
    CORRUPT = "corrupt"
    """Not readable, or no completion at all (Q25)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A response body, understood."""

    form: WireForm
    verdict: Verdict
    completion: JsonObject | None
    """The completion: of a JSON body as it came, of a stream reassembled. What there is of it, if not complete."""
    error: Json
    """What the API reported, as a rule the object under `error`; None unless the verdict is `error`."""
    reason: str
    """One sentence on why this is not complete; empty if it is."""
    status: int = 200
    """HTTP status."""
    body: bytes = field(default=b"", repr=False)
    """The bytes that were read."""
    ignored_lines: int = 0
    """Lines of a stream that no client reads and that were no error either: keep the bytes, they are odd (Q21)."""
    spoken: Spoken = SILENT
    """Of a stream."""


@dataclass(frozen=True, slots=True)
class _Finding:
    verdict: Verdict
    reason: str = ""
    completion: JsonObject | None = None
    error: Json = None
    ignored_lines: int = 0
    spoken: Spoken = SILENT


def read(
    body: bytes,
    *,
    status: int = 200,
    clean_end: bool = True,
    content_type: str = "",
    lenient: bool = False,
    begun: StreamReader | None = None,
) -> Reading:
    """Read the body of a response, content decoding undone. Raises nothing.

    `clean_end`: False if the transport broke off, or somebody hung up: such a response is never complete.
    `content_type` counts only where the body says nothing (Q2). `lenient` accepts what hand-edited files contain (Q21).
    `begun`: who has read the beginning of the body already, as `begins` made it; nobody uses it any more.
    """
    form = wire_form(body, content_type)
    if form is WireForm.JSON and has_too_many_values(body):
        return Reading(
            form, Verdict.CORRUPT, None, None, f"The body has more than {MOST_VALUES:,} values.", status, body
        )
    if form is WireForm.SSE:
        found = _read_stream(body, begun or StreamReader(lenient=lenient), clean_end=clean_end)
    else:
        found = _read_json(body, clean_end=clean_end)
    if not 200 <= status <= 299:
        found = _failed(found, body, status)
    told = found.verdict, found.completion, found.error, found.reason
    return Reading(form, *told, status, body, found.ignored_lines, found.spoken)


def begins(data: bytes) -> StreamReader | None:
    """Who may read a body along as it comes that begins with this; `None` unless it is a stream for certain."""
    return StreamReader() if _SSE_START.match(data) else None


def wire_form(body: bytes, content_type: str = "") -> WireForm:
    """How the body travels, by its first bytes; by the media type only if they say nothing (Q2-Q5, Q20)."""
    if _SSE_START.match(body):
        return WireForm.SSE
    text = body.removeprefix(_BOM).lstrip()
    if text[:1] in (b"{", b"["):
        # An unframed error may be the first thing of a stream (Q21).
        return WireForm.SSE if _has_lines(text) and _SSE_LINE.search(text) and not is_json(text) else WireForm.JSON
    media_type = content_type.partition(";")[0].strip().lower()
    return WireForm.SSE if media_type == "text/event-stream" else WireForm.JSON


def _has_lines(text: bytes) -> bool:
    """Whether there is more than one: most JSON is not laid out, and to look for a byte takes next to no time."""
    return ord("\n") in text or ord("\r") in text


def _read_stream(body: bytes, reader: StreamReader, *, clean_end: bool) -> _Finding:
    reader.feed(body[reader.size :])
    said, assembler = reader.close(), reader.assembler
    verdict, reason = _judge(assembler, clean_end=clean_end)
    completion = assembler.completion() if assembler.has_choices else None
    error = None
    if verdict is Verdict.ERROR:
        error = assembler.error or {"message": reason}
    return _Finding(verdict, reason, completion, error, assembler.ignored, said)


def _judge(stream: Reassembler, *, clean_end: bool) -> tuple[Verdict, str]:
    """Completeness of a stream, by Q8; what is worst about it comes first."""
    given_up = [reason for reason in stream.finish_reasons() if _means_failure(reason)]
    ended = stream.done or stream.finished
    checks = (
        (stream.error is not None, Verdict.ERROR, "The stream reported an error."),
        (given_up, Verdict.ERROR, f"The upstream gave up: its finish reason is {next(iter(given_up), None)!r}."),
        (stream.corrupt, Verdict.CORRUPT, f"The stream cannot be read: {stream.corrupt}."),
        (stream.cut, Verdict.TRUNCATED, "The stream ended in the middle of an event."),
        (not clean_end, Verdict.TRUNCATED, "The transport broke off before the response was over."),
        (not ended, Verdict.TRUNCATED, "The stream ended without [DONE] and before every choice had finished."),
        (not stream.has_choices, Verdict.ERROR, "The stream ended without a single choice."),
    )
    return next(((verdict, reason) for applies, verdict, reason in checks if applies), (Verdict.COMPLETE, ""))


def _read_json(body: bytes, *, clean_end: bool) -> _Finding:
    text = body.removeprefix(_BOM).strip()
    if not text:
        return _Finding(Verdict.TRUNCATED, "The body is empty.")
    try:
        value = loads(text)
    except ValueError as error:
        if not clean_end:
            return _Finding(Verdict.TRUNCATED, "The transport broke off before the response was over.")
        return _Finding(Verdict.CORRUPT, f"The body is not JSON: {error}.")
    if not isinstance(value, dict):
        return _Finding(Verdict.CORRUPT, "The body is JSON, but not an object.")
    return _judge_object(value, clean_end=clean_end)


def _judge_object(value: JsonObject, *, clean_end: bool) -> _Finding:
    choices = value.get("choices")
    if (error := find_error(value)) is not None:
        return _Finding(Verdict.ERROR, "The body reports an error.", value if choices else None, error)
    if "choices" not in value:
        return _Finding(Verdict.CORRUPT, "The body is a JSON object, but not a completion: it has no choices.")
    if not choices:
        return _Finding(Verdict.ERROR, "The body has no choices in it.", None, value)
    if not isinstance(choices, list) or not all(_is_answer(choice) for choice in choices):
        return _Finding(Verdict.CORRUPT, "The body is not a completion: not every choice of it has a message.")
    if given_up := [reason for reason in map(_finish_reason, choices) if _means_failure(reason)]:
        reason = f"The upstream gave up: its finish reason is {given_up[0]!r}."
        return _Finding(Verdict.ERROR, reason, value, {"message": reason})
    if not clean_end:
        return _Finding(Verdict.TRUNCATED, "The transport broke off before the response was over.", value)
    return _Finding(Verdict.COMPLETE, completion=value)


def _is_answer(choice: Json) -> bool:
    """A message, or the reason why there is none: Azure withholds what its content filter caught."""
    if not isinstance(choice, dict):
        return False
    return isinstance(choice.get("message"), dict) or (choice.keys() & _WITHHELD == _WITHHELD and "text" not in choice)


def _finish_reason(choice: Json) -> Json:
    return choice.get("finish_reason") if isinstance(choice, dict) else None


def _means_failure(finish_reason: Json) -> bool:
    return isinstance(finish_reason, str) and finish_reason in GIVEN_UP


def _failed(found: _Finding, body: bytes, status: int) -> _Finding:
    """A status that is no success makes an error of whatever came with it (Q7)."""
    error = found.error
    if error is None:
        try:
            error = loads(body.strip())
        except ValueError:
            error = body.decode(errors="replace").strip()
    return _Finding(Verdict.ERROR, f"The upstream answered with status {status}.", found.completion, error)
