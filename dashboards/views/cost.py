"""Cost: where the money goes, what the month will have cost, and what has no price."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import streamlit as st

from chatreel.analytics.queries import calls, money, overview
from chatreel.analytics.queries.calls import Order
from chatreel.analytics.queries.money import By, Share
from chatreel.dashboards import charts, palette, parts, wording
from chatreel.dashboards.listing import call_table
from chatreel.dashboards.page import Page
from chatreel.dashboards.parts import Figure
from chatreel.dashboards.vega import Series, Unit
from chatreel.dashboards.views import budgets
from chatreel.dashboards.views.month import Month, draw_forecast, look_at, month_figures

_SHARES: Final = 10
"""Bars, and rows, that are shown of what money is spent on."""
_DEAREST: Final = 12
_BY: Final = {"Model": By.MODEL, "Upstream": By.UPSTREAM, "Session": By.SESSION}


def draw(page: Page) -> None:
    parts.headline("Cost")
    if not page.has_calls():
        return
    month = look_at(page)
    parts.figures(_headline(page, month), page.chosen.before)
    left, right = st.columns([3, 2])
    with parts.card("Spent by model", "USD paid upstream over time", at=left):
        _by_model(page)
    with parts.card(f"Where {month.name} leads", "USD spent since its first day; dashed: what is to come", at=right):
        draw_forecast(page, month)
    if page.source.budgets:
        with parts.card("Budgets", "what is spent of them, and when they will be reached; whatever is looked at"):
            budgets.draw(page)
    left, right = st.columns([2, 3])
    with parts.card("What it is spent on", "USD: the most expensive first", at=left):
        _shares(page)
    with parts.card("Most expensive calls", "choose one to open it", at=right):
        call_table(page, page.ask(calls.lines, order=Order.DEAREST, limit=_DEAREST), "dearest", height=388)
    left, right = st.columns([2, 3])
    with parts.card("Tokens", "counted by upstreams, each once", at=left):
        _tokens(page)
    with parts.card("What has no price", "an unknown price is never taken for 0", at=right):
        _gaps(page)


def _headline(page: Page, month: Month) -> list[Figure]:
    found = page.ask(overview.overview)
    spent, saved = found.now.spending.spent, found.now.spending.saved
    before = found.before.spending.spent.usd if found.before else None
    coverage = page.ask(money.coverage)
    without = wording.together((spent, saved))
    return [
        Figure("Spent", wording.money(spent), "Paid upstream.", wording.change(spent.usd, before), "inverse"),
        Figure(
            "Without recordings",
            wording.money(without),
            "What was spent, and what the calls that recordings answered would have cost.",
            note=f"{wording.money(saved)} saved",
        ),
        *month_figures(month),
        Figure(
            "Prices known",
            wording.percent(coverage),
            "Part of the answers whose price is known.",
            note=wording.unpriced(spent.unpriced + saved.unpriced) or "of all answers",
        ),
    ]


def _by_model(page: Page) -> None:
    found = page.ask(money.cost_by_model_over_time, page.span)
    if not found:
        parts.nothing("No call of this period has a known price above 0.")
        return
    sums: defaultdict[str, float] = defaultdict(float)
    for _, model, usd in found:
        sums[model or "none named"] += usd
    names = sorted(sums, key=lambda name: -sums[name])
    own, most = names[: len(palette.SERIES) - 1], len(palette.SERIES)
    shown = own if len(names) < most else [*own, "others"]
    amounts: defaultdict[tuple[datetime, str], float] = defaultdict(float)
    for at, model, usd in found:
        name = model or "none named"
        amounts[at, name if name in own else "others"] += usd
    series = [
        Series(name, colour, [amounts.get((at, name)) for at in page.moments])
        for name, colour in zip(shown, palette.SERIES, strict=False)
    ]
    parts.draw(charts.stacked(page.moments, page.span, series, Unit.USD), "USD spent over time by model")


def _shares(page: Page) -> None:
    names = sorted({name for name, _ in page.choices.tags})
    options = [*_BY, *(f"Tag {name}" for name in names)]
    chosen = st.segmented_control(
        "By", options, default="Model", required=True, key="by", bind="query-params", format_func=wording.plain
    )
    if chosen in _BY:
        found = page.ask(money.cost_by, _BY[chosen], limit=_SHARES)
    else:
        found = page.ask(money.cost_by_tag, chosen.removeprefix("Tag "))[:_SHARES]
    if not any(one.spending.spent.usd or one.spending.saved.usd for one in found):
        parts.nothing("Nothing of this has a known price above 0.")
        return
    _bars(found)


def _bars(found: Sequence[Share]) -> None:
    labels = [wording.short(share.label or "none", 34) for share in found]
    if len({*labels}) < len(labels):  # the ends of long names tell them apart
        labels = [f"…{(share.label or 'none')[-33:]}" for share in found]
    series = [
        Series("Spent", palette.SPENT, [wording.known(share.spending.spent) for share in found]),
        Series("Saved", palette.SAVED, [wording.known(share.spending.saved) for share in found]),
    ]
    parts.draw(charts.bars(labels, series, Unit.USD), "USD spent and saved by what it was spent on")


def _tokens(page: Page) -> None:
    counted = page.along(dict(page.ask(money.tokens_over_time, page.span)))
    if not any(counted):
        parts.nothing("No upstream has counted tokens in this period.")
        return
    kinds = (
        ("Prompt", "prompt"),
        ("Cached", "cached"),
        ("Completion", "completion"),
        ("Reasoning", "reasoning"),
    )
    series = [
        Series(name, colour, [getattr(one, member) if one else None for one in counted])
        for (name, member), colour in zip(kinds, palette.SERIES, strict=False)
    ]
    parts.draw(charts.stacked(page.moments, page.span, series, Unit.CALLS), "Tokens over time by kind")


def _gaps(page: Page) -> None:
    _reported(page)
    found = page.ask(money.gaps)
    if not found:
        parts.nothing("The price of every answer is known.")
        return
    columns: parts.Columns = {
        "model": [gap.model or "none named" for gap in found],
        "calls": [gap.calls for gap in found],
        "tokens": [gap.tokens for gap in found],
        "reason": [gap.reason for gap in found],
        "upstream": [gap.upstream for gap in found],
    }
    looks: parts.Looks = {
        "model": st.column_config.TextColumn("Model", pinned=True),
        "upstream": "Upstream",
        "reason": st.column_config.TextColumn("Why", width="medium"),
        "calls": st.column_config.NumberColumn("Calls", format="localized"),
        "tokens": st.column_config.NumberColumn("Tokens", format="compact"),
    }
    parts.table(columns, looks, "Calls whose price is not known, and why")
    st.caption(
        "A `[[price]]` table in chatreel.toml says what they cost; `chatreel reprice` prices what is in the log."
    )


def _reported(page: Page) -> None:
    """What servers say of their own prices: whoever sees that they differ can look into it."""
    found = page.ask(money.reported)
    if found.calls:
        theirs, ours = (wording.plain(text) for text in (wording.usd(found.usd), wording.money(found.ours)))
        st.markdown(
            f"Servers themselves say what they charged for **{wording.plural(found.calls, 'call')}**: **{theirs}**. "
            f"By the prices here it is **{ours}**."
        )
