"""Latency: how long calls took. A recording and an upstream are never in one figure."""

from collections import Counter
from typing import Final

import streamlit as st

from chatreel.analytics.queries import latency, overview
from chatreel.analytics.queries.latency import Measure, Percentiles
from chatreel.dashboards import charts, palette, parts, wording
from chatreel.dashboards.page import Page
from chatreel.dashboards.parts import Figure
from chatreel.dashboards.vega import Series, Unit

_LINES: Final = (("p50", palette.BLUE), ("p90", palette.GREEN), ("p95", palette.ORANGE), ("p99", palette.VERMILION))
_CARDS: Final = (
    (Measure.UPSTREAM, "Upstream", "whole calls that an upstream answered; logarithmic"),
    (Measure.TTFT, "Time to first token", "of streams from upstream; logarithmic"),
    (Measure.HITS, "Recordings", "whole calls that a recording answered; logarithmic"),
    (Measure.OVERHEAD, "Overhead of the proxy", "what it adds to calls that go upstream; logarithmic"),
)


def draw(page: Page) -> None:
    parts.headline("Latency")
    if not page.has_calls():
        return
    measured = {measure: page.ask(latency.percentiles, measure) for measure in Measure}
    parts.figures(_headline(measured))
    for pair in (_CARDS[:2], _CARDS[2:]):
        for column, (measure, title, subtitle) in zip(st.columns(2), pair, strict=True):
            with parts.card(title, subtitle, at=column):
                _over_time(page, measure, title)
    left, right = st.columns([3, 2])
    with parts.card("How calls are spread", "calls by latency, eight bins to a power of ten", at=left):
        _histogram(page)
    with parts.card("Speed by model", "tokens per second of a stream: median, and where 80 % of streams are", at=right):
        _speeds(page)
    with parts.card("Models", "calls that went upstream"):
        _models(page)


def _headline(measured: dict[Measure, Percentiles | None]) -> list[Figure]:
    def at(measure: Measure, which: str) -> str:
        found = measured[measure]
        return wording.ms(getattr(found, which) if found else None)

    upstream, hits = measured[Measure.UPSTREAM], measured[Measure.HITS]
    return [
        Figure("Upstream, median", at(Measure.UPSTREAM, "p50"), note=_calls(upstream)),
        Figure(
            "Upstream, p99",
            at(Measure.UPSTREAM, "p99"),
            "One call of a hundred takes longer.",
            note=f"p95 {at(Measure.UPSTREAM, 'p95')}",
        ),
        Figure(
            "First token, median",
            at(Measure.TTFT, "p50"),
            "Of streams from upstream.",
            note=f"p95 {at(Measure.TTFT, 'p95')}",
        ),
        Figure("Recordings, p99", at(Measure.HITS, "p99"), note=_calls(hits)),
        Figure(
            "Overhead, median",
            at(Measure.OVERHEAD, "p50"),
            "What the proxy adds to a call that goes upstream.",
            note=f"p95 {at(Measure.OVERHEAD, 'p95')}",
        ),
    ]


def _calls(found: Percentiles | None) -> str:
    return f"{wording.count(found.calls if found else 0)} calls"


def _over_time(page: Page, measure: Measure, title: str) -> None:
    found = page.along(dict(page.ask(latency.percentiles_over_time, measure, page.span)))
    if not any(found):
        parts.nothing("No call of this period has such a time.")
        return
    # On a logarithmic axis there is no 0.
    series = [
        Series(name, colour, [max(getattr(one, name), 0.01) if one else None for one in found])
        for name, colour in _LINES
    ]
    parts.draw(charts.lines(page.moments, page.span, series, Unit.MS, log=True), f"{title}: percentiles over time")


def _histogram(page: Page) -> None:
    names = {"hit": "recording"}
    bins: Counter[tuple[str, float, float]] = Counter()
    for one in page.ask(latency.histogram):
        bins[names.get(one.outcome, "upstream"), one.low, one.high] += one.calls
    if not bins:
        parts.nothing("No call of this period was answered.")
        return
    series = [Series("recording", palette.GREEN, ()), Series("upstream", palette.BLUE, ())]
    parts.draw(charts.histogram(bins, series), "Calls by latency, recordings and upstreams apart")


def _speeds(page: Page) -> None:
    found = page.ask(latency.speeds)
    if not found:
        parts.nothing("No stream of this period came in two pieces or more.")
        return
    rows = [(wording.short(one.model or "none named", 30), one.p10, one.p50, one.p90) for one in found[:10]]
    parts.draw(
        charts.spreads(sorted(rows, key=lambda row: -row[2]), palette.SKY, Unit.SPEED), "Tokens per second by model"
    )


def _models(page: Page) -> None:
    found = page.ask(latency.percentiles_by_model, Measure.UPSTREAM)
    if not found:
        parts.nothing("No call of this period went upstream.")
        return
    first = dict(page.ask(latency.percentiles_by_model, Measure.TTFT))
    speeds = {one.model: one.p50 for one in page.ask(latency.speeds)}
    errors = {model: totals.error_rate for model, totals in page.ask(overview.by_model)}
    slowest = max(measured.p99 for _, measured in found)
    ttft = [first.get(model) for model, _ in found]
    columns: parts.Columns = {
        "model": [model or "none named" for model, _ in found],
        "calls": [measured.calls for _, measured in found],
        "p50": [measured.p50 for _, measured in found],
        "p90": [measured.p90 for _, measured in found],
        "p95": [measured.p95 for _, measured in found],
        "p99": [measured.p99 for _, measured in found],
        "first": [one.p50 if one else None for one in ttft],
        "first95": [one.p95 if one else None for one in ttft],
        "speed": [speeds.get(model) for model, _ in found],
        "errors": [errors.get(model) for model, _ in found],
    }
    looks: parts.Looks = {
        "model": st.column_config.TextColumn("Model", pinned=True),
        "calls": st.column_config.NumberColumn("Calls", format="compact"),
        "p50": parts.ms_column("p50", columns["p50"]),
        "p90": parts.ms_column("p90", columns["p90"]),
        "p95": parts.ms_column("p95", columns["p95"]),
        "p99": st.column_config.ProgressColumn("p99", format="%,.0f ms", min_value=0, max_value=slowest),
        "first": parts.ms_column("First token p50", columns["first"]),
        "first95": parts.ms_column("p95", columns["first95"]),
        "speed": st.column_config.NumberColumn("Tokens/s", format="%.0f"),
        "errors": st.column_config.NumberColumn("Errors", format="percent"),
    }
    parts.table(columns, looks, "Latency of calls that went upstream, by model")
