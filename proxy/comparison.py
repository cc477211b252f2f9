"""What differs between two recordings: what was asked, what was answered, and how that went."""

from dataclasses import dataclass

from chatreel.explain import Difference, differences
from chatreel.model import Json, JsonObject, Recording
from chatreel.timeline import timeline
from chatreel.wire.codec import dumps, loads

_NEVER_ALIKE = ("id", "created", "usage")
"""Members of a completion that say nothing about the answer; usage is compared for itself."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two recordings, side by side. In a `Difference`, `recorded` is the first of them and `asked` the second."""

    request: tuple[Difference, ...]
    """Of all that was sent, also what does not count for the key."""
    answer: tuple[Difference, ...]
    """Of the completions and their status; of what came instead where there is none."""
    usage: tuple[Difference, ...]
    timing: tuple[Difference, ...]
    """Wire form, bytes, pieces and seconds."""

    @property
    def equal(self) -> bool:
        """Whether the same was asked and the same was answered, whatever it took."""
        return not self.request and not self.answer


def compare(first: Recording, second: Recording) -> Comparison:
    """Compare two recordings."""
    one, other = _completion(first), _completion(second)
    return Comparison(
        request=_between(_request(first), _request(second)),
        answer=_between({"status": first.status, **_answer(one)}, {"status": second.status, **_answer(other)}),
        usage=_between(_usage(one), _usage(other)),
        timing=_between(_timing(first), _timing(second)),
    )


def _between(first: Json, second: Json) -> tuple[Difference, ...]:
    return differences(dumps(second), dumps(first))


def _request(recording: Recording) -> JsonObject:
    body = _parsed(recording.request)
    return {
        "upstream": recording.upstream,
        "path": recording.path,
        "query": recording.query,
        "body": _in_order(body),
    }


def _in_order(value: Json, within: str = "") -> Json:
    """The order of members means nothing, except in the `properties` of a schema."""
    if isinstance(value, list):
        return [_in_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    names = value if within == "properties" else sorted(value)
    return {name: _in_order(value[name], name) for name in names}


def _completion(recording: Recording) -> Json:
    return _parsed(recording.completion or recording.body)


def _answer(completion: Json) -> JsonObject:
    """Less what no two answers have in common: ids are names, so those of tool calls are numbered."""
    if not isinstance(completion, dict):
        return {"body": completion}
    kept: JsonObject = {name: value for name, value in completion.items() if name not in _NEVER_ALIKE}
    answer = _in_order(_plain(kept, {}))
    return answer if isinstance(answer, dict) else {}


def _plain(value: Json, numbers: dict[str, Json], within: str = "") -> Json:
    if isinstance(value, list):
        return [_plain(item, numbers, within) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: numbers.setdefault(item, f"call {len(numbers) + 1}")
        if within == "tool_calls" and name == "id" and isinstance(item, str)
        else _plain(item, numbers, name)
        for name, item in value.items()
        if item is not None
    }


def _usage(completion: Json) -> Json:
    usage = completion.get("usage") if isinstance(completion, dict) else None
    return usage if isinstance(usage, dict) else {}


def _timing(recording: Recording) -> JsonObject:
    line = timeline(recording.pieces)
    return {
        "form": recording.form.value,
        "bytes": len(recording.body),
        "pieces": line.pieces,
        "first": round(line.first, 3),
        "duration": round(line.duration, 3),
    }


def _parsed(text: bytes) -> Json:
    """JSON as far as it is some; else the text."""
    try:
        return loads(text)
    except ValueError:
        return text.decode(errors="replace")
