"""What was spent and saved. A price that is not known is counted, and is never 0."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from chatreel.analytics.filters import Filter
from chatreel.analytics.forecast import Forecast, forecast
from chatreel.analytics.logfile import LogFile

MONEY: Final = """
 sum(cost_nusd) FILTER (NOT served), count(*) FILTER (unpriced IS NOT NULL AND NOT served),
 sum(saved_nusd) FILTER (served), count(*) FILTER (unpriced IS NOT NULL AND served)
"""
"""Of some calls: four columns that `spending` reads."""

_NANO: Final = 1e9


@dataclass(frozen=True, slots=True)
class Money:
    """What some calls came to on one side."""

    usd: float | None
    """Of the calls whose price is known; `None` if there were calls and none of them has one."""
    unpriced: int
    """Calls that cost something nobody knows."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Both sides: what was paid upstream, and what would have been paid had nothing been recorded."""

    spent: Money
    saved: Money


@dataclass(frozen=True, slots=True)
class Share:
    """What the calls have come to that have something in common."""

    label: str | None
    """Of a day: `2026-11-24`."""
    calls: int
    spending: Spending


class By(StrEnum):
    """What calls may have in common."""

    DAY = "started_at::DATE"
    MODEL = "model"
    UPSTREAM = "upstream"
    SESSION = "coalesce(session_name, session)"


@dataclass(frozen=True, slots=True)
class Gap:
    """Calls without a price, and why."""

    model: str | None
    upstream: str
    reason: str
    calls: int
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Reported:
    """Calls of which the server says itself what it has charged."""

    calls: int
    usd: float
    """As the servers say."""
    ours: Money
    """As they are priced here."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that upstreams counted, each of them once."""

    prompt: int
    """Less those that were cached."""
    cached: int
    completion: int
    """Less reasoning."""
    reasoning: int


def spending(columns: tuple[Any, ...]) -> Spending:
    """What the columns of `MONEY` say."""
    spent, spent_unpriced, saved, saved_unpriced = columns
    return Spending(_money(spent, spent_unpriced), _money(saved, saved_unpriced))


def cost_by(log: LogFile, about: Filter, by: By, *, limit: int = 1_000) -> list[Share]:
    """Shares of a kind; days in order, others by what they cost."""
    order = "1" if by is By.DAY else "coalesce(sum(cost_nusd), 0) DESC, 2 DESC, 1"
    query = f"""
    SELECT {by.value}, count(*), {MONEY} FROM calls WHERE {about.where} GROUP BY 1 ORDER BY {order} LIMIT {limit:d}
    """
    return [_share(row) for row in log.rows(query, about.values)]


def cost_by_tag(log: LogFile, about: Filter, name: str) -> list[Share]:
    """Shares of the values of a tag, by what they cost; `None` are the calls without that tag."""
    query = f"""
    SELECT named.value, sum(n)::BIGINT, sum(a), sum(b), sum(c), sum(d)
    FROM (SELECT tags, count(*), {MONEY} FROM calls WHERE {about.where} GROUP BY 1) AS sets(tags, n, a, b, c, d)
    LEFT JOIN (SELECT tags, value FROM tags WHERE name = $name) AS named USING (tags)
    GROUP BY 1 ORDER BY coalesce(sum(a), 0) DESC, 2 DESC, 1
    """
    return [_share(row) for row in log.rows(query, about.values | {"name": name})]


def cost_by_model_over_time(log: LogFile, about: Filter, span: timedelta) -> list[tuple[datetime, str | None, float]]:
    """Beginning of a span of time, model and USD spent, as far as it is known; in order of time."""
    query = f"""
    SELECT time_bucket($span, started_at), model, sum(cost_nusd) / 1e9 FROM calls
    WHERE {about.where} AND cost_nusd > 0 GROUP BY 1, 2 ORDER BY 1, 2
    """
    return [(at, model, usd) for at, model, usd in log.rows(query, about.values | {"span": span})]


def tokens_over_time(log: LogFile, about: Filter, span: timedelta) -> list[tuple[datetime, Tokens]]:
    """What upstreams counted in each span of time with calls that they counted; in order of time."""
    query = f"""
    SELECT time_bucket($span, started_at), sum(billed_prompt_tokens - coalesce(cached_tokens, 0))::BIGINT,
     sum(coalesce(cached_tokens, 0))::BIGINT, sum(billed_completion_tokens - coalesce(reasoning_tokens, 0))::BIGINT,
     sum(coalesce(reasoning_tokens, 0))::BIGINT
    FROM calls WHERE {about.where} AND billed_prompt_tokens + billed_completion_tokens IS NOT NULL
    GROUP BY 1 ORDER BY 1
    """
    return [(row[0], Tokens(*row[1:])) for row in log.rows(query, about.values | {"span": span})]


def gaps(log: LogFile, about: Filter) -> list[Gap]:
    """Calls whose price is not known, on either side: the most first."""
    query = f"""
    SELECT model, upstream, unpriced, count(*), sum(prompt_tokens + completion_tokens) FROM calls
    WHERE {about.where} AND unpriced IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3
    """
    return [Gap(*row) for row in log.rows(query, about.values)]


def coverage(log: LogFile, about: Filter) -> float | None:
    """The part of the calls that have an answer whose price is known."""
    query = f"""
    SELECT count(price_source) / nullif(count(price_source) + count(unpriced), 0) FROM calls WHERE {about.where}
    """
    [(part,)] = log.rows(query, about.values)
    return None if part is None else float(part)


def reported(log: LogFile, about: Filter) -> Reported:
    """What servers say of their own prices, beside what is said of them here."""
    query = f"""
    SELECT count(*), coalesce(sum(reported_cost_nusd), 0), sum(cost_nusd), count(unpriced) FROM calls
    WHERE {about.where} AND NOT served AND reported_cost_nusd IS NOT NULL
    """
    [(calls, theirs, ours, unpriced)] = log.rows(query, about.values)
    return Reported(calls, theirs / _NANO, _money(ours, unpriced))


def forecast_month(log: LogFile, about: Filter, today: date) -> Forecast:
    """What the month of `today` will have cost. Dates of the filter do not count: the month is the month."""
    return forecast(spent_by_day(log, about, today), today)


def spent_by_day(log: LogFile, about: Filter, today: date) -> dict[date, float]:
    """USD spent on each day with calls, as far as it is known, two months back from `today` at most; dates as above."""
    ever = replace(about, since=None, until=None)
    values = ever.values | {"today": today}
    query = f"""
    SELECT started_at::DATE, sum(cost_nusd) / 1e9 FROM calls
    WHERE {ever.where} AND started_at < $today::DATE + INTERVAL 1 DAY AND started_at >= $today::DATE - INTERVAL 62 DAY
    GROUP BY 1
    """
    return {day: float(usd or 0) for day, usd in log.rows(query, values)}


def _money(nanodollars: int | None, unpriced: int) -> Money:
    if nanodollars is None:
        return Money(None if unpriced else 0.0, int(unpriced))
    return Money(nanodollars / _NANO, int(unpriced))


def _share(row: tuple[Any, ...]) -> Share:
    label, calls, *money = row
    return Share(None if label is None else str(label), int(calls), spending(tuple(money)))
