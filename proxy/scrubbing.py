"""An answer without the secrets in it, for the store: whole again in its wire form, and complete if it was.

A secret that a model says may arrive a few characters at a time. So it is looked for in the completion, which is what
all events amount to, as well as in the bytes. A stream with one in it is written anew from its completion: nothing of
the events that spelled it out is left. Log probabilities name every token, so those of such a choice go, too.
"""

from dataclasses import dataclass, replace
from typing import Final

from chatreel.errors import NotKeyable
from chatreel.model import Json, JsonObject, Piece, WireForm
from chatreel.redact import REDACTED_HEADER, Redaction, Redactor, may_hide
from chatreel.wire.codec import dumps, loads
from chatreel.wire.convert import spread, to_sse
from chatreel.wire.reading import Reading, read
from chatreel.wire.sse import parse

_IN_PARTS: Final = ("text", "summary", "thinking", "data", "content")
"""Members of parts that a text may be spread over: of reasoning, of content."""

_ERRORS: Final = "surrogateescape"


class Unscrubbed(ValueError):  # noqa: N818 - it says what the answer is
    """Secrets are in an answer, and could not be taken out of it: it must not be stored."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """An answer, and one that may be stored as it is once it `is_clean`."""

    reading: Reading
    """Its body, and what that says."""
    pieces: tuple[Piece, ...]
    """When the body arrived."""
    headers: tuple[tuple[str, str], ...]
    """Those that are kept; one of them names what was taken out, if anything was."""


def is_clean(answer: Scrubbed, redactor: Redactor) -> bool:
    """Whether an answer may be stored as it came."""
    reading, body = answer.reading, answer.reading.body
    if redactor.finds(body.decode(errors=_ERRORS)) or any(redactor.finds(value) for _, value in answer.headers):
        return False
    whole = reading.completion if reading.completion is not None else reading.error
    values = [whole, *(_decoded(reading) if may_hide(body) else ())]
    return all(_scrubbed(value, Redaction(redactor)) is value for value in values)


def scrubbed(answer: Scrubbed, seed: str, redactor: Redactor) -> Scrubbed:
    """An answer without its secrets. `seed` makes ids that are missing: the cache key. Raises `Unscrubbed`."""
    redaction = Redaction(redactor)
    reading = answer.reading
    try:
        body = _body(reading, seed, redaction)
        headers = tuple((name, redaction.text(value)) for name, value in answer.headers)
        again = read(body, status=reading.status)
        names = ", ".join(redaction.names) or "a secret"  # one in bytes that say nothing, and are gone
        made = Scrubbed(again, spread(body, again.form, answer.pieces), (*headers, (REDACTED_HEADER, names)))
        if (again.verdict, again.form) == (reading.verdict, reading.form) and is_clean(made, redactor):
            return made
    except NotKeyable as error:
        raise Unscrubbed(str(error)) from error
    raise Unscrubbed("there are secrets in this answer that cannot be taken out of it")


def _body(reading: Reading, seed: str, redaction: Redaction) -> bytes:
    if reading.form is WireForm.JSON:
        return _whole(reading.body, redaction)
    if not 200 <= reading.status <= 299:
        return redaction.text(reading.body.decode(errors=_ERRORS)).encode(errors=_ERRORS)
    completion, error = reading.completion, reading.error
    clean = _scrubbed(completion, redaction) if completion is not None else None
    whole = replace(
        reading,
        form=WireForm.JSON,
        completion=clean if isinstance(clean, dict) else None,
        error=redaction.value(error),
        reason=redaction.text(reading.reason),
    )
    return to_sse(whole, seed, include_usage=completion is not None and "usage" in completion).body


def _whole(body: bytes, redaction: Redaction) -> bytes:
    try:
        value = loads(body)
    except ValueError:
        return redaction.text(body.decode(errors=_ERRORS)).encode(errors=_ERRORS)
    return dumps(_scrubbed(value, redaction))  # written anew: of a name that is there twice, one goes


def _decoded(reading: Reading) -> list[Json]:
    """What the events of a stream say, each by itself, or the body as JSON."""
    texts = [event.data for event in parse(reading.body)] if reading.form is WireForm.SSE else [reading.body]
    found: list[Json] = []
    for text in texts:
        try:
            found.append(loads(text))
        except ValueError:
            continue
    return found


def _scrubbed(value: Json, redaction: Redaction) -> Json:
    """A completion, or whatever else was answered, without secrets: the very same object if there are none."""
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(choices, list):
        return _joined(value, redaction)
    clean = [_choice(choice, redaction) if isinstance(choice, dict) else choice for choice in choices]
    others = {name: child for name, child in value.items() if name != "choices"}
    same = all(new is old for new, old in zip(clean, choices, strict=True))
    if same and redaction.object(others) is others:
        return value
    return redaction.object({name: clean if name == "choices" else child for name, child in value.items()})


def _choice(choice: JsonObject, redaction: Redaction) -> JsonObject:
    clean = _joined(choice, redaction)
    if clean is choice or not isinstance(clean, dict):
        return choice
    return {**clean, "logprobs": None} if "logprobs" in clean else clean


def _joined(value: Json, redaction: Redaction) -> Json:
    """`Redaction.value`, also of texts that are spread over the parts of a list."""
    if isinstance(value, dict):
        members = {redaction.text(name): _joined(child, redaction) for name, child in value.items()}
        return value if all(members.get(name, members) is child for name, child in value.items()) else members
    if not isinstance(value, list):
        return redaction.value(value)
    items = [_joined(item, redaction) for item in value]
    for member in _IN_PARTS:
        items = _rejoined(items, member, redaction)
    return items if any(new is not old for new, old in zip(items, value, strict=True)) else value


def _rejoined(items: list[Json], member: str, redaction: Redaction) -> list[Json]:
    """Parts of which the first has all of the text, if a secret is spread over them; else as they are."""
    texts = [item.get(member) if isinstance(item, dict) else None for item in items]
    said = [text for text in texts if isinstance(text, str)]
    whole = "".join(said)
    if len(said) < 2 or (clean := redaction.text(whole)) is whole:
        return items
    rest = iter([clean, *[""] * (len(said) - 1)])
    return [
        {**item, member: next(rest)} if isinstance(item, dict) and isinstance(item.get(member), str) else item
        for item in items
    ]
