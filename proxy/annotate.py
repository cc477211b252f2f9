"""Rows of the log, completed off the hot path: what the answer says, what it cost, why it was a miss.

A hit's facts and price are those of its recording, so they are worked out once for each recording and remembered:
nothing is parsed for each hit.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from chatreel.decide import Found
from chatreel.facts import Answer, Facts, facts_of, prompt_digest
from chatreel.generations import Generations
from chatreel.model import SERVED, Mode, Outcome, Replayable
from chatreel.prices import Prices, Unpriced
from chatreel.rates import Price
from chatreel.redact import DEFAULT_REDACTOR, Redactor
from chatreel.store import Call
from chatreel.store.call import Charge
from chatreel.wire.spoken import Spoken

_REMEMBERED: Final = 10_000
"""Recordings of which it is remembered what their hits come to; and prices."""
_TEXTS: Final = ("model_served", "finish_reason", "error_type", "service_tier", "usage")
"""Of facts: what an answer says in words of its own."""
QUARTER: Final = 900
"""Seconds for which a price is remembered: lists with hours of their own change at quarters of an hour."""

REASONS: Final[dict[Found, str]] = {
    Found.MISS: "new",
    Found.STALE: "stale",
    Found.UNKEYABLE: "unkeyable",
}
"""Why no recording answered, in `miss_reason`: `new` there is none of this request; `stale` it is too old for what was
asked; `unkeyable` the request has no safe key. Besides: `asked` the mode or the request wanted a new one, and
`bypassed` nothing was looked up."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the facts of a call come from."""

    answer: Answer | None = None
    """The recording that was served or made; `None`: the row says already what was answered."""
    document: bytes = b""
    """The canonical document of the request; empty if it has none."""
    said: Spoken | None = None
    """What the stream says that has just been recorded."""


def miss_reason(outcome: Outcome, mode: Mode, found: Found) -> str | None:
    """Why no recording answered a call; `None` if one did."""
    if outcome in SERVED:
        return None
    if mode is Mode.PASSTHROUGH:
        return "bypassed"
    if mode is Mode.RECORD and found is not Found.UNKEYABLE:
        return "asked"
    return REASONS.get(found, found.value)


def without_secrets(facts: Facts, redactor: Redactor) -> Facts:
    """An answer that was not stored is as it came, and so is one that was waited for."""
    texts = {name: text for name in _TEXTS if (text := getattr(facts, name))}
    clean: dict[str, Any] = {name: redactor.text(text) for name, text in texts.items()}
    return facts if clean == texts else replace(facts, **clean)


type _Answered = tuple[Facts, Charge, str | None]
"""What was answered, what that comes to in money, and what was asked."""


class Annotator:
    """Used by one thread."""

    def __init__(self, prices: Prices, redactor: Redactor = DEFAULT_REDACTOR) -> None:
        self._prices = prices
        self._redactor = redactor
        self._quotes: Generations[tuple[object, ...], Price | Unpriced] = Generations(_REMEMBERED, _one)
        self._answered: Generations[tuple[object, ...], _Answered] = Generations(_REMEMBERED, _one)

    def complete(self, call: Call, source: Source) -> Call:
        """The row with everything in it that follows from the answer. Raises nothing."""
        if call.outcome in SERVED and source.answer and not call.facts.error_type:
            call.facts, call.charge, call.prompt = self._served(call, source, source.answer)
            return call
        facts = self._facts_of(call, source)
        if call.facts.error_type and not facts.error_type:
            facts = replace(facts, error_type=call.facts.error_type)
        facts = self._of(call, facts)
        call.facts, call.charge, call.prompt = facts, self.charge(call, facts), self._prompt(call, source)
        return call

    def complete_all(self, call: Call, source: Source) -> Call:
        """The same of a row that stands for all that the recording answers: that it did is not remembered again."""
        call.facts, call.charge, call.prompt = self._answer(call, source)
        return call

    def _served(self, call: Call, source: Source, answer: Answer) -> _Answered:
        """What all calls have in common that a recording has answered within a quarter of an hour."""
        made = (call.cassette, answer.id, answer.recorded_at)  # a file that was made anew counts anew
        asked = (call.key, call.model, call.upstream, call.path, call.outcome)
        key = (made, asked, call.started_at // QUARTER)
        found = self._answered.get(key)
        if found is None:
            found = self._answer(call, source)
            self._answered.put(key, found)
        return found

    def _answer(self, call: Call, source: Source) -> _Answered:
        facts = self._of(call, self._facts_of(call, source))
        return facts, self.charge(call, facts), self._prompt(call, source)

    def reprice(self, call: Call, recording: Replayable | None) -> Call:
        """A row as today's prices have it. `recording`: given where the row does not say what was answered."""
        facts = call.facts
        if recording:
            facts = self._of(call, replace(facts_of(recording), error_type=facts.error_type))
        return replace(call, facts=facts, charge=self.charge(call, facts))

    def charge(self, call: Call, facts: Facts) -> Charge:
        """What a call cost, and what it saved."""
        served = call.outcome in SERVED
        if not facts.answered or call.outcome is Outcome.REFUSED:
            return _without_answer(call, facts)
        quote = self._quote(call, facts)
        if isinstance(quote, Unpriced):
            return Charge(cost=0 if served else None, saved=None if served else 0, unpriced=quote.reason)
        amount = quote.nanodollars
        return Charge(
            cost=0 if served else amount,
            saved=amount if served else 0,
            price_source=quote.source,
            price_version=quote.version,
            price_model=quote.model,
        )

    def _of(self, call: Call, facts: Facts) -> Facts:
        """When a recording was made says nothing of when a call got it."""
        timed = facts.first_content is not None or facts.last_content is not None
        return replace(facts, first_content=None, last_content=None) if timed and call.outcome in SERVED else facts

    def _facts_of(self, call: Call, source: Source) -> Facts:
        if source.answer is None:
            return call.facts
        return without_secrets(facts_of(source.answer, source.said), self._redactor)

    def _quote(self, call: Call, facts: Facts) -> Price | Unpriced:
        key = (facts.tokens, facts.model_served, call.model, call.upstream, call.path, int(call.started_at // QUARTER))
        known = self._quotes.get(key)
        if known is None:
            url = call.upstream + call.path
            served = facts.model_served or ""
            known = self._prices.quote(facts.tokens, served, url, call.started_at, asked=call.model)
            self._quotes.put(key, known)
        return known

    def _prompt(self, call: Call, source: Source) -> str | None:
        if call.prompt or not call.key or not source.document:
            return call.prompt
        return prompt_digest(source.document)


def _one(_: object) -> int:
    return 1


def _without_answer(call: Call, facts: Facts) -> Charge:
    """Nobody is paid for a refusal or an error. What a failed call cost is not known, nor what nothing is known of."""
    if call.outcome is Outcome.FAILED:
        return Charge(saved=0, unpriced=None if call.first_piece is None else "the answer broke off")
    if call.outcome is Outcome.REFUSED or facts.error_type:
        return Charge(cost=0, saved=0)
    unknown = "it is not known what was answered"
    return Charge(cost=0, unpriced=unknown) if call.outcome in SERVED else Charge(saved=0, unpriced=unknown)
