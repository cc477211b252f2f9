"""Rows of the log as lines of JSON, for as long as they are not in the store; what can be done later is done later."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

import orjson

from chatreel.facts import NO_FACTS, Facts
from chatreel.model import Mode, Outcome
from chatreel.store.call import NOT_CHARGED, OF_RECORDING, OWN, Call, Charge

_FIRST: Final = (*OWN, *OF_RECORDING)
NAMES: Final = (*_FIRST, *(field.name for field in fields(Call) if field.name not in (*_FIRST, "facts", "charge")))
"""Of the members of a call, in the order in which a line has them."""

# Six times as fast as to have orjson look for them.
_members: Final = attrgetter(*NAMES)
_others: Final = attrgetter(*NAMES[len(_FIRST) :])

END: Final = b"]\n"


@dataclass(frozen=True, slots=True)
class Left:
    """A row as it was when its call was answered."""

    call: Call
    answered_at: float | None = None
    """When the recording was made that answered the call, by which it is found in a cassette: seconds since 1970."""


def as_line(call: Call, answered_at: float | None) -> bytes:
    """Raises `TypeError` if something in it is no text."""
    return _line(_members(call), call, answered_at)


def line_behind_recording(call: Call) -> bytes:
    """How the line goes on behind the members of `OF_RECORDING`. Raises `TypeError` as `as_line` does.

    What ends it is when the recording was made, and `END`.
    """
    return b"," + _line(_others(call), call, None).removeprefix(b"[[").removesuffix(b"null" + END)


def _line(members: tuple[Any, ...], call: Call, answered_at: float | None) -> bytes:
    facts = None if call.facts is NO_FACTS else call.facts
    charge = None if call.charge is NOT_CHARGED else call.charge
    row = (members, facts, charge, answered_at)
    return orjson.dumps(row, default=bytes.decode, option=orjson.OPT_APPEND_NEWLINE)


def read_line(line: bytes, names: Sequence[str]) -> Left:
    """A row, of whose members the line has those `names`; those that a call no longer has are left out.

    Raises `TypeError` or `ValueError` if it is none, or not all of one.
    """
    values, facts, charge, answered_at = orjson.loads(line)
    known: dict[str, Any] = {name: value for name, value in zip(names, values, strict=True) if name in NAMES}
    request = known["request"]
    known |= {
        "outcome": Outcome(known["outcome"]),
        "mode": Mode(known["mode"]),
        "request": None if request is None else request.encode(),
    }
    call = Call(**known, facts=Facts(**(facts or {})), charge=Charge(**(charge or {})))
    return Left(call, answered_at)
