"""Which take comes next: one key may hold several, and a session hands them out."""

from enum import StrEnum
from typing import NamedTuple

from chatreel.model import Take, WireForm


class AtEnd(StrEnum):
    """What comes after the last take."""

    LAST = "last"
    """The last one again, so that an agent that polls sees what it saw."""
    STRICT = "strict"
    """Nothing: a call more than was recorded is not answered."""


class Choice(NamedTuple):
    """The take whose turn it is."""

    take: Take
    number: int
    """Among all takes of its key, from 1."""
    is_repeat: bool
    """Whether it has been served before, all others too."""


def taking_turns(takes: tuple[Take, ...], form: WireForm) -> tuple[tuple[Take, ...], bool]:
    """The takes, of all of a key, that take turns for whoever asks for a form; and whether any is in that form.

    Others are in their place where none is: they are converted.
    """
    if len(takes) == 1:
        return takes, takes[0].form is form and not takes[0].is_error
    if any(take.form is form and not take.is_error for take in takes):
        return tuple([take for take in takes if take.form is form or take.is_error]), True
    return takes, False


class Repeats:
    """Counters of one session, per key and wire form."""

    def __init__(self, *, in_order: bool) -> None:
        """`in_order`: takes in recorded order; else the newest each time."""
        self._in_order = in_order
        self._turns: dict[WireForm | None, dict[str, int]] = {form: {} for form in (*WireForm, None)}
        """Answers to those who asked for a form, and under `None` all of them, by key."""

    def take_turn(self, key: str, takes: tuple[Take, ...], form: WireForm) -> Choice:
        """The take to serve, of all takes in recorded order (not empty). Its turn is over: see `give_back`.

        Where answers in the form that is asked for were recorded, they take turns among themselves (Q78), and with the
        errors: a client that retried on 429 and had a stream then does so again.
        """
        among, own = taking_turns(takes, form)
        last = len(among) - 1
        turn = last
        if self._in_order:
            self._count(key, form, 1)
            turn = self._turns[form if own else None][key] - 1
        take = among[min(turn, last)]
        return Choice(take, takes.index(take) + 1, is_repeat=turn > last)

    def served(self, key: str, form: WireForm) -> None:
        """A client that asked for `form` has an answer to `key` that was recorded for it."""
        if self._in_order:  # else nobody asks, and a session that records for months would remember every key
            self._count(key, form, 1)

    def give_back(self, key: str, form: WireForm) -> None:
        """A take that was chosen could not be served: it keeps its turn."""
        if self._in_order:
            self._count(key, form, -1)

    def _count(self, key: str, form: WireForm, turns: int) -> None:
        for counted in (self._turns[form], self._turns[None]):
            counted[key] = counted.get(key, 0) + turns
