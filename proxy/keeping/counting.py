"""`chatreel stats`: what the calls of a store came to, and what the store has grown to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from chatreel.figures import Figures, Kind, Spread, by_day, figures
from chatreel.keeping import units
from chatreel.model import Outcome
from chatreel.plaintext import printable
from chatreel.spans import utc
from chatreel.store.archive import Archive
from chatreel.store.counting import Contents

_DAYS = 14
"""Days that are printed, the last ones; JSON has all."""
_NAMES = 10
"""Models, and upstreams, that are printed: those with the most calls."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What there is to say of a store and its log."""

    all: Figures
    models: dict[str, Figures]
    upstreams: dict[str, Figures]
    days: dict[float, Figures]
    """By the moment a day began, UTC."""
    seconds_saved: float
    contents: Contents


def stats(archive: Archive, since: float) -> Stats:
    """Figures of the calls since then (seconds since the epoch), and of the store."""
    calls = archive.latencies(since)
    ordered = {kind: sorted(latency for _, latency in timed) for kind, timed in calls.items()}
    return Stats(
        all=figures((kind.outcome, latencies) for kind, latencies in ordered.items()),
        models=_by(ordered, lambda kind: kind.model),
        upstreams=_by(ordered, lambda kind: kind.upstream),
        days=by_day(calls),
        seconds_saved=archive.seconds_saved(since),
        contents=archive.totals(),
    )


def as_tables(found: Stats) -> Iterator[RenderableType]:
    """Yield what a terminal shows."""
    yield _headline(found)
    named = (("model", found.models), ("upstream", found.upstreams))
    for title, groups in named:
        most = sorted(groups.items(), key=lambda entry: -entry[1].calls)[:_NAMES]
        yield _table(title, {printable(name) or "none named": one for name, one in most})
    yield _table("day (UTC)", {utc(at)[:10]: one for at, one in [*found.days.items()][-_DAYS:]})


def as_json(found: Stats) -> dict[str, Any]:
    """The same for programs; all times in seconds."""
    contents = found.contents
    return {
        **_members(found.all),
        "seconds_saved": round(found.seconds_saved, 3),
        "by_model": {name: _members(one) for name, one in found.models.items()},
        "by_upstream": {name: _members(one) for name, one in found.upstreams.items()},
        "by_day": {utc(at)[:10]: _members(one) for at, one in found.days.items()},
        "store": {
            "size": contents.size,
            "recordings": contents.recordings,
            "payloads": contents.payloads,
            "content_bytes": contents.content,
            "stored_bytes": contents.stored,
        },
    }


def _by(ordered: Mapping[Kind, list[float]], name: Callable[[Kind], str]) -> dict[str, Figures]:
    names = sorted({name(kind) for kind in ordered})
    return {
        one: figures((kind.outcome, latencies) for kind, latencies in ordered.items() if name(kind) == one)
        for one in names
    }


def _headline(found: Stats) -> Table:
    contents = found.contents
    table = Table(show_header=False, box=None, pad_edge=False)
    outcomes = ", ".join(f"{found.all.outcomes[one]:,} {one}" for one in Outcome if found.all.outcomes.get(one))
    ratio = f", {contents.content / contents.stored:.1f} times smaller than it travelled" if contents.stored else ""
    for name, value in (
        ("calls", f"{found.all.calls:,}{f': {outcomes}' if outcomes else ''}"),
        ("hit rate", _percent(found.all.hit_rate)),
        ("time saved", units.long_span(found.seconds_saved)),
        ("latency", f"hits {_spread(found.all.hits)}; upstream {_spread(found.all.upstream)}"),
        ("store", f"{units.size(contents.size)}: {contents.recordings:,} recordings, {contents.payloads:,} payloads"),
        ("payloads", f"{units.size(contents.stored)}{ratio}"),
    ):
        table.add_row(name, value)
    return table


def _table(title: str, groups: Mapping[str, Figures]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column(title.upper(), no_wrap=True)
    for name in ("CALLS", "HIT RATE", "HITS P50", "P95", "UPSTREAM P50", "P95"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in groups.items():
        table.add_row(name, f"{one.calls:,}", _percent(one.hit_rate), *_cells(one.hits), *_cells(one.upstream))
    return table


def _members(one: Figures) -> dict[str, Any]:
    return {
        "calls": one.calls,
        "outcomes": {outcome.value: count for outcome, count in one.outcomes.items()},
        "hit_rate": one.hit_rate,
        "latency": {
            name: {"p50": spread.p50, "p95": spread.p95} if spread else None
            for name, spread in (("hits", one.hits), ("upstream", one.upstream))
        },
    }


def _cells(spread: Spread | None) -> tuple[str, str]:
    return (units.seconds(spread.p50), units.seconds(spread.p95)) if spread else ("-", "-")


def _spread(spread: Spread | None) -> str:
    return f"p50 {units.seconds(spread.p50)}, p95 {units.seconds(spread.p95)}" if spread else "none"


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.1%}"
