"""One row of the log, as everybody knows it who has no part in how it is stored."""

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Final

from chatreel.facts import NO_FACTS, Facts
from chatreel.model import Mode, Outcome
from chatreel.store.usual import packed_usage


@dataclass(frozen=True, slots=True)
class Charge:
    """Money, in billionths of a USD. `None`: not known, which is not 0."""

    cost: int | None = None
    """Paid upstream for this call."""
    saved: int | None = None
    """What would have been paid for what was served from a recording."""
    price_source: str | None = None
    price_version: str | None = None
    price_model: str | None = None
    """The entry of the price list that was used."""
    unpriced: str | None = None
    """Why an answer has no price."""


NOT_CHARGED = Charge()


@dataclass(slots=True)
class Call:
    """One row of the log. Times in seconds; `None` where a thing did not happen.

    Not frozen, since it is completed before it is written, and since to make one that is takes three times as long.
    """

    call_id: str
    started_at: float
    outcome: Outcome
    reason: str
    mode: Mode
    cassette: str
    upstream: str
    path: str
    model: str
    stream: bool
    status: int | None
    key: str | None
    recording_id: int | None
    latency: float
    first_piece: float | None
    query: str = ""
    """Less what carries credentials."""
    tenant: str | None = None
    """As in `Recording`."""
    request: bytes | None = field(default=None, repr=False)
    """Body of a refused call: what was recorded has it in its recording."""
    session: str = ""
    """Id of the session; empty for the default one."""
    take: int | None = None
    """Number of the take that was served, from 1."""
    session_name: str | None = None
    """Of the test or the run."""
    tags: str | None = None
    """JSON object of texts; see `chatreel.tags`."""
    upstream_time: float | None = None
    """From the request going upstream to the last byte of its answer."""
    spared: float | None = None
    """What the upstream took when what was served was recorded."""
    miss_reason: str | None = None
    """Why no recording answered."""
    prompt: str | None = None
    """Digest of the messages alone."""
    facts: Facts = NO_FACTS
    """What the answer says; that of the recording if one was served."""
    charge: Charge = NOT_CHARGED

    @property
    def call(self) -> "Call":
        """As `chatreel.store.bulk.Row` has it."""
        return self

    @property
    def is_plain(self) -> bool:
        return self.request is None

    @property
    def values(self) -> tuple[object, ...]:
        """What its columns hold, in the order of `PLAIN`."""
        return _OWN_PLAIN(self) + _FACTS_BUT_USAGE(self.facts) + (usage_column(self.facts),) + _CHARGE_OF(self.charge)


OWN = ("call_id", "started_at", "latency", "take")
"""Members in which calls differ that one recording has answered alike. Rows and lines begin with them."""
OF_RECORDING = ("status", "key", "recording_id", "spared")
"""Members that follow from the recording that answered, whoever asked for it."""
_APART = ("facts", "charge")
"""Members of a call whose members are columns of their own."""
OWN_MEMBERS = (*OWN, *(field.name for field in fields(Call) if field.name not in (*OWN, *_APART)))
FACTS_MEMBERS = (*(field.name for field in fields(Facts) if field.name not in ("usage", "answered")), "usage")
CHARGE_MEMBERS = tuple(field.name for field in fields(Charge))
_PLAIN = tuple(name for name in OWN_MEMBERS if name != "request")
_OWN_PLAIN = attrgetter(*(f"{name}.value" if name in ("outcome", "mode") else name for name in _PLAIN))
_FACTS_BUT_USAGE, _CHARGE_OF = attrgetter(*FACTS_MEMBERS[:-1]), attrgetter(*CHARGE_MEMBERS)
PLAIN: Final = (*_PLAIN, *FACTS_MEMBERS, *CHARGE_MEMBERS)
"""Columns of a call whose request is not kept, as that of nearly all; `OWN` come first."""
PRICED = (*FACTS_MEMBERS, *CHARGE_MEMBERS)
"""Columns that follow from what was answered."""


def usage_column(facts: Facts) -> bytes | None:
    """What the column `usage` holds."""
    return packed_usage(facts.usage) if facts.usage is not None else None
