"""Single calls, the sessions they belong to, and what there is to filter by."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from chatreel.analytics.columns import COLUMNS
from chatreel.analytics.filters import Filter
from chatreel.analytics.logfile import LogFile
from chatreel.analytics.queries.money import MONEY, Spending, spending

_LINE: Final = (
    "call_id, started_at, outcome, model, upstream, status, stream, latency_ms, ttft_ms, prompt_tokens, "
    "completion_tokens, cost_usd, saved_usd, session_name, reason"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A call in a list of calls; members as in the view."""

    call_id: str
    started_at: datetime
    outcome: str
    model: str | None
    upstream: str
    status: int | None
    stream: bool
    latency_ms: float
    ttft_ms: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    saved_usd: float | None
    session_name: str | None
    reason: str | None


class Order(StrEnum):
    """Which calls come first in a list."""

    NEWEST = "id DESC"
    DEAREST = "cost_nusd DESC NULLS LAST, id DESC"
    SLOWEST = "latency_ms DESC, id DESC"


@dataclass(frozen=True, slots=True)
class Run:
    """What the calls of a session came to."""

    session: str
    name: str | None
    first: datetime
    last: datetime
    calls: int
    hits: int
    recorded: int
    refused: int
    failed: int
    spending: Spending

    @property
    def passed(self) -> bool:
        """Whether every call of it was answered."""
        return not self.refused and not self.failed


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to filter by."""

    first: datetime | None
    """The oldest call; `None` if there are no calls."""
    last: datetime | None
    models: tuple[str, ...]
    upstreams: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]


def lines(log: LogFile, about: Filter, *, order: Order = Order.NEWEST, limit: int = 50, offset: int = 0) -> list[Line]:
    """A page of a list of calls."""
    query = f"SELECT {_LINE} FROM calls WHERE {about.where} ORDER BY {order.value} LIMIT {limit:d} OFFSET {offset:d}"
    return [Line(*row) for row in log.rows(query, about.values)]


def count(log: LogFile, about: Filter) -> int:
    """How many lines such a list has."""
    [(number,)] = log.rows(f"SELECT count(*) FROM calls WHERE {about.where}", about.values)
    return int(number)


def one(log: LogFile, call_id: str) -> dict[str, Any] | None:
    """A call, each column of the view by its name; `None` if there is none of that id."""
    names = [column.name for column in COLUMNS]
    found = log.rows(f"SELECT {', '.join(names)} FROM calls WHERE call_id = $call_id", {"call_id": call_id})
    return dict(zip(names, found[0], strict=True)) if found else None


def runs(log: LogFile, about: Filter, *, limit: int = 200) -> list[Run]:
    """Sessions that clients have opened, the newest first."""
    query = f"""
    SELECT session, any_value(session_name), min(started_at), max(started_at), count(*), count(*) FILTER (served),
     count(*) FILTER (outcome = 'recorded'), count(*) FILTER (outcome = 'refused'),
     count(*) FILTER (outcome = 'failed'), {MONEY}
    FROM calls WHERE {about.where} AND session IS NOT NULL GROUP BY 1 ORDER BY max(id) DESC LIMIT {limit:d}
    """
    return [_run(*row) for row in log.rows(query, about.values)]


def choices(log: LogFile) -> Choices:
    """All there is, by name."""
    [(first, last, models, upstreams)] = log.rows(
        "SELECT min(started_at), max(started_at), list(DISTINCT model) FILTER (model IS NOT NULL),"
        " list(DISTINCT upstream) FROM calls"
    )
    tags = log.rows("SELECT DISTINCT name, value FROM tags ORDER BY 1, 2")
    return Choices(first, last, tuple(sorted(models or ())), tuple(sorted(upstreams or ())), tuple(map(tuple, tags)))


def _run(session: str, name: str | None, first: datetime, last: datetime, *numbers: Any) -> Run:
    calls, hits, recorded, refused, failed = map(int, numbers[:5])
    return Run(session, name, first, last, calls, hits, recorded, refused, failed, spending(numbers[5:]))
