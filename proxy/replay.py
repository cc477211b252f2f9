"""A recording as an answer: the bytes as they came, or the other wire form made from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from chatreel.http_caching import CacheStatus, hit_status
from chatreel.model import Replayable, WireForm
from chatreel.pace import INSTANT, paced
from chatreel.redact import REDACTED_HEADER
from chatreel.reply import Reply
from chatreel.wire.codec import loads_object
from chatreel.wire.convert import Answer, to_json, to_sse
from chatreel.wire.reading import Reading, Verdict, read

_OF_THE_MESSAGE = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})


@dataclass(slots=True, weakref_slot=True, eq=False)
class Ready:
    """A recorded answer made ready to go out, but for what differs from hit to hit, as its age does.

    Not frozen, since to make one that is takes three times as long.
    """

    recording: Replayable
    reply: Reply
    """In the wire form that was asked for, all at once."""
    hit: str
    """The `Cache-Status` of a hit that is fresh for ever."""
    head: bytes
    """How its head begins as HTTP/1.1: the status line and the headers of `reply`.

    Empty if its status is not 200, or a header of it says how the message travels.
    """

    @property
    def size(self) -> int:
        """Bytes in memory, those of the recording included: it is there as long as this is."""
        recording, body = self.recording, self.reply.body
        own = 0 if body is recording.body else len(body)
        return 2_000 + own + len(recording.body) + len(recording.completion) + 120 * len(recording.pieces)


def make_ready(recording: Replayable, form: WireForm, *, include_usage: bool) -> Ready:
    """Make the recorded answer ready for clients who ask for this wire form, streams with usage or without."""
    reply = _reply(recording, form, include_usage=include_usage)
    head = b""
    if reply.status == HTTPStatus.OK and _OF_THE_MESSAGE.isdisjoint(dict(reply.headers)):
        head = f"HTTP/1.1 200 OK\r\n{header_lines(reply.headers)}".encode()
    return Ready(recording, reply, hit_status(recording.key, _detail(recording, reply)), head)


def message_head(ready: Ready, more: str) -> bytes:
    """The head of an HTTP/1.1 response that has these lines as well, each with its end."""
    return ready.head + f"{more}content-length: {len(ready.reply.body)}\r\n\r\n".encode()


def header_lines(headers: Iterable[tuple[str, str]]) -> str:
    """Headers as they stand in an HTTP/1.1 message."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def status_of(status: CacheStatus, recording: Replayable, reply: Reply) -> CacheStatus:
    """Why a recording is served, and what it is."""
    return status._replace(key=recording.key, detail=_detail(recording, reply))


def _detail(recording: Replayable, reply: Reply) -> str:
    redacted = REDACTED_HEADER in dict(recording.headers)
    return "redacted" if redacted else "edited" if recording.edited else "converted" if reply.converted else ""


def at_pace(ready: Ready, form: WireForm, speed: float) -> Reply:
    """The answer cut up as it goes out at a speed (`chatreel.pace`)."""
    if form is not WireForm.SSE or speed == INSTANT:
        return ready.reply
    return ready.reply._replace(parts=paced(ready.reply.body, ready.recording.pieces, speed))


def replay(recording: Replayable, form: WireForm, *, include_usage: bool, speed: float = INSTANT) -> Reply:
    """The recorded answer in the wire form that the client asks for, streams with the usage it asks for.

    `speed`: how many times faster than recorded a stream goes out, `INSTANT` for at once (`chatreel.pace`).
    """
    return at_pace(make_ready(recording, form, include_usage=include_usage), form, speed)


def _reply(recording: Replayable, form: WireForm, *, include_usage: bool) -> Reply:
    if recording.form is form:
        return Reply(recording.status, recording.headers, _same_form(recording, include_usage=include_usage))
    answer = _convert(recording, form, include_usage=include_usage)
    headers = tuple((name, value) for name, value in recording.headers if name != "content-type")
    return Reply(answer.status, (("content-type", answer.content_type), *headers), answer.body, converted=True)


def _same_form(recording: Replayable, *, include_usage: bool) -> bytes:
    """The bytes as they came, but for usage at the end of a stream, which follows the client."""
    if not _differs_in_usage(recording, include_usage=include_usage):
        return recording.body
    return _convert(recording, WireForm.SSE, include_usage=include_usage).body


def _convert(recording: Replayable, form: WireForm, *, include_usage: bool) -> Answer:
    seed = recording.key
    if form is WireForm.JSON:
        return to_json(_reading(recording), seed)
    return to_sse(_reading(recording), seed, include_usage)


def _reading(recording: Replayable) -> Reading:
    """What was understood when it was recorded, so that a complete answer does not have to be read again."""
    if not recording.completion:
        return read(recording.body, status=recording.status)
    return Reading(
        form=recording.form,
        verdict=Verdict.COMPLETE,
        completion=loads_object(recording.completion),
        error=None,
        reason="",
        status=recording.status,
        body=recording.body,
    )


def _differs_in_usage(recording: Replayable, *, include_usage: bool) -> bool:
    """Whether the upstream was asked for usage at the end of its stream and this client does not ask, or vice versa."""
    if recording.form is WireForm.JSON or not recording.completion:
        return False
    return recording.asked_usage is not include_usage
