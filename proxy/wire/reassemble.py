"""The events of a stream to one `chat.completion`, by a table of named fields: a pure function of bytes (R1-R13)."""

from collections.abc import Callable, Iterable
from typing import Final

from chatreel.model import Json, JsonObject
from chatreel.wire.api_errors import find_error
from chatreel.wire.choices import ChoiceParts, entries, whole_message, with_distinct_details
from chatreel.wire.codec import loads, loads_object
from chatreel.wire.fields import FirstNonEmpty, Last, Rule, Shallow
from chatreel.wire.repeated import Repeated, Run, repeated
from chatreel.wire.spoken import is_answer, says
from chatreel.wire.sse import Event, Origin
from chatreel.wire.tool_calls import as_index

# Order is the order of the completion's members (R4). `choices` and `usage` follow their own rules.
_ENVELOPE: Final[dict[str, Callable[[], Rule]]] = {
    "id": FirstNonEmpty,
    "created": FirstNonEmpty,
    "model": FirstNonEmpty,
    "service_tier": Last,
    "system_fingerprint": Last,
}
_DEFAULTS: Final[JsonObject] = {"id": "", "object": "chat.completion", "created": 0, "model": ""}

_DROPPED: Final = frozenset({"object", "choices", "usage", "error", "obfuscation", "p"})
"""Members of a chunk that are no members of the completion: handled apart, or padding (Q39)."""

_TRIES: Final = 8
"""Events in a row that none is like: then nobody looks for more."""


class Reassembler:
    """Events in, in order of arrival; one completion out, and what is known about its completeness (Q8)."""

    def __init__(self) -> None:
        self.done = False
        """Whether `[DONE]` was seen; nothing after it counts (Q15)."""
        self.error: Json = None
        """The first error the stream reported, if any (R3)."""
        self.corrupt = ""
        """What was wrong with the first event that could not be read; empty if nothing was (R2)."""
        self.cut = False
        """Whether the body ended inside an event (Q22)."""
        self.said = False
        """Whether there was anything of the answer in the event that came last."""
        self.ignored = 0
        """Lines that were no part of any event, and no error either (Q21)."""
        self._like: Repeated | None = None
        """What an event is like that says no more than another piece of the text that the last one has said one of."""
        self._tries = _TRIES
        self._usage_closed = False
        self._usage: dict[str, Last] = {place: Last() for place in ("top", "x_groq", "choice")}
        self._envelope: dict[str, Rule] = {key: rule() for key, rule in _ENVELOPE.items()}
        self._choices: dict[int, ChoiceParts] = {}

    def add(self, event: Event) -> None:
        """Take one event. Raises nothing: what cannot be used is noted in `error`, `corrupt`, `cut` or `ignored`."""
        self.said = False
        if self.done:
            return
        if event.origin is Origin.OVERLONG:
            self.corrupt = self.corrupt or "an event is larger than the limit"
        elif event.is_done:
            self.done = True
        elif event.name == "error":
            self._fail(_error_of(event.data))
        elif event.origin is Origin.STRAY:
            self._add_stray(event.data)
        else:
            self._add_data(event)

    def add_run(self, body: bytes, at: int) -> Run | None:
        """Take the events of a body that follow there, if they say no more than another piece of a text each."""
        like = None if self.done else self._like
        run = like.run(body, at) if like else None
        if not like or not run:
            return None
        self._choices[like.index].add_text(like.name, run.text)
        self._tries = _TRIES
        return run if is_answer(like.name) else run._replace(events=0)

    def add_chunk(self, chunk: JsonObject) -> None:
        """Take the object of one event."""
        if (error := find_error(chunk)) is not None:
            self._fail(error)
        for key, value in chunk.items():
            if key not in _DROPPED:
                rule = self._envelope.get(key)
                if rule is None:
                    rule = self._envelope[key] = Shallow()
                rule.add(value)
        said = self._add_choices(chunk.get("choices"))
        self._add_usage(chunk, said=said)

    @property
    def has_choices(self) -> bool:
        """Whether any choice was seen."""
        return bool(self._choices)

    @property
    def finished(self) -> bool:
        """Whether the stream says itself that nothing is missing, `[DONE]` apart: all choices finished, or the usage
        chunk followed them (Q8). Usage beside choices proves nothing: some servers send it with every chunk (Q30).
        """
        all_finished = all(choice.finished for choice in self._choices.values())
        return self.has_choices and (all_finished or self._usage_closed)

    def finish_reasons(self) -> list[Json]:
        """Of every choice, by index."""
        return [self._choices[index].finish_reason for index in sorted(self._choices)]

    def choices(self) -> list[JsonObject]:
        """What has arrived so far of every choice, by index (R5)."""
        return [self._choices[index].value(index) for index in sorted(self._choices)]

    def completion(self) -> JsonObject:
        """What has arrived so far, as one object. Members: R4, `choices`, then `usage` if there was any (R10)."""
        return self.around(self.choices())

    def around(self, choices: list[JsonObject]) -> JsonObject:
        """The completion with these choices: everything else about it has arrived."""
        said = {key: value for key, rule in self._envelope.items() if (value := rule.value()) is not None}
        whole = _DEFAULTS | {key: said.pop(key) for key in ("id", "created", "model") if key in said}
        whole["choices"] = [*choices]
        usage = next((value for rule in self._usage.values() if (value := rule.value()) is not None), None)
        return whole | ({} if usage is None else {"usage": usage}) | said

    def _add_data(self, event: Event) -> None:
        try:
            chunk = loads_object(event.data)
        except ValueError as error:
            self.cut = self.cut or not event.terminated
            self.corrupt = self.corrupt or ("" if self.cut else f"an event is not a JSON object: {error}")
        else:
            self.add_chunk(chunk)
            self._look_for_more(event.data, chunk)

    def _look_for_more(self, data: bytes, chunk: JsonObject) -> None:
        """Know what is like this event, unless that has been of no use: choices may take turns."""
        self._tries -= 1
        self._like = repeated(data, chunk, self._like) if self._tries > 0 else None

    def _add_stray(self, line: bytes) -> None:
        try:
            error = find_error(loads_object(line))
        except ValueError:
            error = None
        if error is None:
            self.ignored += 1
        else:
            self._fail(error)

    def _fail(self, error: Json) -> None:
        self.error = error if self.error is None else self.error

    def _add_choices(self, choices: Json) -> bool:
        found = entries(choices)
        for position, choice in enumerate(found):
            index = as_index(choice.get("index"))
            number = position if index is None else index
            parts = self._choices.get(number)
            if parts is None:
                parts = self._choices[number] = ChoiceParts()
            parts.add(choice)
            self.said = self.said or says(choice)
            self._usage["choice"].add(choice.get("usage"))
        return bool(found)

    def _add_usage(self, chunk: JsonObject, *, said: bool) -> None:
        usage, groq = chunk.get("usage"), chunk.get("x_groq")
        self._usage["top"].add(usage)
        self._usage["x_groq"].add(groq.get("usage") if isinstance(groq, dict) else None)
        if said:
            self._usage_closed = False
        elif usage and self.has_choices:
            self._usage_closed = True


def reassemble(events: Iterable[Event]) -> JsonObject:
    """The completion that the events amount to, whatever is wrong with them: `chatreel.wire.reading` judges that."""
    assembler = Reassembler()
    for event in events:
        assembler.add(event)
    return assembler.completion()


def normalise(completion: JsonObject) -> JsonObject:
    """The completion in the one shape that both wire forms can carry: what `reassemble` makes of its re-chunked self.

    Every choice has `index`, `message`, `logprobs` and `finish_reason`, every message `role`, `content` and `refusal`;
    other members are gone if null. Choices of one index are one choice (Q54), tool calls have type, name and arguments.
    """
    assembler = Reassembler()
    choices = completion.get("choices")
    for position, choice in enumerate(choices if isinstance(choices, list) else []):
        if isinstance(choice, dict):
            index = as_index(choice.get("index"))
            message = choice.get("message")
            delta = {"refusal": None} | (whole_message(message) if isinstance(message, dict) else {})
            whole = {key: value for key, value in choice.items() if key != "message"}
            numbered: JsonObject = {"index": position if index is None else index, "delta": delta}
            assembler.add_chunk({"choices": [whole | numbered]})
    assembler.add_chunk({key: value for key, value in completion.items() if key != "choices"})
    return assembler.around([_with_distinct_details(choice) for choice in assembler.choices()])


def _with_distinct_details(choice: JsonObject) -> JsonObject:
    message = choice["message"]
    return choice | {"message": with_distinct_details(message)} if isinstance(message, dict) else choice


def _error_of(data: bytes) -> Json:
    """What an event that calls itself an error has to say: JSON of any shape, or text (Q16, Q75)."""
    try:
        said = loads(data)
    except ValueError:
        said = data.decode(errors="replace").strip()
    if isinstance(said, dict):
        return find_error(said) or said
    return said or "the stream reported an error without saying which"
