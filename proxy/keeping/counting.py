"""`chatreel stats`: what the calls of a store came to, in money and in time, and what the store has grown to."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from rich.console import RenderableType
from rich.table import Table

from chatreel.figures import DAY, Figures, Spread, figures, spread
from chatreel.keeping import units
from chatreel.model import SERVED, Outcome
from chatreel.money import Account, Total, dollars
from chatreel.plaintext import printable
from chatreel.spans import utc
from chatreel.store.archive import Archive
from chatreel.store.counting import Alike, Contents

_DAYS = 14
"""Days that are printed, the last ones; JSON has all."""
_WIDE = 100
"""Cells of a line in which there is room between columns."""
_NARROW = 10
"""Cells of a name, at least: a date has so many."""
_NAMES = 10
"""Models, upstreams and tags that are printed: those with the most calls."""


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that have something in common."""

    figures: Figures
    account: Account = field(default_factory=Account)


@dataclass(frozen=True, slots=True)
class Stats:
    """What there is to say of a store and its log."""

    all: Group
    outcomes: dict[Outcome, tuple[Group, Spread | None]]
    models: dict[str, Group]
    upstreams: dict[str, Group]
    tags: dict[str, Group]
    """By `name=value`. A call with several tags is in several."""
    days: dict[float, Group]
    """By the moment a day began, UTC."""
    seconds_saved: float
    contents: Contents


def stats(archive: Archive, since: float) -> Stats:
    """Figures of the calls since then (seconds since the epoch), and of the store."""
    calls = archive.alike(since)
    return Stats(
        all=_grouped(calls, lambda _: [""]).get("", Group(figures([]))),
        outcomes=_by_outcome(calls),
        models=_grouped(calls, lambda one: [one.model]),
        upstreams=_grouped(calls, lambda one: [one.upstream]),
        tags=_grouped(calls, lambda one: _tags(one.tags)),
        days=_grouped(calls, lambda one: [float(one.day * DAY)]),
        seconds_saved=archive.seconds_saved(since),
        contents=archive.totals(),
    )


def as_tables(found: Stats, width: int) -> Iterator[RenderableType]:
    """Yield what a terminal shows whose lines have `width` cells; 80 are enough."""
    yield _headline(found)
    for table in _tables(found):
        table.padding = (0, 2 if width >= _WIDE else 1, 0, 0)
        yield table


def _tables(found: Stats) -> Iterator[Table]:
    yield _outcome_table(found)
    for title, groups in (("model", found.models), ("upstream", found.upstreams), ("tag", found.tags)):
        most = sorted(groups.items(), key=lambda entry: -entry[1].figures.calls)[:_NAMES]
        if most or title != "tag":
            yield _table(title, {printable(name) or "none named": one for name, one in most})
    yield _table("day (UTC)", {utc(at)[:10]: one for at, one in [*found.days.items()][-_DAYS:]})


def as_json(found: Stats) -> dict[str, Any]:
    """The same for programs; times in seconds, money in USD, `null` where it is not known."""
    contents = found.contents
    return {
        **_members(found.all),
        "seconds_saved": round(found.seconds_saved, 3),
        "by_outcome": {
            outcome.value: {"calls": one.figures.calls, **_money(one.account), "latency": _times(times)}
            for outcome, (one, times) in found.outcomes.items()
        },
        "by_model": {name: _members(one) for name, one in found.models.items()},
        "by_upstream": {name: _members(one) for name, one in found.upstreams.items()},
        "by_tag": {name: _members(one) for name, one in found.tags.items()},
        "by_day": {utc(at)[:10]: _members(one) for at, one in found.days.items()},
        "store": {
            "size": contents.size,
            "recordings": contents.recordings,
            "payloads": contents.payloads,
            "content_bytes": contents.content,
            "stored_bytes": contents.stored,
        },
    }


def _grouped[Name: (str, float)](calls: Iterable[Alike], names: Callable[[Alike], Iterable[Name]]) -> dict[Name, Group]:
    """The calls by names that they have, in the order of these."""
    times: defaultdict[Name, defaultdict[Outcome, list[float]]] = defaultdict(lambda: defaultdict(list))
    sums: defaultdict[tuple[Name, bool], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in calls:
        for name in names(one):
            times[name][one.outcome] += one.latencies
            side = sums[name, one.outcome in SERVED]
            side[0] += one.known
            side[1] += one.priced
            side[2] += one.unpriced
    return {
        name: Group(figures(times[name].items()), Account(Total.of(*sums[name, False]), Total.of(*sums[name, True])))
        for name in sorted(times)
    }


def _by_outcome(calls: Sequence[Alike]) -> dict[Outcome, tuple[Group, Spread | None]]:
    found = _grouped(calls, lambda one: [one.outcome.value])
    times: defaultdict[str, list[float]] = defaultdict(list)
    for one in calls:
        times[one.outcome] += one.latencies
    return {one: (found[one], spread(times[one])) for one in Outcome if one in found}


@cache
def _tags(text: str | None) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in orjson.loads(text).items()) if text else ()


def _headline(found: Stats) -> Table:
    contents, all_ = found.contents, found.all.figures
    table = Table(show_header=False, box=None, pad_edge=False)
    outcomes = ", ".join(f"{all_.outcomes[one]:,} {one}" for one in Outcome if all_.outcomes.get(one))
    ratio = f", {contents.content / contents.stored:.1f} times smaller than it travelled" if contents.stored else ""
    for name, value in (
        ("calls", f"{all_.calls:,}{f': {outcomes}' if outcomes else ''}"),
        ("spent", _said(found.all.account.spent)),
        ("saved", _said(found.all.account.saved)),
        ("hit rate", _percent(all_.hit_rate)),
        ("time saved", units.long_span(found.seconds_saved)),
        ("latency", f"hits {_spread(all_.hits)}; upstream {_spread(all_.upstream)}"),
        ("store", f"{units.size(contents.size)}: {contents.recordings:,} recordings, {contents.payloads:,} payloads"),
        ("payloads", f"{units.size(contents.stored)}{ratio}"),
    ):
        table.add_row(name, value)
    return table


def _table(title: str, groups: Mapping[str, Group]) -> Table:
    names = ("CALLS", "HITS", "SPENT", "SAVED", "UNPRICED", "HITS P50", "P95", "UP P50", "P95")
    table = _empty(title, names)
    for name, one in groups.items():
        told = one.figures
        latencies = (*_cells(told.hits), *_cells(told.upstream))
        table.add_row(name, f"{told.calls:,}", _percent(told.hit_rate), *_money_cells(one.account), *latencies)
    return table


def _outcome_table(found: Stats) -> Table:
    table = _empty("outcome", ("CALLS", "SPENT", "SAVED", "UNPRICED", "P50", "P95"))
    for outcome, (one, times) in found.outcomes.items():
        table.add_row(outcome, f"{one.figures.calls:,}", *_money_cells(one.account), *_cells(times))
    return table


def _empty(title: str, names: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column(title.upper(), overflow="ellipsis", min_width=_NARROW)  # gives way first, as it may be wrapped
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _members(one: Group) -> dict[str, Any]:
    told = one.figures
    return {
        "calls": told.calls,
        "outcomes": {outcome.value: count for outcome, count in told.outcomes.items()},
        "hit_rate": told.hit_rate,
        **_money(one.account),
        "latency": {"hits": _times(told.hits), "upstream": _times(told.upstream)},
    }


def _money(account: Account) -> dict[str, Any]:
    sides = {"spent_usd": account.spent.usd, "saved_usd": account.saved.usd}
    return {name: None if usd is None else float(usd) for name, usd in sides.items()} | {"unpriced": account.unpriced}


def _times(times: Spread | None) -> dict[str, float] | None:
    return {"p50": times.p50, "p95": times.p95} if times else None


def _said(total: Total) -> str:
    calls = "1 call" if total.unpriced == 1 else f"{total.unpriced:,} calls"
    return f"{_usd(total.usd)}{f', {calls} of unknown price' if total.unpriced else ''}"


def _money_cells(account: Account) -> tuple[str, str, str]:
    return _usd(account.spent.usd), _usd(account.saved.usd), f"{account.unpriced:,}" if account.unpriced else "-"


def _usd(usd: Decimal | None) -> str:
    return "unknown" if usd is None else dollars(usd)


def _cells(times: Spread | None) -> tuple[str, str]:
    return (units.seconds(times.p50), units.seconds(times.p95)) if times else ("-", "-")


def _spread(times: Spread | None) -> str:
    return f"p50 {units.seconds(times.p50)}, p95 {units.seconds(times.p95)}" if times else "none"


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.1%}"
