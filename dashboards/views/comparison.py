"""Two sessions side by side: what became of their calls, what they cost and how long they took."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from chatreel.analytics.queries import caching, latency, overview
from chatreel.analytics.queries.calls import Run
from chatreel.analytics.queries.latency import Measure, Percentiles
from chatreel.analytics.queries.money import Money
from chatreel.analytics.queries.overview import Totals
from chatreel.dashboards import parts, wording
from chatreel.dashboards.page import Page


@dataclass(frozen=True, slots=True)
class Side:
    """What the calls of one session came to."""

    totals: Totals
    misses: dict[str, int]
    """Calls by reason, most first."""
    upstream: Percentiles | None
    recordings: Percentiles | None
    models: dict[str, int]
    """The same by model."""


type Row = tuple[str, str, str, str | int | None]
"""What is compared, what it is on either side, and by how much it has changed, as `wording` says it."""


def draw(page: Page, found: Sequence[Run]) -> None:
    """Let two sessions be chosen, and show both."""
    named = _by_label(found)
    before, after = (_choose(place, label, named) for place, label in zip(st.columns(2), ("One", "Other"), strict=True))
    if not before or not after:
        return
    rows = compared(_side(page, named[before]), _side(page, named[after]))
    what, left, right, changes = zip(*rows, strict=True)
    columns: parts.Columns = {"what": what, "before": left, "after": right, "change": [_said(one) for one in changes]}
    looks: parts.Looks = {
        "what": st.column_config.TextColumn("", width="medium", pinned=True),
        "before": st.column_config.TextColumn(before),
        "after": st.column_config.TextColumn(after),
        "change": st.column_config.TextColumn("Change"),
    }
    parts.table(columns, looks, f"{before} beside {after}")


def compared(before: Side, after: Side) -> list[Row]:
    """Every row of the table."""
    one, other = before.totals, after.totals
    models = dict.fromkeys((*before.models, *after.models))
    return [
        _row("Calls", one.calls, other.calls),
        _row("Hit rate", one.hit_rate, other.hit_rate, wording.percent, wording.points),
        _money("Spent", one.spending.spent, other.spending.spent),
        _money("Saved", one.spending.saved, other.spending.saved),
        *_times("Upstream", before.upstream, after.upstream),
        *_times("Recordings", before.recordings, after.recordings),
        _row("Misses", sum(before.misses.values()), sum(after.misses.values())),
        *(
            _row(f"– {wording.WHY.get(reason, reason)}", before.misses.get(reason, 0), after.misses.get(reason, 0))
            for reason in dict.fromkeys((*before.misses, *after.misses))
        ),
        *(_row(f"Calls of {model}", before.models.get(model, 0), after.models.get(model, 0)) for model in models),
    ]


def _choose(place: DeltaGenerator, label: str, named: Iterable[str]) -> str | None:
    return place.selectbox(
        label, list(named), index=None, key=label.lower(), bind="query-params", placeholder="Choose a session"
    )


def title(run: Run) -> str:
    """What a session is called."""
    return run.name or f"without a name, {run.session[:8]}"


def _by_label(found: Sequence[Run]) -> dict[str, Run]:
    """Sessions by name and beginning, which a reader knows them by; with their id where that is not enough."""
    named: dict[str, Run] = {}
    for run in found:
        label = f"{title(run)}, {run.first:%-d %b %H:%M:%S}"
        named[f"{label}, {run.session}" if label in named else label] = run
    return named


def _side(page: Page, run: Run) -> Side:
    ask, about = page.snapshot.ask, replace(page.about, sessions=(run.session,))
    return Side(
        ask(overview.overview, about).now,
        {one.reason: one.calls for one in ask(caching.miss_reasons, about)},
        ask(latency.percentiles, about, Measure.UPSTREAM),
        ask(latency.percentiles, about, Measure.HITS),
        {model or "none named": totals.calls for model, totals in ask(overview.by_model, about)},
    )


def _row(
    what: str,
    before: Any,
    after: Any,
    said: Callable[[Any], str] = "{:,}".format,
    changed: Callable[[Any, Any], str | int | None] = wording.change,
) -> Row:
    return what, said(before), said(after), changed(after, before)


def _money(what: str, before: Money, after: Money) -> Row:
    known = not before.unpriced and not after.unpriced
    return what, wording.money(before), wording.money(after), wording.change(after.usd, before.usd) if known else None


def _times(what: str, before: Percentiles | None, after: Percentiles | None) -> list[Row]:
    return [
        _row(f"{what}, {name}", getattr(before, name, None), getattr(after, name, None), wording.ms)
        for name in ("p50", "p95")
    ]


def _said(change: str | int | None) -> str:
    return wording.NOTHING if change is None else "the same" if change == 0 else str(change)
