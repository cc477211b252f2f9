"""How often a recording answered, why not, and what is asked again and again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries.money import MONEY, Spending, spending

_SERVED_TOKENS: Final = "sum(prompt_tokens + completion_tokens) FILTER (served)"
_ALL_TOKENS: Final = "sum(prompt_tokens + completion_tokens) FILTER (looked_up)"
_RATES: Final = f"""
 count(*) FILTER (looked_up), count(*) FILTER (served) / nullif(count(*) FILTER (looked_up), 0),
 {_SERVED_TOKENS} / nullif({_ALL_TOKENS}, 0)
"""
"""A refused call has no tokens: nobody knows how many it would have taken."""


@dataclass(frozen=True, slots=True)
class HitRate:
    """How often a recording answered."""

    looked_up: int
    """Calls that one could have answered."""
    calls: float | None
    """The part of them that one did answer."""
    tokens: float | None
    """The same by tokens, of the answers that report them."""


@dataclass(frozen=True, slots=True)
class MissReason:
    """Calls that no recording answered."""

    reason: str
    """As in the column `miss_reason`, and `differs`: the same messages had been recorded with other parameters."""
    calls: int
    usd: float | None
    """Spent on them, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """Calls with one key."""

    cache_key: str
    model: str | None
    calls: int
    served: int
    spending: Spending
    paid_again_usd: float | None
    """What was spent on them after the first time, as far as it is known; `None` if nothing is."""
    last_call: str
    """Id of the newest."""


def hit_rate(log: LogFile, about: Filter) -> HitRate:
    """Of all calls."""
    [row] = log.rows(f"SELECT {_RATES} FROM calls WHERE {about.where}", about.values)
    return HitRate(*row)


def hit_rate_over_time(log: LogFile, about: Filter, span: timedelta) -> list[tuple[datetime, HitRate]]:
    """For each span of time with calls, in order."""
    query = f"SELECT time_bucket($span, started_at), {_RATES} FROM calls WHERE {about.where} GROUP BY 1 ORDER BY 1"
    return [(row[0], HitRate(*row[1:])) for row in log.rows(query, about.values | {"span": span})]


def miss_reasons(log: LogFile, about: Filter) -> list[MissReason]:
    """Why no recording answered, the most frequent reason first."""
    query = f"""
    WITH first AS (
     SELECT prompt_digest, arg_min(cache_key, id) AS first_key, min(id) AS first_id FROM calls
     WHERE prompt_digest IS NOT NULL AND outcome <> 'failed' GROUP BY 1
    ), missed AS (
     SELECT CASE WHEN miss_reason = 'new' AND first_id < id AND first_key <> cache_key
       THEN 'differs' ELSE miss_reason END AS reason, cost_nusd
     FROM calls LEFT JOIN first USING (prompt_digest) WHERE {about.where} AND miss_reason IS NOT NULL
    )
    SELECT reason, count(*), sum(cost_nusd) / 1e9 FROM missed GROUP BY 1 ORDER BY 2 DESC, 1
    """
    return [MissReason(*row) for row in log.rows(query, about.values)]


def most_repeated(log: LogFile, about: Filter, *, limit: int = 25) -> list[Repeated]:
    """Requests that were made more than once, the most frequent first."""
    query = f"""
    WITH most AS (
     SELECT cache_key FROM calls WHERE {about.where} AND cache_key IS NOT NULL
     GROUP BY 1 HAVING count(*) > 1 ORDER BY count(*) DESC, 1 LIMIT {limit:d}
    ), sums AS (
     SELECT cache_key, count(*), count(*) FILTER (served), {MONEY},
      (sum(cost_nusd) - coalesce(arg_min(cost_nusd, id) FILTER (cost_nusd > 0), 0)) / 1e9, max(id) AS id
     FROM calls SEMI JOIN most USING (cache_key) WHERE {about.where} GROUP BY 1
    )
    SELECT sums.* EXCLUDE (id), model, call_id FROM sums JOIN calls USING (id) ORDER BY 2 DESC, 1
    """
    return [
        Repeated(key, model, calls, served, spending(tuple(money)), again, last)
        for key, calls, served, *money, again, model, last in log.rows(query, about.values)
    ]


def paid_again(log: LogFile, about: Filter) -> tuple[int, float]:
    """How often an upstream was paid for what had been answered before, and USD, as far as they are known."""
    query = f"""
    SELECT coalesce(sum(n - 1), 0), coalesce(sum(s - f), 0) / 1e9 FROM (
     SELECT count(*) AS n, sum(cost_nusd) AS s, arg_min(cost_nusd, id) AS f FROM calls
     WHERE {about.where} AND cache_key IS NOT NULL AND answered_by = 'upstream' GROUP BY cache_key
     HAVING count(*) > 1
    )
    """
    [(times, usd)] = log.rows(query, about.values)
    return int(times), float(usd)
