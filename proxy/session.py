"""One test's or one run's view: its recordings, its mode, which take comes next, and what it all came to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from chatreel.budget import Allowance, Budget, Verdict
from chatreel.decide import FOR_EVER, Freshness
from chatreel.flights import Flights
from chatreel.journal import Journal
from chatreel.model import SERVED, Mode, Outcome
from chatreel.pace import INSTANT
from chatreel.recordings import Recordings
from chatreel.repeats import AtEnd, Repeats
from chatreel.tally import Tally


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ from session to session."""

    repeats: AtEnd = AtEnd.LAST
    record_errors: bool = False
    """Store errors of the upstream, too (Q6, Q75)."""
    speed: float = INSTANT
    """Of replayed streams: see `chatreel.pace`."""
    freshness: Freshness = FOR_EVER
    budget: Budget | None = None


DEFAULT_OPTIONS = Options()


class Session:
    """Every call belongs to one. The default one has no id."""

    def __init__(
        self,
        mode: Mode,
        recordings: Recordings,
        options: Options = DEFAULT_OPTIONS,
        *,
        id: str = "",  # noqa: A002 - what it is called everywhere
        name: str = "",
        cassette: str = "",
        shared: tuple[Allowance, ...] = (),
        counts_turns: bool = True,
    ) -> None:
        """`mode`: as it is at the start, so never `once`. `cassette`: path of the file; empty for the working store.

        `shared`: what all sessions together may spend. `counts_turns`: whether all of its calls come here, so that it
        knows which take comes next.
        """
        self.id = id
        self.name = name
        self.mode = mode
        self.cassette = cassette
        self.recordings = recordings
        self.options = options
        self.is_open = True
        self.tally = Tally()
        self.journal = Journal(keeps_calls=bool(id))
        self.flights = Flights()
        own = (Allowance(options.budget, now=0.0),) if options.budget else ()
        self.allowances = (*own, *shared)
        """What is left of the budgets that its calls are paid from. Whoever completes rows of the log uses them."""
        # A working store holds what happened on many days: the newest take is what the upstream says today.
        self.repeats = Repeats(in_order=counts_turns and (mode is Mode.REPLAY or bool(cassette)))

    @property
    def is_strict(self) -> bool:
        """Whether each take answers one call and no more."""
        return self.options.repeats is AtEnd.STRICT and (self.mode is Mode.REPLAY or bool(self.cassette))

    def price(
        self, outcome: Outcome, usd: Decimal | None, tags: Mapping[str, str], now: float, times: int = 1
    ) -> list[Budget]:
        """Count what an answered call cost upstream, or would have: see `Account.count`. `now`: seconds.

        `times`: of hits that are alike, how many they are. Budgets that it should have been paid from, if nobody knows
        how much.
        """
        self.tally.account.count(outcome, usd, times)
        paying = [] if outcome in SERVED else [*self._allowances_for(tags)]
        for allowance in paying:
            allowance.spend(usd, now)
        return [allowance.budget for allowance in paying] if usd is None else []

    def may_spend(self, tags: Mapping[str, str], now: float, *, priced: bool) -> Verdict | None:
        """Why a call may not go upstream; `None` if it may. `priced`: whether it will be known what it costs."""
        verdicts = (allowance.check(now, priced=priced) for allowance in self._allowances_for(tags))
        return next((verdict for verdict in verdicts if not verdict.allowed), None)

    def _allowances_for(self, tags: Mapping[str, str]) -> Iterator[Allowance]:
        return (allowance for allowance in self.allowances if allowance.budget.covers(tags))
