"""`chatreel reprice`: history at today's prices, or at those of another model."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from rich.progress import Progress

from chatreel import talk
from chatreel.annotate import Annotator
from chatreel.config import Settings
from chatreel.model import SERVED
from chatreel.money import Account, dollars
from chatreel.prices import Prices, Unpriced
from chatreel.rates import Price
from chatreel.recovery import require_recovered
from chatreel.store.repricing import Period, Repriced, read, reprice

_MOST_NAMED = 10


@dataclass(slots=True)
class Supposed:
    """What calls would have cost on another model, beside what they did cost."""

    model: str
    calls: int = 0
    """That have an answer."""
    was: Account = field(default_factory=Account)
    would_be: Account = field(default_factory=Account)
    reasons: dict[str, int] = field(default_factory=dict)
    """Why calls have no price there, and how many."""


def reprice_store(settings: Settings, period: Period) -> Repriced:
    """Price the log of a store anew. Raises `StoreError`."""
    annotator = Annotator(Prices(settings.price))
    require_recovered(settings.store)
    with Progress(console=talk.console(), transient=True) as bar:
        task = bar.add_task("pricing", total=None)
        return reprice(settings.store, period, annotator.reprice, lambda done: bar.update(task, completed=done))


def suppose(settings: Settings, period: Period, model: str, upstream: str | None) -> Supposed:
    """Price the tokens of all calls as if `model` had answered them, at their own upstream or another; nothing changes.

    The same tokens: another model would count and write others, so this is an estimate. Raises `StoreError`.
    """
    prices = Prices(settings.price)
    require_recovered(settings.store)
    found = Supposed(model)
    for call in read(settings.store, period):
        if not call.facts.answered:
            continue
        found.calls += 1
        served = call.outcome in SERVED
        amount = call.charge.saved if served else call.charge.cost
        was = None if amount is None else Price(Decimal(amount).scaleb(-9), "", "", "")
        tokens = replace(call.facts.tokens, tier="", cost=None)
        quoted = prices.quote(tokens, model, upstream or call.upstream + call.path, call.started_at)
        if isinstance(quoted, Unpriced):
            found.reasons[quoted.reason] = found.reasons.get(quoted.reason, 0) + 1
        for account, price in ((found.was, was), (found.would_be, quoted if isinstance(quoted, Price) else None)):
            (account.saved if served else account.spent).add(price)
    return found


def summary(report: Repriced) -> list[str]:
    """What became of the log, in lines."""
    return [f"{report.rows:,} calls priced anew, {report.changed:,} of them changed"]


def supposition(found: Supposed) -> Iterator[str]:
    """What was supposed, in lines."""
    yield f"{found.calls:,} calls with an answer"
    for side, was, would_be in (
        ("spent", found.was.spent, found.would_be.spent),
        ("saved", found.was.saved, found.would_be.saved),
    ):
        yield f"{side}: {_amount(was.usd)}; on {found.model} it would have been {_amount(would_be.usd)}"
    for reason, calls in sorted(found.reasons.items(), key=lambda item: -item[1])[:_MOST_NAMED]:
        yield f"without a price there: {calls:,} calls ({reason})"


def as_json(found: Supposed) -> dict[str, object]:
    """The same for programs; USD."""

    def number(usd: Decimal | None) -> float | None:
        return None if usd is None else float(usd)

    def side(account: Account) -> dict[str, object]:
        totals = (number(account.spent.usd), number(account.saved.usd))
        return {"spent_usd": totals[0], "saved_usd": totals[1], "unpriced": account.unpriced}

    return {"model": found.model, "calls": found.calls, "was": side(found.was), "would_be": side(found.would_be)}


def _amount(usd: Decimal | None) -> str:
    return "not known" if usd is None else dollars(usd)
