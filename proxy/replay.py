"""A recording as an answer: the bytes as they came, or the other wire form made from them."""

from chatreel.model import JsonObject, Recording, WireForm
from chatreel.reply import Reply
from chatreel.wire.codec import loads_object
from chatreel.wire.convert import Answer, to_json, to_sse
from chatreel.wire.reading import Reading, Verdict, read


def asks_for_usage(request: JsonObject) -> bool:
    """Whether a request says `stream_options: {"include_usage": true}` (Q28)."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def replay(recording: Recording, form: WireForm, *, include_usage: bool) -> Reply:
    """The recorded answer in the wire form that the client asks for, streams with the usage it asks for."""
    if recording.form is form and not _differs_in_usage(recording, include_usage=include_usage):
        return Reply(recording.status, recording.headers, recording.body)
    answer = _convert(recording, form, include_usage=include_usage)
    headers = tuple((name, value) for name, value in recording.headers if name != "content-type")
    return Reply(answer.status, (("content-type", answer.content_type), *headers), answer.body, converted=True)


def _convert(recording: Recording, form: WireForm, *, include_usage: bool) -> Answer:
    seed = recording.identity.key
    if form is WireForm.JSON:
        return to_json(_reading(recording), seed)
    reading = _reading(recording) if recording.form is WireForm.JSON else read(recording.body, status=recording.status)
    return to_sse(reading, seed, include_usage)


def _reading(recording: Recording) -> Reading:
    """What was understood when it was recorded: only complete answers are, so nothing has to be read again."""
    return Reading(
        form=recording.form,
        verdict=Verdict.COMPLETE,
        completion=loads_object(recording.completion),
        error=None,
        reason="",
        status=recording.status,
        body=recording.body,
    )


def _differs_in_usage(recording: Recording, *, include_usage: bool) -> bool:
    """Whether a recorded stream ends with usage and this client did not ask for it, or the other way round (Q28)."""
    if recording.form is WireForm.JSON:
        return False
    recorded = b"include_usage" in recording.request and asks_for_usage(loads_object(recording.request))
    return recorded is not include_usage
