"""Whether a recording is what it says: its key and document that of its request, its completion that of its bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import orjson

from chatreel.canonical import SCHEME, SHIPPED, KeyOptions, Rule, cache_key, shipped_rules
from chatreel.errors import ChatreelError
from chatreel.model import JsonObject, Recording
from chatreel.request import Keys, read_request
from chatreel.wire.codec import dumps
from chatreel.wire.reading import Verdict, read


@dataclass(frozen=True, slots=True)
class Checked:
    """What there is to say about a recording whose bytes are those that their digests name."""

    faults: tuple[str, ...] = ()
    """One sentence each; none if all is well."""
    keyed_otherwise: bool = False
    """Whether its key was made by other rules than today's: no fault, but it is not found."""


def check(recording: Recording, keys: Keys) -> Checked:
    """Derive everything anew that a recording says of itself. `keys`: today's rules."""
    faults = [*_answer_faults(recording), *_arrival_faults(recording)]
    if recording.identity.key.partition(":")[2] != cache_key(recording.identity.document).partition(":")[2]:
        return Checked((*faults, "its key is not that of its document"))
    try:
        same = keys.identify(recording, read_request(recording.request)) == recording.identity
    except ChatreelError:
        same = False
    if same:
        return Checked(tuple(faults))
    wrong = tuple(_identity_faults(recording, keys))
    return Checked((*faults, *wrong), keyed_otherwise=not wrong)


def _identity_faults(recording: Recording, keys: Keys) -> Iterator[str]:
    """Of one that today's rules give another key: a document tells the rules that it was made by."""
    try:
        document = orjson.loads(recording.identity.document)
        if document["v"] != SCHEME:
            return  # nobody can say any more
        options = _declared(document, keys.options)
    except (ValueError, KeyError, TypeError, AttributeError):
        yield "its document is none"
        return
    if options is None:
        return
    try:
        identity = replace(keys, options=options).identify(recording, read_request(recording.request))
    except ChatreelError as error:
        yield f"its request has no key: {error}"
        return
    if identity != recording.identity:
        yield "its key and document are not those of its request"


def _declared(document: JsonObject, today: KeyOptions) -> KeyOptions | None:
    """The options that a document was made by; `None` if it names a rule that nobody knows any more."""
    shipped = (rule for name in SHIPPED for rule in shipped_rules(name))
    known: dict[str, Rule] = {rule.label: rule for rule in (*shipped, *today.normalize)}
    labels: list[str] = document.get("normalized", [])  # type: ignore[assignment]  # what is none raises TypeError
    if any(label not in known for label in labels):
        return None
    return KeyOptions(
        sampling_defaults=document.get("sampling_defaults", "server"),  # type: ignore[arg-type]
        ignore=tuple(document.get("ignore", ())),  # type: ignore[arg-type]
        normalize=_in_order([known[label] for label in labels], today),
        scope="credential" if "tenant" in document else "shared",
    )


def _in_order(rules: list[Rule], today: KeyOptions) -> tuple[Rule, ...]:
    """Of two rules that match at the same place the first in the settings counts; labels are sorted."""
    order = {rule.label: number for number, rule in enumerate(today.normalize)}
    return tuple(sorted(rules, key=lambda rule: order.get(rule.label, len(order))))


def _answer_faults(recording: Recording) -> Iterator[str]:
    reading = read(recording.body, status=recording.status)
    complete = reading.verdict is Verdict.COMPLETE
    if not complete and reading.verdict is not Verdict.ERROR:
        yield f"its response is neither an answer nor an error: {reading.reason}"
    elif reading.form is not recording.form:
        yield f"its response is {reading.form}, not {recording.form}"
    elif (dumps(reading.completion) if complete else b"") != recording.completion:
        yield "its completion is not what its response amounts to"


def _arrival_faults(recording: Recording) -> Iterator[str]:
    pieces = recording.pieces
    if sum(piece.size for piece in pieces) != len(recording.body):
        yield "the pieces it arrived in are not its response"
    if any(later.at < earlier.at for earlier, later in pairwise(pieces)):
        yield "the pieces it arrived in are out of order"
