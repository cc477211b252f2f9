"""What an answer is after somebody changed the text of a cassette.

The digests of body and completion say what was changed. A changed completion is what people mean to change: the body is
made anew from it, in the recorded wire form. A changed body is served as it stands, and its completion read from it.
"""

from dataclasses import replace

from chatreel.errors import CassetteError
from chatreel.formats.answers import Answer
from chatreel.formats.seals import digest_of
from chatreel.model import Json, JsonObject, WireForm
from chatreel.wire.codec import dumps, loads_object
from chatreel.wire.convert import spread, to_sse
from chatreel.wire.reading import Reading, Verdict, read


def amended(answer: Answer, digests: JsonObject, *, seed: str, asked: bool) -> Answer:
    """The answer as it was meant. `digests`: those that were written, of `body` and, if it stands apart, `completion`.

    `seed` and `asked`, whether the request asks for usage, are for a body that is made anew. Raises `CassetteError`.
    """
    if answer.body is None:
        return _from_completion(answer, seed, asked=asked)
    if _sealed(answer.body, digests.get("body")):
        if answer.completion:  # else somebody took it out: it is read anew
            return _from_completion(answer, seed, asked=asked)
        return _from_body(answer, edited=answer.edited)
    edited = _from_body(answer, edited=True)
    apart = bool(answer.completion) and not answer.completion_is_body
    changed = apart and not _sealed(answer.completion, digests.get("completion"))
    if changed and not _same(answer.completion, edited.completion):
        raise CassetteError(
            "body and completion were both changed, and disagree: take `completion` out if the body is to be served,"
            " or the body (`body`, `events`) if the completion is"
        )
    return edited


def _from_completion(answer: Answer, seed: str, *, asked: bool) -> Answer:
    """The answer that its completion makes, in its wire form."""
    if not answer.completion:
        raise CassetteError("a response needs a body (`body`, `events` or `base64`), or a completion")
    completion = dumps(loads_object(answer.completion))
    reading = read(completion, status=answer.status)
    if reading.verdict is not Verdict.COMPLETE or reading.form is not WireForm.JSON:
        raise CassetteError(f"the completion cannot be served. {reading.reason}")
    form = answer.form or WireForm.JSON
    body = completion if form is WireForm.JSON else _stream(reading, seed, usage=asked or answer.usage_added)
    again = read(body, status=answer.status)
    return replace(
        answer,
        form=form,
        edited=True,
        body=body,
        pieces=spread(body, form, answer.pieces),
        completion=dumps(again.completion),
    )


def _stream(reading: Reading, seed: str, *, usage: bool) -> bytes:
    return to_sse(reading, seed, include_usage=usage).body


def _from_body(answer: Answer, *, edited: bool) -> Answer:
    """The answer that its body is, read anew."""
    reading = read(answer.body or b"", status=answer.status)
    if reading.verdict in (Verdict.TRUNCATED, Verdict.CORRUPT):
        raise CassetteError(f"the answer as it stands cannot be served. {reading.reason}")
    complete = reading.verdict is Verdict.COMPLETE
    completion = dumps(reading.completion) if complete else b""
    return replace(answer, form=reading.form, edited=edited, completion=completion)


def _sealed(content: bytes, digest: Json) -> bool:
    return digest_of(content) == digest


def _same(left: bytes, right: bytes) -> bool:
    value: Json = loads_object(left)
    return bool(right) and value == loads_object(right)
