"""A recording as an answer: the bytes as they came, or the other wire form made from them."""

from dataclasses import replace

from chatreel.model import Replayable, WireForm
from chatreel.pace import INSTANT, paced
from chatreel.reply import Reply
from chatreel.wire.codec import loads_object
from chatreel.wire.convert import Answer, to_json, to_sse
from chatreel.wire.reading import Reading, Verdict, read


def replay(recording: Replayable, form: WireForm, *, include_usage: bool, speed: float = INSTANT) -> Reply:
    """The recorded answer in the wire form that the client asks for, streams with the usage it asks for.

    `speed`: how many times faster than recorded a stream goes out, `INSTANT` for at once (`chatreel.pace`).
    """
    reply = _reply(recording, form, include_usage=include_usage)
    if form is WireForm.SSE and speed != INSTANT:
        return replace(reply, parts=paced(reply.body, recording.pieces, speed))
    return reply


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
