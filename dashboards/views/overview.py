"""Overview: the headline, against the period before, and its course."""

import streamlit as st

from chatreel.analytics.queries import latency, money, overview
from chatreel.analytics.queries.latency import Measure
from chatreel.analytics.queries.overview import Moment, Overview, Totals
from chatreel.dashboards import charts, palette, parts, wording
from chatreel.dashboards.page import Page
from chatreel.dashboards.parts import Figure
from chatreel.dashboards.vega import Series, Unit
from chatreel.dashboards.views import budgets


def draw(page: Page) -> None:
    parts.headline("Overview")
    if not page.has_calls():
        return
    budgets.warn(page)
    found = page.ask(overview.overview)
    course = page.along({moment.at: moment for moment in page.ask(overview.trend, page.span)})
    parts.figures(_headline(found, course), page.chosen.before)
    st.markdown(counterfactual(found.now))
    if page.figures_only:
        return
    left, middle, right = st.columns(3)
    with parts.card("Spent and saved", "USD; together the cost without recordings", at=left):
        _money(page, course)
    with parts.card("What became of the calls", "calls by outcome", at=middle):
        _outcomes(page)
    with parts.card("Hit rate", "of calls that a recording could have answered", at=right):
        _hit_rate(page, course)
    with parts.card("Models", "most calls first; times are those of calls that went upstream"):
        _models(page)


def counterfactual(now: Totals) -> str:
    """In one sentence what recordings were good for."""
    spent, saved = now.spending.spent, now.spending.saved
    calls = f"**{wording.plural(now.calls, 'call')}**"
    unknown = spent.unpriced + saved.unpriced
    if spent.usd is None and saved.usd is None:
        said = f"What {calls} cost is not known: {wording.unpriced(unknown)}."
    else:
        paid, spared = spent.usd or 0.0, saved.usd or 0.0
        less = f", **{spared / (paid + spared):.0%} less**" if paid + spared else ""
        would = f"Without recordings {calls} would have cost **{_dollars(paid + spared)}**"
        said = f"{would}; you paid **{_dollars(paid)}**{less}."
        said += f" Not counted: {wording.unpriced(unknown)}." if unknown else ""
    if now.hit_ms and now.upstream_ms:
        faster = f"{now.upstream_ms / now.hit_ms:,.0f}"
        said += f" A recording answers **{faster}× faster**"
        said += f" ({wording.ms(now.hit_ms)} against {wording.ms(now.upstream_ms)}),"
        said += f" which has saved **{wording.seconds(now.seconds_saved)}** of waiting."
    return said


def _left_out(calls: int) -> str:
    return f" {wording.unpriced(calls)} not in it." if calls else ""


def _dollars(amount: float) -> str:
    return wording.plain(wording.usd(amount))


def _headline(found: Overview, course: list[Moment | None]) -> list[Figure]:
    now, before = found.now, found.before or found.now
    known = found.before is not None
    spent, saved = now.spending.spent, now.spending.saved
    totals = [moment.totals if moment else None for moment in course]
    return [
        Figure(
            "Spent",
            wording.money(spent),
            f"Paid upstream.{_left_out(spent.unpriced)}",
            wording.change(spent.usd, before.spending.spent.usd) if known else None,
            "inverse",
            [one.spending.spent.usd if one else 0.0 for one in totals],
            bars=True,
        ),
        Figure(
            "Saved",
            wording.money(saved),
            f"What the calls that a recording answered would have cost.{_left_out(saved.unpriced)}",
            wording.change(saved.usd, before.spending.saved.usd) if known else None,
            "normal",
            [one.spending.saved.usd if one else 0.0 for one in totals],
            bars=True,
        ),
        Figure(
            "Hit rate",
            wording.percent(now.hit_rate),
            "Of the calls that a recording could have answered: neither passed by nor failed.",
            wording.points(now.hit_rate, before.hit_rate) if known else None,
            "normal",
            [one.hit_rate if one else None for one in totals],
        ),
        Figure(
            "Upstream, median",
            wording.ms(now.upstream_ms),
            "From the request read to the answer complete, of calls that an upstream answered.",
            wording.change(now.upstream_ms, before.upstream_ms) if known else None,
            "inverse",
            [one.upstream_ms if one else None for one in totals],
        ),
        Figure(
            "Errors",
            wording.percent(now.error_rate, 2),
            f"{wording.plural(now.errors, 'call')} that got an error: from an upstream, or refused.",
            wording.points(now.error_rate, before.error_rate) if known else None,
            "inverse",
            [one.error_rate if one else None for one in totals],
        ),
    ]


def _money(page: Page, course: list[Moment | None]) -> None:
    spent = [moment.totals.spending.spent.usd if moment else None for moment in course]
    saved = [moment.totals.spending.saved.usd if moment else None for moment in course]
    if not any(spent) and not any(saved):
        parts.nothing("No call of this period has a known price above 0.")
        return
    series = [Series("Spent", palette.SPENT, spent), Series("Saved", palette.SAVED, saved)]
    parts.draw(charts.stacked(page.moments, page.span, series, Unit.USD), "USD spent and saved over time")


def _hit_rate(page: Page, course: list[Moment | None]) -> None:
    rates = [moment.totals.hit_rate if moment else None for moment in course]
    if not any(rate is not None for rate in rates):
        parts.nothing("No call of this period could have been answered by a recording.")
        return
    series = [Series("Hit rate", palette.GREEN, rates)]
    parts.draw(charts.lines(page.moments, page.span, series, Unit.PART), "Hit rate over time")


def _outcomes(page: Page) -> None:
    counted = {(at, outcome): calls for at, outcome, calls in page.ask(overview.outcomes, page.span)}
    met = {outcome for _, outcome in counted}
    series = [
        Series(outcome.value, colour, [counted.get((at, outcome.value)) for at in page.moments])
        for outcome, colour in palette.OUTCOMES.items()
        if outcome.value in met
    ]
    parts.draw(charts.stacked(page.moments, page.span, series, Unit.CALLS), "Calls over time by outcome")


def _models(page: Page) -> None:
    found = page.ask(overview.by_model)
    p95 = {model: measured.p95 for model, measured in page.ask(latency.percentiles_by_model, Measure.UPSTREAM)}
    spent = {(at, model): usd for at, model, usd in page.ask(money.cost_by_model_over_time, page.span)}
    names = [model for model, _ in found]
    totals = [one for _, one in found]
    columns: parts.Columns = {
        "model": [name or "none named" for name in names],
        "trend": [[spent.get((at, name), 0.0) for at in page.moments] for name in names],
        "spent": [one.spending.spent for one in totals],
        "saved": [one.spending.saved for one in totals],
        "unpriced": [one.spending.spent.unpriced + one.spending.saved.unpriced for one in totals],
        "rate": [one.hit_rate for one in totals],
        "calls": [one.calls for one in totals],
        "p50": [one.upstream_ms for one in totals],
        "p95": [p95.get(name) for name in names],
    }
    looks: parts.Looks = {
        "model": st.column_config.TextColumn("Model", pinned=True),
        "trend": st.column_config.BarChartColumn("Spent over time", width="small"),
        "spent": parts.usd_column("Spent"),
        "saved": parts.usd_column("Saved"),
        "unpriced": st.column_config.NumberColumn("No price", help="Calls whose price is not known")
        if any(columns["unpriced"])
        else None,
        "rate": parts.part_column("Hit rate"),
        "calls": st.column_config.NumberColumn("Calls", format="compact"),
        "p50": parts.ms_column("p50", columns["p50"]),
        "p95": parts.ms_column("p95", columns["p95"]),
    }
    parts.table(columns, looks, "Calls, money and latency by model")
