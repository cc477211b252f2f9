"""Cache: how often a recording answered, why not, what is asked again and again, and what would help."""

import asyncio
from typing import Final

import streamlit as st

from chatreel import advice
from chatreel.analytics.queries import caching, overview
from chatreel.analytics.queries.money import Money
from chatreel.dashboards import charts, palette, parts, wording
from chatreel.dashboards.page import Page
from chatreel.dashboards.parts import Figure
from chatreel.dashboards.storage import growth
from chatreel.dashboards.vega import Series, Unit
from chatreel.errors import ChatreelError

_LOOKED_AT: Final = 300
"""Misses that are looked at for volatile text, the newest."""


def draw(page: Page) -> None:
    parts.headline("Cache")
    if not page.has_calls():
        return
    parts.figures(_headline(page), page.chosen.before)
    left, right = st.columns([3, 2])
    with parts.card("Hit rate", "part of what a recording could have answered", at=left):
        _hit_rate(page)
    with parts.card("Why misses missed", "calls that no recording answered", at=right):
        _reasons(page)
    with parts.card("Most repeated requests", "choose one to see its calls"):
        _repeated(page)
    left, right = st.columns([3, 2])
    with parts.card("Volatile text", "dates, ids and paths in prompts that make the same question a new one", at=left):
        _suggestions(page)
    with parts.card("The store", "recordings, and their bytes as they travelled", at=right):
        _storage(page)


def _headline(page: Page) -> list[Figure]:
    rate = page.ask(caching.hit_rate)
    found = page.ask(overview.overview)
    earlier = page.snapshot.ask(caching.hit_rate, page.about.before) if page.about.before else None
    times, usd = page.ask(caching.paid_again)
    saved = found.now.spending.saved
    before = found.before.spending.saved.usd if found.before else None
    return [
        Figure(
            "Hit rate",
            wording.percent(rate.calls),
            "Of the calls that a recording could have answered.",
            wording.points(rate.calls, earlier.calls if earlier else None),
            "normal",
        ),
        Figure(
            "By tokens",
            wording.percent(rate.tokens),
            "The same, each call weighed by its tokens. Answers that report none are left out.",
            wording.points(rate.tokens, earlier.tokens if earlier else None),
            "normal",
        ),
        Figure("Saved", wording.money(saved), "At list price.", wording.change(saved.usd, before), "normal"),
        Figure(
            "Waiting saved",
            wording.seconds(found.now.seconds_saved),
            note=f"{wording.count(rate.looked_up)} calls looked up",
        ),
        Figure(
            "Paid again",
            wording.usd(usd),
            "Spent on what had been answered before: asked for anew, expired, or passed by; as far as it is known.",
            note=wording.plural(times, "call"),
        ),
    ]


def _hit_rate(page: Page) -> None:
    found = page.along(dict(page.ask(caching.hit_rate_over_time, page.span)))
    if not any(one and one.looked_up for one in found):
        parts.nothing("No call of this period could have been answered by a recording.")
        return
    series = [
        Series("by calls", palette.GREEN, [one.calls if one else None for one in found]),
        Series("by tokens", palette.BLUE, [one.tokens if one else None for one in found]),
    ]
    parts.draw(charts.lines(page.moments, page.span, series, Unit.PART), "Hit rate over time, by calls and by tokens")


def _reasons(page: Page) -> None:
    found = page.ask(caching.miss_reasons)
    if not found:
        parts.nothing("There was no miss.")
        return
    labels = [wording.WHY.get(one.reason, one.reason) for one in found]
    series = [Series("Calls", palette.BLUE, [one.calls for one in found])]
    parts.draw(charts.bars(labels, series, Unit.CALLS), "Calls that no recording answered, by reason")
    spent = [
        f"{wording.plain(wording.usd(one.usd))} on *{label}*"
        for one, label in zip(found, labels, strict=True)
        if one.usd
    ]
    if spent:
        st.caption(f"Spent: {', '.join(spent[:3])}.")


def _repeated(page: Page) -> None:
    found = page.ask(caching.most_repeated)
    if not found:
        parts.nothing("No request was made twice.")
        return
    columns: parts.Columns = {
        "key": [one.cache_key.partition(":")[2][:12] for one in found],
        "model": [one.model for one in found],
        "calls": [one.calls for one in found],
        "rate": [one.served / one.calls for one in found],
        "saved": [one.spending.saved for one in found],
        "spent": [one.spending.spent for one in found],
        "again": [Money(one.paid_again_usd, 0) for one in found],
    }
    looks: parts.Looks = {
        "key": st.column_config.TextColumn("Key", pinned=True),
        "model": "Model",
        "calls": st.column_config.NumberColumn("Calls", format="localized"),
        "rate": parts.part_column("Answered by a recording"),
        "saved": parts.usd_column("Saved"),
        "spent": parts.usd_column("Spent"),
        "again": parts.usd_column("Paid again", "After the first time"),
    }
    says = "Requests that were made most often; choose one to see its calls"
    if chosen := parts.picked(columns, looks, says, key="repeated", ids=[one.cache_key for one in found], height=388):
        st.switch_page(page.pages["explorer"], query_params={"q": chosen})


def _suggestions(page: Page) -> None:
    """On demand: recordings are read for it."""
    settings = page.source.settings
    if settings is None:
        parts.nothing("Prompts are read from the store, which was not named: `chatreel dashboard --store`.")
        return
    st.markdown("Misses are compared with the recordings they only just missed, as `chatreel suggest` does.")
    if not st.button("Look through the newest misses", icon=":material/troubleshoot:"):
        return
    try:
        with st.spinner(f"Comparing up to {_LOOKED_AT} misses"):
            found = asyncio.run(advice.advise(settings, _LOOKED_AT))
    except ChatreelError as error:
        st.error(wording.plain(str(error)))
        return
    if not found.savings:
        st.success(f"{found.misses:,} misses looked at: volatile text has caused none of them.")
        return
    st.markdown(f"**{found.helped:,} of {found.misses:,} misses** would have been hits with these in chatreel.toml:")
    st.code("\n".join(advice.as_toml(found)), language="toml")


def _storage(page: Page) -> None:
    settings = page.source.settings
    if settings is None:
        parts.nothing("The store was not named: `chatreel dashboard --store`.")
        return
    try:
        found = page.snapshot.remembered(growth, lambda: growth(settings.store))
    except ChatreelError as error:
        parts.nothing(wording.plain(str(error)))
        return
    smaller = f"{found.content / found.stored:.1f}× smaller" if found.stored else ""
    parts.figures(
        [
            Figure("Recordings", wording.count(found.recordings)),
            Figure(
                "On disk",
                wording.size(found.disk),
                "With the log and what is free in it. Below: how much smaller what was said is kept than it travelled.",
                note=smaller,
            ),
        ]
    )
    if len(found.days) > 1:
        points = [
            (at, size, f"{wording.size(size)}, {wording.plural(number, 'recording')}")
            for at, number, size in found.days
        ]
        parts.draw(charts.accumulated(points, palette.BLUE), "Bytes of all recordings as they travelled, over time")
